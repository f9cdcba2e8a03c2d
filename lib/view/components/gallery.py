"""Photos in a grid, each a button: a click or Enter picks one, a double click or Space opens it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True)
class Marking:
    """Marks of results: `marks` are the ids marked right (True) and wrong (False); `on_mark` gets an id, and which of
    the two was pressed."""

    marks: Mapping[str, bool]
    on_mark: Callable[[str, bool], None]

    def words(self) -> dict[str, str]:
        """The marks as the browser has them."""
        return {image_id: "yes" if right else "no" for image_id, right in self.marks.items()}

    def events(self, key: str) -> dict[str, Callable[[], None]]:
        """The callbacks of the component `key`."""
        return {
            "on_yes_change": assets.on_event(key, "yes", lambda image_id: self.on_mark(image_id, True)),
            "on_no_change": assets.on_event(key, "no", lambda image_id: self.on_mark(image_id, False)),
        }


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
    bare: bool = False,
    chosen: str | None = None,
    on_why: Callable[[str], None] | None = None,
    explained: str | None = None,
    opens: bool = False,
    marking: Marking | None = None,
) -> str | None:
    """Draw the photos; a click calls `on_pick` with the photo's id before the page runs again.

    `tile` is the smallest width of a photo in px; `row` keeps all photos in one row that scrolls; `bare` leaves the
    captions out. With `on_why` each photo has a "why?", whose click passes its id; `explained` is the id of the photo
    whose explanation is open. With `marking`, these photos also have "yes" and "no". Where photos open (`opens`), the
    id of the one that was opened just now is returned, as the browser says it; else None.
    """
    data = {
        "items": [asdict(item) for item in tiles],
        "tile": tile,
        "row": row,
        "bare": bare,
        "chosen": chosen,
        "title": title,
        "why": on_why is not None,
        "explained": explained,
        "opens": opens,
        "marks": marking.words() if marking is not None else None,
    }
    events = {"on_picked_change": assets.on_event(key, "picked", on_pick), "on_opened_change": assets.nothing}
    if on_why is not None:
        events["on_why_change"] = assets.on_event(key, "why", on_why)
    if marking is not None:
        events |= marking.events(key)
    return assets.triggered(assets.component("gallery")(data=data, key=key, **events), "opened")
