"""Fields for text: every text that a user types on a page passes the rule of `limits` here.

A browser's own limit (`max_chars`) would not do: it cuts off without a word, and a visitor need not use a browser.
"""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib import limits
from lib.errors import QueryError
from lib.view.formatting import plain


def line(label: str, *, where: DeltaGenerator | None = None, **options: Any) -> str:
    """The text of a field of one line; empty where it is too long, which a sentence under the field says."""
    return line_or_none(label, where=where, **options) or ""


def line_or_none(
    label: str, *, where: DeltaGenerator | None = None, most: int = limits.LINE, **options: Any
) -> str | None:
    """`line`, but None where the text is too long: for fields whose empty text means something."""
    draw = st.text_input if where is None else where.text_input
    return _checked(str(draw(label, **options) or ""), label, where, most)


def text(label: str, **options: Any) -> str:
    """The text of a field of many lines; empty where it is too long, which a sentence under the field says."""
    return text_or_none(label, **options) or ""


def text_or_none(label: str, **options: Any) -> str | None:
    """`text`, but None where the text is too long."""
    return _checked(str(st.text_area(label, **options) or ""), label, None, limits.TEXT)


def _checked(value: str, label: str, where: DeltaGenerator | None, most: int) -> str | None:
    try:
        return limits.check(value, f"The field {label}", most)
    except QueryError as error:
        (st.error if where is None else where.error)(plain(str(error)), icon=":material/error:")
        return None
