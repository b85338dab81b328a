"""The README's example runs, and its command list is the command line's."""

import re
from pathlib import Path

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text()


def test_the_two_commands_come_first():
    first = re.search(r"```\n(.*?)```", README, re.DOTALL).group(1)
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]
    makefile = (TOP / "Makefile").read_text()
    assert "\ndemo:" in makefile and "\ntest:" in makefile


def test_the_example_runs_and_ends_with_a_number(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert example.count("\n") <= 15
    exec(compile(example, "README.md", "exec"), {})
    found = re.search(r"end (\d\.\d+) rad", capsys.readouterr().out)
    assert found and 0.01 < float(found.group(1)) < 2


def test_every_command_is_listed_with_its_own_options():
    from aishw.cli.entry import COMMANDS, group

    listed = dict(re.findall(r"^\| `aishw (\w+)(.*?)` \|", README, re.MULTILINE))
    assert set(listed) == set(COMMANDS)
    for name, rest in listed.items():
        command = group.get_command(None, name)
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--?[a-z-]+", rest)) <= known, name


def test_the_files_it_names_are_there():
    for name in ("LICENSE", "Makefile", "tools/setup", "tools/demo", ".ci/run"):
        assert (TOP / name).is_file(), name
    assert "Apache License" in (TOP / "LICENSE").read_text()[:200]
