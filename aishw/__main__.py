"""`python -m aishw`: the command line without its script."""

from aishw.cli import main

if __name__ == "__main__":
    main()
