"""What ended sessions leave behind: each one an event loop with three descriptors, which only the collector of cycles
frees. Streamlit would collect after every run of a page, which takes longer than most runs (`.streamlit/config.toml`
switches that off), so it is done a while after sessions have ended, once for many."""

from __future__ import annotations

import gc
import threading
from typing import Final

import streamlit as st

DELAY_S: Final = 10.0
_LOCK: Final = threading.Lock()
_PENDING: Final[list[threading.Timer]] = []


@st.cache_resource(scope="session", max_entries=1, show_spinner=False, on_release=lambda _: _collect_soon())
def follow() -> object:
    """Clean up after this session once it has ended."""
    return object()


def _collect_soon() -> None:
    with _LOCK:
        if _PENDING:
            return
        timer = threading.Timer(DELAY_S, _collect)
        timer.daemon = True
        _PENDING.append(timer)
        timer.start()


def _collect() -> None:
    with _LOCK:
        _PENDING.clear()
    gc.collect()
