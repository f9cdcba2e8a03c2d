"""The progress of a command, on stderr."""

from __future__ import annotations

import sys
from typing import Any

from lib.commands import interrupts
from lib.errors import Notice
from lib.text import visible


class ProgressBar:
    """Progress bars of tqdm on stderr, one per stage, with plain sentences in between."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""
        self._line_open = False  # a bar has begun a line on stderr and not ended it

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def update(self, stage: str, done: int, total: int | None) -> None:
        """Move the bar of `stage` to `done` of `total` (None: unknown)."""
        from tqdm import tqdm

        interrupts.check()
        if stage != self._stage:
            self._close()
            self._stage, self._line_open = stage, True
            self._bar = tqdm(total=total, desc=stage, file=sys.stderr, dynamic_ncols=True, mininterval=0.3)
        if total is not None and self._bar.total != total:
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def say(self, message: str | Notice) -> None:
        """Print a message without tearing the bar."""
        from tqdm import tqdm

        tqdm.write(visible(str(message)), file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line_open:  # interrupted while tqdm drew the bar
            print(file=sys.stderr)
        self._bar, self._line_open = None, False
