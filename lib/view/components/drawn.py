"""Whether the browser has drawn the page: what lies below the first screen need not delay what lies on it."""

from __future__ import annotations

from lib.view.components import assets


def is_drawn(key: str) -> bool:
    """False on the first run of a page; the browser then runs the fragment around this again, with True.

    Call it in a fragment of its own, else the whole page runs twice. True until the user leaves the page.
    """
    result = assets.component("drawn")(key=key, default={"drawn": False}, on_drawn_change=assets.nothing)
    return bool(result.drawn)
