"""Uploaded, pasted and camera photos: checked, decoded once, and kept in memory only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st
from PIL import Image

from lib.data import formats, images, thumbnails
from lib.errors import ImageError, QueryError
from lib.view.components import gallery

MOST_BYTES = 50_000_000
# The browser offers files with these endings; whatever the ending, the content decides.
KINDS = list(formats.ENDINGS)
PROMISE = "Your photo stays in this process's memory and is not stored. At most 50 MB and 64 megapixels."
TOO_LARGE = "This file is larger than 50 MB; choose a smaller photo."


def refusal(reason: str) -> str:
    """The sentence for a file that is not taken: `reason` follows "This file"."""
    return f"This file {reason}; choose another photo."


@dataclass(frozen=True)
class UploadedPhoto:
    """A user's photo: `whole` is upright RGB, `pixel_hash` the hash of its pixels, `preview` the data URI of a JPEG of
    at most 480 px a side."""

    whole: Image.Image
    pixel_hash: str
    preview: str


# Three entries only: one photo may take 192 MB. Streamlit's key is a hash of the file's bytes.
@st.cache_resource(max_entries=3, ttl=1800, show_spinner="Reading your photo")
def read(content: bytes) -> UploadedPhoto:
    """The photo in an uploaded, pasted or camera file. Raises QueryError with the reason in one sentence."""
    if len(content) > MOST_BYTES:
        raise QueryError(TOO_LARGE)
    try:
        whole = images.open_rgb(content)
    except ImageError as error:
        raise QueryError(refusal(str(error))) from error
    return UploadedPhoto(whole, images.pixel_hash(whole), gallery.data_uri(thumbnails.encode(whole, 480)))


def image_of(file: Any) -> Image.Image | None:
    """The photo in a Streamlit upload, upright RGB; None without a file. Raises QueryError with the reason."""
    return None if file is None else read(file.getvalue()).whole
