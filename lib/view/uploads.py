"""Pictures that users bring: checked, decoded once, and kept for the session only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import streamlit as st
from PIL import Image

from lib.errors import ImageError, QueryError
from lib.view import cached
from lib.view.components import gallery

MOST_BYTES = 50_000_000
KINDS = ["jpg", "jpeg", "png", "webp", "bmp", "gif"]
PROMISE = "It stays in this process's memory and is not stored. At most 50 MB and 64 megapixels."


@dataclass(frozen=True)
class Picture:
    """A user's picture, upright RGB, and a small copy of it as a page shows it."""

    whole: Image.Image
    preview: str


# Few, since a picture may take 192 MB, and each holds one of the largest.
@st.cache_resource(max_entries=3, ttl=1800, show_spinner="Reading your photo")
def _decoded(sha256: str, _content: bytes) -> Picture:
    whole = cached.decoded(_content)
    return Picture(whole, gallery.data_uri(cached.encoded(whole, 480)))


def read(content: bytes) -> Picture:
    """The picture in an uploaded, pasted or taken file. Raises QueryError with the reason in one sentence."""
    if len(content) > MOST_BYTES:
        raise QueryError("This file is larger than 50 MB; choose a smaller picture.")
    try:
        return _decoded(hashlib.sha256(content).hexdigest(), content)
    except ImageError as error:
        raise QueryError(f"This file {error}; choose another picture.") from error


def picture_of(file: Any) -> Image.Image | None:
    """The picture in an uploaded file, upright RGB; None without a file. Raises QueryError with the reason."""
    return None if file is None else read(file.getvalue()).whole
