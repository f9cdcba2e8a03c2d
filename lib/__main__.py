"""`python -m lib COMMAND`: see lib/cli.py and lib/commands."""

from lib.cli import main
from lib.learn import distributed

if __name__ == "__main__":
    distributed.leave(main())
