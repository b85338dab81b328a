"""How long a shell waits for `import aishw` (at most 0.3 s) and `aishw --help` (at most 0.5 s): best of seven."""

from __future__ import annotations

import subprocess
import sys
import time

CASES = (
    ("python start", [sys.executable, "-c", "pass"], None),
    ("import aishw", [sys.executable, "-c", "import aishw"], 0.3),
    ("import aishw.cli", [sys.executable, "-c", "import aishw.cli"], 0.5),
    ("aishw --help", [sys.executable, "-m", "aishw.cli", "--help"], 0.5),
    ("aishw run --help", [sys.executable, "-m", "aishw.cli", "run", "--help"], 0.5),
)


def best_s(command: list[str], repeats: int = 7) -> float:
    """The shortest wall time of `repeats` runs; the rest is the machine's other work."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    held = True
    for name, command, limit_s in CASES:
        took_s = best_s(command)
        held = held and (limit_s is None or took_s <= limit_s)
        print(f"{name:18s} {took_s:6.3f} s" + (f"   at most {limit_s} s" if limit_s else ""))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
