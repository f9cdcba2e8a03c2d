"""Two rankings, one above the other, with a line between the places of the same photo; each photo is a button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from lib.view.components import assets
from lib.view.components.gallery import Marking, Tile

EMPTY = "No photo matches."


def show(
    upper: Sequence[Tile],
    lower: Sequence[Tile],
    *,
    key: str,
    titles: tuple[str, str],
    heads: tuple[Sequence[str], Sequence[str]],
    about: str,
    on_pick: Callable[[str], None],
    on_why: Callable[[str], None],
    chosen: str | None = None,
    explained: str | None = None,
    marking: Marking | None = None,
) -> str | None:
    """Draw both rankings. The badge of a tile is its rank; a line joins tiles of equal id.

    `titles` name the two groups for screen readers, `heads` are a heading and smaller lines beside each, and `about`
    describes the lines in words. A click calls `on_pick`, a click on "why?" calls `on_why`, both with the photo's id.
    Returns the id of the photo that was opened just now, as the browser says it, else None.
    `chosen` is the id of the query photo, `explained` the id of the photo whose explanation is open. With `marking`,
    tiles have "yes" and "no".
    """
    data = {
        "upper": [asdict(tile) for tile in upper],
        "lower": [asdict(tile) for tile in lower],
        "titles": titles,
        "heads": heads,
        "about": about,
        "empty": EMPTY,
        "chosen": chosen,
        "explained": explained,
        "opens": True,
        "marks": marking.words() if marking is not None else None,
    }
    result = assets.component("rank_lines")(
        data=data,
        key=key,
        on_picked_change=assets.on_event(key, "picked", on_pick),
        on_why_change=assets.on_event(key, "why", on_why),
        on_opened_change=assets.nothing,
        **(marking.events(key) if marking is not None else {}),
    )
    return assets.triggered(result, "opened")
