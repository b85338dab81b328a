"""The report: report.json says what went in, the page is safe and renders, and no folder is ever half written."""

import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import verify_problems as problems

from aishw.errors import CompareError, StoreError
from aishw.verify import EnergyLine, Report, check_folder, climb, record, verdict, write_report
from aishw.verify.images import png_bytes
from aishw.verify.ladder import NOT_THE_CIRCUIT, Step
from aishw.verify.report import _brief, _number, _printable, _si

HOSTILE = "</title><script>document.title='x'</script>\"' onerror=alert(1) {{7*7}} \u202e\n.control\nshell"


def small(name="tiny", target_name="ring-test", rung_name="codes"):
    """A report of two rungs on 4x6 sites: quick to draw."""
    system = problems.kurashil(reference=True, name=name, image=(2, 3))
    plan = problems.design(system, target_name)
    full = problems.report_job(system)
    state = problems.solve(system, full.x0, full.samples_tau)
    ids = {"design_id": plan.id, "job_id": full.id}
    change = np.zeros_like(state)
    change[1, -1, 7] = 0.25
    change[0, 3:, 4] = 2 * np.pi
    steps = [
        Step("top", "as trained", problems.trace(system, state, full.samples_tau, **ids)),
        Step(
            rung_name, "one site off", problems.trace(system, state + change, full.samples_tau, cpu_s=1.5, **ids),
            limit_rad=0.01, judged="end_max",
        ),
    ]  # fmt: skip
    rungs = climb(system, steps)
    command = ("aishw", "verify", name)
    return Report(plan, full, rungs, verdict(rungs), command, {"weights": 7}, {"ngspice": "39.3"})


@pytest.fixture
def sketched(monkeypatch):
    """One dot instead of every figure, for the tests that look at files and words only."""
    dot = png_bytes(np.zeros((6, 6), np.uint8))

    def draw(given):
        names = [
            f"rung{k}_{what}.png" for k in range(len(given.rungs)) for what in ("end", "images", "sites")
        ]
        return dict.fromkeys([*names, "rms.png", "codes.png"], dot)

    monkeypatch.setattr("aishw.verify.report.draw", draw)


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    given = problems.report()
    folder = tmp_path_factory.mktemp("big") / "report"
    return given, write_report(folder, given)


def test_report_json_says_what_went_in(sketched, tmp_path):
    given = small()
    said = json.loads(write_report(tmp_path / "r", given).with_name("report.json").read_text())
    rung, above = given.rungs[1], given.rungs[1].above
    assert said["schema"] == "aishw-report/1"
    written = said["rungs"][1]
    assert (written["name"], written["limit_rad"], written["passed"], written["cpu_s"]) == (
        "codes",
        0.01,
        False,
        1.5,
    )
    assert written["above"]["end_rms_rad"] == above.end_rms_rad
    assert written["above"]["end_max_rad"] == pytest.approx(0.25) and written["above"]["judged"] == "end_max"
    assert written["above"]["rms_rad"] == above.rms_rad.tolist()
    assert written["above"]["sites"] == list(range(24)) and written["above"]["images"] == [0, 1]
    assert written["above"]["worst_sites"][0] == {
        "site": 7,
        "row": 1,
        "column": 1,
        "error_rad": pytest.approx(0.25),
    }
    assert written["above"]["slips"] == [{"image": 0, "site": 4, "row": 0, "column": 4, "turns": 1}]
    assert written["first"]["end_rms_unwrapped_rad"] == rung.first.end_rms_unwrapped_rad
    assert said["rungs"][0]["above"] is None
    assert said["verdict"]["headline"] == "Fell short" and said["verdict"]["failed_rungs"] == ["codes"]
    assert [part["name"] for part in said["verdict"]["parts"]] == [
        "local truth",
        "distribution",
        "this image",
    ]
    plan = given.design
    assert said["design"]["clipped"] == plan.clipped and said["design"]["cycles_per_image"] == plan.cycles
    assert said["design"]["tau_s"] == plan.seconds_per_tau.tolist()
    assert said["timeline"]["image_s"] == plan.timeline.image_s and said["target"]["frequency_Hz"] == 99.7e6
    again = said["reproduce"]
    assert again["command"] == ["aishw", "verify", "tiny"] and again["seeds"] == {"job": 5, "weights": 7}
    assert (again["design_id"], again["job_id"], again["system_id"]) == (
        plan.id,
        given.job.id,
        plan.system.id,
    )
    assert again["versions"]["ngspice"] == "39.3" and again["versions"]["numpy"] == np.__version__
    assert written["provenance"] == "simulated" and written["cpu_provenance"] == "measured"
    assert said["design"]["provenance"] == "analytic" and said["target"]["provenance"] == "assumed"


