"""`python -m lib COMMAND`: see lib/cli.py and lib/commands."""

import sys

from lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
