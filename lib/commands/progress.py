"""The progress of a command, on stderr."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

from lib.errors import Notice
from lib.text import visible


class ProgressBar:
    """Progress bars of tqdm on stderr, one per stage, with plain sentences in between.

    Remembers an interrupt, because a library that is being imported may swallow KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""
        self._line_open = False  # a bar has begun a line on stderr and not ended it
        self._interrupted = False
        self._handler: Any = None

    def __enter__(self) -> ProgressBar:
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        self._close()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def update(self, stage: str, done: int, total: int | None) -> None:
        """Move the bar of `stage` to `done` of `total` (None: unknown)."""
        from tqdm import tqdm

        if self._interrupted:
            raise KeyboardInterrupt
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
