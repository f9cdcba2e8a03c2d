"""lib.view.ended_sessions: what an ended session leaves is collected once, a while later."""

from __future__ import annotations

import gc
import time
import weakref

import pytest

from lib.view import ended_sessions


class Cycle:
    """Something that only the collector of cycles frees."""

    def __init__(self) -> None:
        self.itself = self


def test_cycles_of_ended_sessions_are_collected_once_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_sessions, "DELAY_S", 0.2)
    collections = []
    collect = gc.collect
    monkeypatch.setattr(gc, "collect", lambda: collections.append(collect()))
    left = weakref.ref(Cycle())
    gc.disable()
    try:
        for _ in range(5):
            ended_sessions._collect_soon()
        assert left() is not None
        deadline = time.monotonic() + 20
        while not collections:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        gc.enable()
    assert left() is None
    time.sleep(0.3)
    assert len(collections) == 1
    ended_sessions._collect_soon()  # of a session that ends later
    while len(collections) < 2:
        assert time.monotonic() < deadline + 20
        time.sleep(0.02)
