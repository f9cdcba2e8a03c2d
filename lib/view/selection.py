"""The query photo and the selected photos: shared by all pages, and kept in the page's address."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import streamlit as st

from lib.view import url_state
from lib.view.url_state import PASSING, PICKED, QUERY

# Where the session keeps a selection that is too long for an address.
_LONG = "long_selection"


def query_id() -> str | None:
    """The id of the query photo in the address; None where there is none."""
    return url_state.parameter(QUERY) or None


def choose_query(image_id: str, **choices: str) -> None:
    """Make a photo the query on every page. The retrieval page then searches with the whole photo, not a crop.

    `choices` are written into the address together with it, so that one step back undoes them all.
    """
    url_state.forget(url_state.RETRIEVAL, "from", "crop")
    url_state.write(**{QUERY: image_id}, **choices)


def selected_ids(ids: Sequence[str], contents: str) -> list[str]:
    """The ids of the selected photos, in the order of the catalog's `ids`; see `picked_rows`."""
    return [ids[row] for row in selected_rows(len(ids), contents)]


def selected_rows(n: int, contents: str) -> list[int]:
    """The selected rows of a catalog of `n` photos, ascending: from the address, else from the session.

    `contents` is the catalog's hash; a selection made on other photos is ignored.
    """
    word = url_state.parameter(PICKED) or st.session_state.get(_LONG)
    return decode(word, n, contents) if word else []


def select(chosen: Iterable[str], ids: Sequence[str], contents: str) -> None:
    """Select the photos with the ids `chosen` on every page; an empty iterable clears the selection.

    A selection that is too long for an address stays in the session.
    """
    chosen_ids = set(chosen)
    select_rows([row for row, image_id in enumerate(ids) if image_id in chosen_ids], len(ids), contents)


def select_rows(rows: Sequence[int], n: int, contents: str, **choices: str | Sequence[str] | None) -> None:
    """`select` by rows of a catalog of `n` photos; `choices` are written into the address with the selection.

    The filter of the map page ends, unless `choices` has its words: then the photos pass it.
    """
    word = encode(rows, n, contents) if rows else ""
    fits = len(word) <= url_state.MAX_LENGTH
    st.session_state[_LONG] = "" if fits else word
    url_state.forget(url_state.MAP, PASSING)
    written: dict[str, str | Sequence[str] | None] = {PICKED: word if word and fits else None, PASSING: None}
    url_state.write(**written | choices)


def encode(rows: Sequence[int], n: int, contents: str) -> str:
    """Rows of a catalog of `n` photos as a short word for an address, valid for these `contents` only."""
    mask = np.zeros(n, dtype=bool)
    mask[list(rows)] = True
    packed = zlib.compress(np.packbits(mask).tobytes(), 9)
    return contents[:6] + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(word: str, n: int, contents: str) -> list[int]:
    """The rows in a word made by `encoded`; empty when the word is damaged, or belongs to another catalog."""
    if word[:6] != contents[:6]:
        return []
    try:
        packed = base64.urlsafe_b64decode(word[6:] + "=" * (-len(word[6:]) % 4))
        # The length is bounded: anybody can write an address that unpacks to gigabytes.
        unpacked = zlib.decompressobj().decompress(packed, max_length=n // 8 + 2)
    except (ValueError, binascii.Error, zlib.error):
        return []
    bits = np.unpackbits(np.frombuffer(unpacked, dtype=np.uint8))
    if len(unpacked) != -(-n // 8) or bits[n:].any():
        return []
    return [int(row) for row in np.nonzero(bits[:n])[0]]
