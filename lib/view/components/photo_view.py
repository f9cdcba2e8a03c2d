"""One photo, scaled to fit, with buttons and arrow keys to the one before and the one after it.

With a `Review` it also takes decisions about the photo's label, by buttons and keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from lib.view.components import assets

# Called with an action, a class ("" without one), and the id of the photo that it is about.
OnAct = Callable[[str, str, str], None]


@dataclass(frozen=True)
class Review:
    """What a review shows beside a photo: its label, the suggested one, the reasons to doubt it, all classes, and how
    far the review is."""

    id: str
    label: str
    suggested: str
    reasons: tuple[str, ...]
    classes: tuple[str, ...]
    progress: str
    can_undo: bool


def show(
    *,
    key: str,
    src: str,
    alt: str,
    size: tuple[int, int],
    note: str,
    previous: str | None,
    following: str | None,
    on_move: Callable[[str], None],
    review: Review | None = None,
    on_act: OnAct | None = None,
) -> None:
    """Draw the photo at the address `src` ("" draws none), `size` (width, height) px, never larger than that.

    `note` stands below it. `previous` and `following` are the ids that the buttons and the arrow keys lead to. With
    `review` its keys call `on_act`; the browser may have sent anything.
    """
    data = {
        "src": src,
        "alt": alt,
        "size": size,
        "note": note,
        "previous": previous,
        "following": following,
        "review": None if review is None else asdict(review),
    }
    events = {"on_moved_change": assets.on_event(key, "moved", on_move)}
    if on_act is not None:
        events["on_acted_change"] = assets.on_event(key, "acted", lambda message: _act(message, on_act))
    assets.component("photo_view")(data=data, key=key, **events)


def _act(message: str, on_act: OnAct) -> None:
    """Call `on_act` with the parts of a message, if it is a list of three texts."""
    try:
        parts = json.loads(message)
    except (ValueError, RecursionError):
        return
    if isinstance(parts, list) and len(parts) == 3 and all(isinstance(part, str) for part in parts):
        on_act(*parts)
