"""Ctrl-C, SIGTERM and SIGHUP: each ends a command with one line, whatever the command is doing.

The handler raises KeyboardInterrupt, and remembers that it did: libraries that are being imported swallow the exception
or turn it into another one. It raises nothing within Python's own code for threads, which may have taken a lock that it
would then never release, so that the command waits for ever: such an interrupt comes again a moment later.
"""

from __future__ import annotations

import _thread
import contextlib
import linecache
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Final

from lib import settings

SENTENCE: Final = "Interrupted; run the same command again to go on."
_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
# Python's code for threads, and how far above the innermost call it is looked for: it calls little code of others.
_THREAD_CODE: Final = ("threading.py", "queue.py", "concurrent/futures/_base.py", "concurrent/futures/thread.py")
_DEPTH: Final = 4
_AGAIN_S: Final = 0.02
_MOST_DELAYS: Final = 100
_WAITS: Final = ("acquire(", "_handle.join(")  # what a wait calls


@dataclass
class _State:
    received: bool = False
    is_ending: bool = False
    delays: int = 0


_state = _State()


def _signals() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _state.is_ending:
        return
    if _state.delays < _MOST_DELAYS and _may_hold_a_lock(frame):
        _state.delays += 1
        # A thread of the lowest kind: `threading` would need the very locks.
        _thread.start_new_thread(_send_again, (number,))
        return
    _state.received = True
    raise KeyboardInterrupt


def _send_again(number: int) -> None:
    time.sleep(_AGAIN_S)
    os.kill(os.getpid(), number)


def _may_hold_a_lock(frame: FrameType | None) -> bool:
    """Whether the main thread, which `frame` is the innermost call of, is in Python's code for threads, other than in a
    wait, which may be long and ends well by an exception."""
    for _ in range(_DEPTH):
        if frame is None:
            return False
        file = frame.f_code.co_filename.replace(os.sep, "/")
        if file.endswith(_THREAD_CODE):
            is_wait = frame.f_code.co_name in {"wait", "_wait_for_tstate_lock", "join"}
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            return not (is_wait and any(call in line for call in _WAITS))
        frame = frame.f_back
    return False


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
        _forget()
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if is_outermost:
            _forget()


def _forget() -> None:
    _state.received = _state.is_ending = False
    _state.delays = 0


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