def test_every_float_in_report_json_says_its_unit():
    bare = {"images_that_grew", "median_growth", "growth", "site_growth", "fan_in", "duration"}
    units = re.compile(r"_(rad|tau|s|Hz|dB|J|V|K|m|V_m|per_tau|per_cycle|rad_per_cycle|start_.*)$")
    counted = {"cycles_per_tau", "cycles_per_image", "noise_delta"}

    def walk(value, path):
        if isinstance(value, dict):
            for key, each in value.items():
                walk(each, [*path, key])
        elif isinstance(value, list):
            for each in value:
                walk(each, path)
        elif isinstance(value, float):
            assert any(units.search(key) or key in bare | counted | {"settings"} for key in path), path

    said = record(problems.report())
    walk(said, [])
    assert said["energy"][0] == {
        "name": "run_J", "energy_J": 2.1e-7, "provenance": "simulated", "note": "supply current over one image",
        "error_J": None,
    }  # fmt: skip


def test_equal_images_have_no_psnr_and_json_stays_strict():
    given = small()
    plain = climb(
        given.design.system, [Step("a", "", given.rungs[0].trace), Step("b", "", given.rungs[0].trace)]
    )
    said = record(replace(given, rungs=plain))
    assert said["rungs"][1]["above"]["psnr_dB"] == [None, None]
    json.dumps(said, allow_nan=False)


