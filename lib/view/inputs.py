"""Text fields: every text that a user types on a page is checked against `limits` here.

A limit in the browser (`max_chars`) would not do: it cuts the text off silently, and requests need not come from a
browser.
"""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib import limits
from lib.errors import QueryError
from lib.view import remedies
from lib.view.formatting import plain


def noun(label: str) -> str:
    """The noun for a field in the error about its text."""
    return f"The field {label}"


def line(label: str, *, where: DeltaGenerator | None = None, **options: Any) -> str:
    """The text of a field of one line; "" where it is too long, with an error under the field."""
    return line_or_none(label, where=where, **options) or ""


def line_or_none(
    label: str, *, where: DeltaGenerator | None = None, most: int = limits.LINE, **options: Any
) -> str | None:
    """`line`, but None where the text is longer than `most` characters: for fields whose empty text means something."""
    draw = st.text_input if where is None else where.text_input
    return _checked(str(draw(label, **options) or ""), label, where, most)


def text(label: str, **options: Any) -> str:
    """The text of a field of several lines; "" where it is too long, with an error under the field."""
    return text_or_none(label, **options) or ""


def text_or_none(label: str, **options: Any) -> str | None:
    """`text`, but None where the text is too long."""
    return _checked(str(st.text_area(label, **options) or ""), label, None, limits.TEXT)


def _checked(value: str, label: str, where: DeltaGenerator | None, most: int) -> str | None:
    try:
        return limits.check_length(value, noun(label), most)
    except QueryError as error:
        (st.error if where is None else where.error)(plain(remedies.sentence(error)), icon=":material/error:")
        return None
