"""What the user has chosen, shared by all pages and kept in the page's address: the query photo and the selection."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import streamlit as st

from lib.view import url_state
from lib.view.url_state import PICKED, QUERY

# A selection that is too long for an address.
_LONG = "long_selection"


def query() -> str | None:
    """Id of the query photo, as the address has it."""
    return url_state.parameter(QUERY) or None


def choose(image_id: str, **choices: str) -> None:
    """Make a photo the query on every page: on the retrieval page the whole photo, whatever was asked there before.

    `choices` go into the address with it, so that one step back undoes them all.
    """
    url_state.forget(url_state.RETRIEVAL, "from", "part")
    url_state.write(**{QUERY: image_id}, **choices)


def forget() -> None:
    """No photo is the query any more."""
    url_state.write(**{QUERY: None})


def picked(ids: Sequence[str], contents: str) -> list[str]:
    """The selected photos among the catalog's `ids`; see `picked_rows`."""
    return [ids[row] for row in picked_rows(len(ids), contents)]


def picked_rows(n: int, contents: str) -> list[int]:
    """The selected rows of a catalog of `n` images, ascending: from the address (a link wins), else from this session.

    `contents` is the catalog's hash: a selection of other photos is none.
    """
    kept = url_state.parameter(PICKED) or st.session_state.get(_LONG)
    return decoded(kept, n, contents) if kept else []


def pick(chosen: Iterable[str], ids: Sequence[str], contents: str) -> None:
    """Select these photos on every page; none clears the selection. What is too long for an address stays here."""
    wanted = set(chosen)
    pick_rows([row for row, image_id in enumerate(ids) if image_id in wanted], len(ids), contents)


def pick_rows(rows: Sequence[int], n: int, contents: str) -> None:
    """`pick` by rows of a catalog of `n` images."""
    word = encoded(rows, n, contents) if rows else ""
    short = len(word) <= url_state.LONGEST
    st.session_state[_LONG] = "" if short else word
    url_state.write(**{PICKED: word if word and short else None})


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
