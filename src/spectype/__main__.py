"""``python -m spectype``: the command line without its script."""

from spectype.cli import main

if __name__ == "__main__":
    main()
