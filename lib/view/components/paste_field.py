"""A field that takes an image from the clipboard.

The browser sends at most 12 MB; the server checks again, since anything may be sent to it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import streamlit as st

from lib.errors import QueryError
from lib.view.components import assets

MAX_BYTES = 12_000_000
LABEL = "Paste an image"


def field(key: str, on_paste: Callable[[bytes | QueryError], None]) -> None:
    """The field. Before the page runs again, `on_paste` gets the bytes of the pasted file, or the error."""

    def pasted() -> None:
        text = st.session_state[key]["pasted"]
        if text is not None:
            try:
                on_paste(decode(str(text)))
            except QueryError as error:
                on_paste(error)

    data = {"most": MAX_BYTES, "label": LABEL}
    assets.component("paste_field")(data=data, key=key, on_pasted_change=pasted)


def decode(word: str) -> bytes:
    """The bytes that `word` holds as base64, or none when it is not base64. Raises QueryError when it is too long."""
    if len(word) > MAX_BYTES * 4 // 3 + 4:
        raise QueryError(f"This image is larger than {MAX_BYTES / 1e6:.0f} MB; upload it as a file.")
    try:
        return base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        return b""
