"""Photos in a grid, each a button: a click or Enter picks one, a double click or Space opens it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from lib.view.components import assets


@dataclass(frozen=True)
class Tile:
    """One photo of a grid; `notes` are the lines under its label.

    `right` marks the photo as of the query's class (True) or of another class (False); None draws no mark.
    """

    id: str
    src: str
    label: str
    colour: str
    notes: tuple[str, ...] = ()
    badge: str = ""
    right: bool | None = None
    alt: str = ""


def data_uri(jpeg: bytes) -> str:
    """A JPEG as an address that a page can show without another request."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def show(
    tiles: Sequence[Tile],
    *,
    key: str,
    title: str,
    on_pick: Callable[[str], None],
    tile: int = 96,
    row: bool = False,
    chosen: str | None = None,
    opens: bool = False,
) -> str | None:
    """Draw the photos; a click calls `on_pick` with the photo's id before the page runs again.

    `tile` is the smallest width of a photo in px; `row` keeps all photos in one row that scrolls. Where photos open
    (`opens`), the id of the one that was opened just now is returned, as the browser says it; else None.
    """
    data = {
        "items": [asdict(item) for item in tiles],
        "tile": tile,
        "row": row,
        "chosen": chosen,
        "title": title,
        "opens": opens,
    }
    result = assets.component("gallery")(
        data=data, key=key, on_picked_change=assets.on_event(key, "picked", on_pick), on_opened_change=assets.nothing
    )
    return assets.triggered(result, "opened")
