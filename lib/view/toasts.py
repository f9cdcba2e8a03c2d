"""Errors of a click that leaves the page as it was: a toast instead of a box."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import remedies
from lib.view.formatting import plain


@contextmanager
def errors() -> Iterator[None]:
    """Show an error of the block with its remedy, and go on."""
    try:
        yield
    except PetalscopeError as error:
        st.toast(plain(remedies.sentence(error)), icon=":material/error:")
