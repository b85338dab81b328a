"""Text from outside, made harmless for a deck. A deck is code: `.control`, `shell` and `.include` in a name would run.

Nothing that came from a checkpoint, a card or a file name stands in a deck except through these two functions.
"""

from __future__ import annotations

import re

LONGEST = 60


def deck_name(text: str) -> str:
    """`text` as one word of ASCII letters, digits and underscores that begins with a letter, at most 60 long.

    Everything else becomes an underscore, so two texts may give the same name: number what must stay apart.
    """
    word = re.sub(r"[^A-Za-z0-9_]", "_", text)[:LONGEST]
    return word if re.match(r"[A-Za-z]", word) else f"n{word}"[:LONGEST]


def title_line(text: str) -> str:
    """The first line of a deck, a comment: `* aishw ` and the words of `text` as deck names, 120 characters at most.

    The fixed beginning keeps it from being `*ng_script` or `*#`, which ngspice executes.
    """
    words = " ".join(deck_name(word) for word in text.split())
    return f"* aishw {words}".strip()[:120].rstrip()
