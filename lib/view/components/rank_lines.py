"""Two rankings side by side, with a line between the rows of the same photo; each photo is a button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from lib.view.components import assets
from lib.view.components.gallery import Tile

EMPTY = "No photo matches."
# Px per row, while both rankings have at most so many rows, and with more.
_ROW_HEIGHT, _FEW_ROWS, _LOW_ROW_HEIGHT = 76, 25, 60


def show(
    left: Sequence[Tile],
    right: Sequence[Tile],
    *,
    key: str,
    titles: tuple[str, str],
    heads: tuple[tuple[str, str], tuple[str, str]],
    about: str,
    on_pick: Callable[[str], None],
    on_why: Callable[[str], None],
    chosen: str | None = None,
    explained: str | None = None,
) -> str | None:
    """Draw both rankings. The badge of a tile gives its rank on both sides; a line joins tiles of equal id.

    `titles` name the two groups for screen readers, `heads` are a heading and a smaller line above each, and `about`
    describes the lines in words. A click calls `on_pick`, a click on "why?" calls `on_why`, both with the photo's id.
    Returns the id of the photo that was opened just now, as the browser says it, else None.
    `chosen` is the id of the query photo, `explained` the id of the photo whose explanation is open.
    """
    data = {
        "left": [asdict(tile) for tile in left],
        "right": [asdict(tile) for tile in right],
        "step": _ROW_HEIGHT if max(len(left), len(right)) <= _FEW_ROWS else _LOW_ROW_HEIGHT,
        "titles": titles,
        "heads": heads,
        "about": about,
        "empty": EMPTY,
        "chosen": chosen,
        "explained": explained,
        "opens": True,
    }
    result = assets.component("rank_lines")(
        data=data,
        key=key,
        on_picked_change=assets.on_event(key, "picked", on_pick),
        on_why_change=assets.on_event(key, "why", on_why),
        on_opened_change=assets.nothing,
    )
    return assets.triggered(result, "opened")
