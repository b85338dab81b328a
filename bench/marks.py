"""Where benches put their tables: between two equal marks in the README."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def write_between(mark: str, text: str) -> None:
    """Replaces what stands between the two `mark` lines; exits with one line if they are not there."""
    old = README.read_text()
    if old.count(mark) != 2:
        sys.exit(f"README.md lacks the two marks {mark}")
    README.write_text(re.sub(f"{mark}.*{mark}", lambda _: f"{mark}\n{text}\n{mark}", old, flags=re.DOTALL))
