"""What the user has chosen, shared by all pages and kept in the page's address: the query photo and the selection."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import streamlit as st

QUERY, PICKED = "q", "sel"
# Browsers and servers between here and there cut off longer addresses.
LONGEST = 6_000


def query() -> str | None:
    """Id of the query photo: from the address (a link wins), else from this session."""
    linked = st.query_params.get(QUERY)
    if linked:
        st.session_state[QUERY] = linked
    chosen = st.session_state.get(QUERY)
    if chosen and not linked:
        st.query_params[QUERY] = chosen
    return chosen


def choose(image_id: str) -> None:
    """Make a photo the query on every page."""
    st.session_state[QUERY] = image_id
    st.query_params[QUERY] = image_id


def forget() -> None:
    """No photo is the query any more."""
    st.session_state.pop(QUERY, None)
    st.query_params.pop(QUERY, None)


def link() -> dict[str, str]:
    """The part of an address that carries the query and the selection to another page."""
    carried = {QUERY: st.session_state.get(QUERY), PICKED: st.session_state.get(PICKED)}
    return {name: value for name, value in carried.items() if value and len(value) <= LONGEST}


def picked(ids: Sequence[str], contents: str) -> list[str]:
    """The selected photos among the catalog's `ids`; see `picked_rows`."""
    return [ids[row] for row in picked_rows(len(ids), contents)]


def picked_rows(n: int, contents: str) -> list[int]:
    """The selected rows of a catalog of `n` images, ascending: from the address (a link wins), else from this session.

    `contents` is the catalog's hash: a selection of other photos is none.
    """
    linked = st.query_params.get(PICKED)
    if linked:
        st.session_state[PICKED] = linked
    kept = st.session_state.get(PICKED)
    if kept and not linked and len(kept) <= LONGEST:
        st.query_params[PICKED] = kept
    return decoded(kept, n, contents) if kept else []


def pick(chosen: Iterable[str], ids: Sequence[str], contents: str) -> None:
    """Select these photos on every page; none clears the selection. What is too long for an address stays here."""
    wanted = set(chosen)
    pick_rows([row for row, image_id in enumerate(ids) if image_id in wanted], len(ids), contents)


def pick_rows(rows: Sequence[int], n: int, contents: str) -> None:
    """`pick` by rows of a catalog of `n` images."""
    st.session_state.pop(PICKED, None)
    st.query_params.pop(PICKED, None)
    if rows:
        st.session_state[PICKED] = encoded(rows, n, contents)
        if len(st.session_state[PICKED]) <= LONGEST:
            st.query_params[PICKED] = st.session_state[PICKED]


def encoded(rows: Sequence[int], n: int, contents: str) -> str:
    """Rows of a catalog of `n` images as a short word for an address, valid for these `contents` only."""
    mask = np.zeros(n, dtype=bool)
    mask[list(rows)] = True
    packed = zlib.compress(np.packbits(mask).tobytes(), 9)
    return contents[:6] + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decoded(word: str, n: int, contents: str) -> list[int]:
    """The rows that `encoded` made `word` of; none when it is damaged, or of another catalog."""
    if word[:6] != contents[:6]:
        return []
    try:
        packed = base64.urlsafe_b64decode(word[6:] + "=" * (-len(word[6:]) % 4))
        # Not more than there can be: an address comes from anywhere.
        unpacked = zlib.decompressobj().decompress(packed, max_length=n // 8 + 2)
    except (ValueError, binascii.Error, zlib.error):
        return []
    bits = np.unpackbits(np.frombuffer(unpacked, dtype=np.uint8))
    if len(unpacked) != -(-n // 8) or bits[n:].any():
        return []
    return [int(row) for row in np.nonzero(bits[:n])[0]]
