"""`python -m lib COMMAND`: see lib/commands/cli.py and lib/commands."""

from lib.commands.cli import main
from lib.learn import distributed

if __name__ == "__main__":
    distributed.leave(main())
