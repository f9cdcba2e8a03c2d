"""lib.commands.interrupts: an interrupt is never raised where a lock would stay taken."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest

from lib.commands import interrupts


def test_an_interrupt_that_finds_a_lock_just_taken_is_raised_after_it_is_released() -> None:
    """The signal comes the moment `Condition.__enter__` has the lock: raised there, it would keep it for ever."""
    taken = threading.Condition()
    released: list[bool] = []
    enter = threading.Condition.__enter__.__code__

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_return" and frame.f_code is enter and not released:
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGINT)

    with interrupts.heeded(), pytest.raises(KeyboardInterrupt):
        sys.setprofile(profile)
        try:
            with taken:
                released.append(False)
            released[0] = True
            time.sleep(30)
        finally:
            sys.setprofile(None)
    assert released == [True]
    found: list[bool] = []
    other = threading.Thread(target=lambda: found.append(taken.acquire(timeout=5)))
    other.start()
    other.join()
    assert found == [True]


@pytest.mark.parametrize("wait", [threading.Event().wait, threading.Thread(target=time.sleep, args=(20,), daemon=True)])
def test_a_wait_for_another_thread_is_interrupted_at_once(wait: Any) -> None:
    if isinstance(wait, threading.Thread):
        wait.start()
        wait = wait.join
    main = threading.main_thread().ident
    assert main is not None
    start = time.monotonic()
    threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
    with interrupts.heeded(), pytest.raises(KeyboardInterrupt):
        wait(15)
    assert time.monotonic() - start < 10
