"""How text and numbers are shown: text from file names or engines is escaped, since Streamlit reads Markdown."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lib.text import visible

# Whole numbers beyond this are rounded by browsers, which know doubles only.
_LARGEST_EXACT = 2**53


def plain(text: str) -> str:
    """Text from outside (a file name, an engine's reply) shown as it is; of Markdown only `code` remains."""
    printable = visible(text)
    parts = printable.split("`")
    if len(parts) % 2 == 0:  # an odd number of backticks is no code of ours
        parts = [printable.replace("`", "'")]
    return "".join(
        f"`{part}`" if i % 2 and part.strip() else "".join(_escaped(letter) for letter in part)
        for i, part in enumerate(parts)
    )


def _escaped(letter: str) -> str:
    return f"\\{letter}" if letter in r"\*_{}[]()#+-!|~$<>:&" else letter


def exact(value: Any) -> Any:
    """A value for `st.json` or a table: whole numbers that a browser would round as text, also in lists and objects."""
    if isinstance(value, int) and abs(value) > _LARGEST_EXACT:
        return str(value)
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    return [exact(each) for each in value] if isinstance(value, list) else value


def percent(share: float | None, places: int = 4) -> float | None:
    """A share as percent, for a column of numbers; None stays None."""
    return None if share is None else round(100 * share, places)


def ink() -> str | None:
    """The page's own text colour, for text on coloured ground, where Streamlit's grey has too little contrast."""
    return {"light": "#241f29", "dark": "#f4f0f7"}.get(str(st.context.theme.type))