def test_pictures_are_files_and_the_same_bytes_are_in_the_page(big):
    import base64

    page = big[1]
    text = page.read_text(encoding="utf-8")
    names = json.loads(page.with_name("report.json").read_text())["pictures"]
    assert {each.name for each in page.parent.iterdir()} == {*names, "report.html", "report.json"}
    assert {"rung0_end.png", "rung4_images.png", "rung4_sites.png", "rms.png"} <= set(names)
    assert {"codes.png", "waveform0.png"} <= set(names)
    assert "rung4_end.png" not in names  # a window holds no image
    for name in names:
        assert base64.b64encode((page.parent / name).read_bytes()).decode() in text
    assert len(re.findall(r"<img ", text)) == len(names)
    for reference in re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s]{1,12})""", text):
        assert reference.startswith("data:"), reference


def test_the_page_says_plainly_that_the_equation_is_not_the_circuit(big):
    given, page = big
    text = page.read_text(encoding="utf-8")
    assert f"{given.rungs[4].above.end_rms_rad:.2g} rad rms at the end: {NOT_THE_CIRCUIT}" in text
    assert "1 slip of whole turns" in text and "site (5, 9) in image 0 by +1" in text
    for rung in given.rungs:
        assert html.escape(rung.name) in text
    assert shlex.join(given.command) in html.unescape(text)


def test_hostile_names_stay_text(tmp_path):
    given = small(HOSTILE, HOSTILE, HOSTILE)
    page = write_report(tmp_path / "r", given).read_text(encoding="utf-8")
    assert "<script" not in page and "onerror=alert" in page and "{{7*7}}" in page
    assert "49" not in page.split("<style>")[0]
    assert "\u202e" not in page and "\\u202e" in page and "\n.control" not in page
    assert {each.suffix for each in (tmp_path / "r").iterdir()} == {".html", ".json", ".png"}
    assert json.loads((tmp_path / "r" / "report.json").read_text())["system"]["name"] == HOSTILE


def test_an_existing_folder_is_refused_and_left_alone(sketched, tmp_path):
    (tmp_path / "r").mkdir()
    with pytest.raises(StoreError, match="exists"):
        write_report(tmp_path / "r", small())
    assert list((tmp_path / "r").iterdir()) == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="not a folder"):
        write_report(tmp_path / "file", small(), overwrite=True)
    with pytest.raises(StoreError, match="not a folder"):
        write_report(tmp_path / "file" / "below", small())
    assert (tmp_path / "file").read_text() == "mine"


def test_only_a_report_is_overwritten_and_other_files_in_it_survive(sketched, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years")
    with pytest.raises(StoreError, match="not a report"):
        check_folder(home, overwrite=True)
    page = write_report(tmp_path / "r", small("first"))
    (tmp_path / "r" / "notes.txt").write_text("mine")
    (tmp_path / "r" / "rung9_images.png").write_text("not listed, so kept")
    with pytest.raises(StoreError, match="ask to overwrite"):
        write_report(tmp_path / "r", small("second"))
    assert "first" in page.read_text()
    write_report(tmp_path / "r", small("second"), overwrite=True)
    assert "second" in page.read_text() and (tmp_path / "r" / "notes.txt").read_text() == "mine"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home", "r"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [0, 1])
def test_whatever_stops_the_writing_leaves_the_old_report(sketched, tmp_path, monkeypatch, failure, at):
    page = write_report(tmp_path / "r", small("first"))
    before = {each.name: each.read_bytes() for each in page.parent.iterdir()}
    calls, rename = [], os.rename

    def stops(source, target):
        calls.append(source)
        if len(calls) == at + 1:
            raise failure
        rename(source, target)

    monkeypatch.setattr("aishw.verify.report.os.rename", stops)
    with pytest.raises(StoreError if isinstance(failure, OSError) else KeyboardInterrupt):
        write_report(tmp_path / "r", small("second"), overwrite=True)
    assert {each.name: each.read_bytes() for each in page.parent.iterdir()} == before
    assert [each.name for each in tmp_path.iterdir()] == ["r"]


def test_refusals_of_the_inputs():
    with pytest.raises(CompareError, match="measured, simulated, analytic, assumed"):
        EnergyLine("run_J", 1.0, "guessed")
    with pytest.raises(CompareError, match="measured, simulated, analytic, assumed"):
        replace(small(), target_provenance="sure")
    with pytest.raises(CompareError, match="one rung"):
        replace(small(), rungs=())


def test_numbers_as_they_are_printed():
    assert [_number(v) for v in (None, 0.0, 3, 1234567, 0.05004, 3.98e-5, 21.44, 5.0e6)] == [
        "–", "0", "3", "1,234,567", "0.0500", "3.98e-5", "21.4", "5.00e6"
    ]  # fmt: skip
    assert [_si(v, "s") for v in (4.01e-7, 9.999e-7, 1.0, 0.0)] == [
        "401\u00a0ns",
        "1\u00a0µs",
        "1\u00a0s",
        "0 s",
    ]
    assert _si(99.7e6, "Hz") == "99.7\u00a0MHz" and _si(3e-18, "J") == "0.003\u00a0fJ"
    assert _brief([2.0, 2.0]) == "2.00 each" and _brief([1e-9, 2e-9], "s") == "1\u00a0ns, 2\u00a0ns"
    assert _brief(list(map(float, range(9)))) == "0 to 8.00"
    assert (
        _printable("a\x00\x1b[31m\ud800", 99) == "a\\x00\\x1b[31m\\ud800"
        and len(_printable("x" * 999)) == 200
    )


def test_importing_verify_stays_light():
    heavy = ["torch", "matplotlib", "numba", "scipy", "networkx", "sklearn", "h5py", "jinja2", "PIL"]
    code = f"import sys, aishw.verify; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def browse(page, profile, *more):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine: the page was not opened in a browser")
    switches = (
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=4000",
        "--enable-logging=stderr", "--dump-dom",
    )  # fmt: skip
    ran = subprocess.run(
        [chromium, *switches, f"--user-data-dir={profile}", *more, page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0 and "</html>" in ran.stdout, ran.stderr[-2000:]
    return ran.stdout, [line for line in ran.stderr.splitlines() if "CONSOLE" in line]


PROBE = """<script>addEventListener('load', () => {
  const all = [...document.images], loaded = all.filter(i => i.complete && i.naturalWidth > 0);
  const page = document.documentElement;
  document.body.dataset.probe = [all.length, loaded.length, page.scrollWidth - page.clientWidth,
    document.getElementById('verdict').textContent].join('|');
  console.log('probe was here');
});</script>"""


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_renders_in_a_browser(big, tmp_path, width):
    given, page = big
    size = f"--window-size={width},900"
    if width == 1280:
        dom, console = browse(page, tmp_path / "a", size)
        assert console == [] and given.verdict.headline in dom
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    copy = tmp_path / "probed.html"
    copy.write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    dom, console = browse(copy, tmp_path / "b", size)
    found = re.search(r'data-probe="([^"]*)"', dom)
    images, loaded, overflow, headline = found.group(1).split("|")
    assert int(images) == int(loaded) == len(given.rungs) - 1 + 5 + 4 + 3
    assert headline == given.verdict.headline and int(overflow) <= 0
    assert [line for line in console if "probe was here" not in line] == [] and len(console) == 1


def test_its_policy_stops_scripts_and_requests(big, tmp_path):
    _, page = big
    text = page.read_text(encoding="utf-8")
    copy = tmp_path / "attacked.html"
    attack = "<script>document.body.dataset.owned='yes'</script></body>"
    copy.write_text(text.replace("</body>", attack), encoding="utf-8")
    dom, console = browse(copy, tmp_path / "p")
    assert "data-owned" not in dom and len(console) == 1 and "Content Security Policy" in console[0]
