"""One photo, scaled to fit, with buttons and arrow keys to the one before and the one after it."""

from __future__ import annotations

from collections.abc import Callable

from lib.view.components import assets


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
) -> None:
    """Draw the photo at the address `src` ("" draws none), `size` (width, height) px, never larger than that.

    `note` stands below it. `previous` and `following` are the ids that the buttons and the arrow keys lead to.
    """
    data = {"src": src, "alt": alt, "size": size, "note": note, "previous": previous, "following": following}
    assets.component("photo_view")(data=data, key=key, on_moved_change=assets.on_event(key, "moved", on_move))
