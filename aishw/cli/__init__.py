"""The command line, one file per command. A command loads nouns, calls one verb, saves nouns."""

from aishw.cli.entry import main

__all__ = ["main"]
