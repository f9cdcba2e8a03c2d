"""Ctrl-C, SIGTERM and SIGHUP: each ends a command with one line, whatever the command is doing.

The handler raises KeyboardInterrupt, and remembers that it did: libraries that are being imported swallow the exception
or turn it into another one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lib import settings

SENTENCE: Final = "Interrupted; run the same command again to go on."
_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@dataclass
class _State:
    received: bool = False
    is_ending: bool = False


_state = _State()


def _signals() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


def _interrupt(*_: object) -> None:
    if not _state.is_ending:
        _state.received = True
        raise KeyboardInterrupt


@contextlib.contextmanager
def heeded(*, in_group: bool = False) -> Iterator[None]:
    """Handle the signals in this block, and the outer handlers again afterwards; in the main thread only.

    `torchrun` ends its processes by SIGTERM while they wait for each other in C++, where no handler runs; they end by
    it at once unless `in_group` says that there is something to save.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {}
    for number in _signals():
        is_ignored = signal.getsignal(number) is signal.SIG_IGN and number != signal.SIGINT  # by nohup
        if not is_ignored and (number != signal.SIGTERM or in_group or not settings.launched_by_torchrun()):
            previous[number] = signal.signal(number, _interrupt)
    is_outermost = _interrupt not in previous.values()
    if is_outermost:
        _state.received = _state.is_ending = False
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if is_outermost:
            _state.received = _state.is_ending = False


def check() -> None:
    """Raise KeyboardInterrupt when an interrupt was received, though something may have swallowed it."""
    if _state.received:
        raise KeyboardInterrupt


def was_received() -> bool:
    """Whether an interrupt was received in the current block."""
    return _state.received


def ignore_more() -> None:
    """Ignore further interrupts in the current block: the command is about to say that it ends."""
    _state.is_ending = True


def end_at_once(status: int) -> None:
    """From now on an interrupt ends this process without a word: all is said, and only exit handlers run."""
    if threading.current_thread() is threading.main_thread():
        for number in _signals():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: os._exit(status))
