"""Text that came from file names or engines, escaped for what shows it: Plotly reads some HTML, Streamlit Markdown."""

from __future__ import annotations

from typing import Any

import streamlit as st


def plain(text: str) -> str:
    """Text from outside (a file name, an engine's answer) shown as it is: only our own `commands` are Markdown."""
    kept = "".join(letter if letter.isprintable() else "�" for letter in text)
    parts = kept.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is no command of ours
        parts = [kept.replace("`", "'")]
    return "".join(
        f"`{part}`" if place % 2 and part.strip() else "".join(_literal(letter) for letter in part)
        for place, part in enumerate(parts)
    )


def _literal(letter: str) -> str:
    return f"\\{letter}" if letter in r"\*_{}[]()#+-!|~$<>:&" else letter


def exact(value: Any) -> Any:
    """A value for `st.json` or a table: whole numbers that a browser would round (beyond 2⁵³) as text, inside lists and
    objects, too."""
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    return [exact(each) for each in value] if isinstance(value, list) else value


def ink() -> str | None:
    """The page's own text colour, for text on coloured ground, where Streamlit's grey could not be read."""
    return {"light": "#241f29", "dark": "#f4f0f7"}.get(str(st.context.theme.type))
