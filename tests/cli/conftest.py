"""Running a command in this process, as a shell would see it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    def one_line(self, *words: str) -> None:
        """Asserts the promise for bad input: exit 2, nothing on stdout, one line on stderr that says `words`."""
        assert self.code == 2, self
        assert self.out == "", self
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("aishw: "), self
        assert "Traceback" not in self.err and "unexpected" not in self.err, self
        for word in words:
            assert word in self.err, (word, self.err)


@pytest.fixture
def aishw(capfd):
    """`aishw("inspect", path)` -> Answer."""
    from aishw.cli.entry import run

    def call(*arguments: object) -> Answer:
        capfd.readouterr()
        code = run([str(each) for each in arguments])
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return call
