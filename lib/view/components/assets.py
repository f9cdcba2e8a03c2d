"""Our own Streamlit components: `X.js` and `X.css` beside `X.py`, joined into one script each, and their events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from lib.export import script_bundle


def on_event(key: str, event: str, callback: Callable[[str], None]) -> Callable[[], None]:
    """A callback of the component `key`: passes the id that `event` has triggered, unless it is None."""

    def forward() -> None:
        value = st.session_state[key][event]
        if value is not None:
            callback(str(value))

    return forward


def nothing() -> None:
    """The callback of an event that the page reads from what the component returns (`triggered`)."""


def triggered(result: Any, event: str) -> str | None:
    """The id that `event` of a component has triggered in this run, else None; the browser may have sent anything."""
    value = getattr(result, event, None)
    return None if value is None else str(value)


@st.cache_resource
def component(stem: str) -> Any:
    """The component whose files are called `stem`, registered as `petalscope_<stem>`.

    Once per process: a second registration under the same name makes Streamlit warn.
    """
    return st.components.v2.component(
        f"petalscope_{stem}",
        js=script_bundle.bundle(script_bundle.FOLDER / f"{stem}.js"),
        css=script_bundle.styles(script_bundle.FOLDER / f"{stem}.js"),
    )
