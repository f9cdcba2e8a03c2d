"""`python -m lib COMMAND`: see lib/commands/cli.py and lib/commands."""

from __future__ import annotations

import sys
from typing import NoReturn

from lib.commands import interrupts


def run() -> NoReturn:
    """Run the command on the command line, and end this process with its exit status."""
    with interrupts.heeded():
        try:
            from lib.commands.cli import main  # within the block, since imports can be interrupted, too
            from lib.learn import distributed

            status = main()
        except KeyboardInterrupt:
            interrupts.ignore_more()
            print(f"petalscope: {interrupts.SENTENCE}", file=sys.stderr, flush=True)
            sys.exit(1)
        interrupts.end_at_once(status)
        distributed.leave(status)


if __name__ == "__main__":
    run()
