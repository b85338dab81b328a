"""`python -m aishw.cli` is the command `aishw`."""

from aishw.cli.entry import main

if __name__ == "__main__":
    main()
