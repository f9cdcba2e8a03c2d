"""The form beside the Prepare button: how the data folder is read."""

from __future__ import annotations

from pathlib import PurePath

import streamlit as st

from lib.settings import LAYOUTS, LayoutChoice
from lib.view import inputs

TITLE = "How the folder is read"
AS_BEFORE = "as before"
# The words of these fields are the settings that an error about an ambiguous folder names (`Reading.option`).
LAYOUT, LABELS = "layout", "labels"
IMAGE_COLUMN, LABEL_COLUMN, SPLIT_COLUMN = "image-column", "label-column", "split-column"
SPLIT_ANEW = "Draw the split anew, even where the folders or the table have one"
OUTSIDE = "The table of labels must be a file in the data folder; write its path from there."
_ABOUT = {
    AS_BEFORE: "as at the last time; automatic at first",
    "auto": "found by what the folder holds",
    "classes": "a folder for each class",
    "splits": "train, validation and test folders over class folders",
    "table": "labels in a table",
    "unlabelled": "photos alone, whatever folders they lie in",
}


def show() -> LayoutChoice | None:
    """The fields, folded in; what the user chose, None where it cannot be used."""
    with st.expander(TITLE, icon=":material/account_tree:"):
        kind = st.selectbox(
            LAYOUT, [AS_BEFORE, *LAYOUTS], format_func=lambda each: f"{each}: {_ABOUT[each]}", key="layout_kind"
        )
        left, right = st.columns(2)
        labels = inputs.line(LABELS, where=left, key="layout_labels", placeholder="a file in the data folder").strip()
        columns = {
            field: inputs.line(name, where=place, key=f"layout_{field}", placeholder="found by name").strip() or None
            for place, field, name in (
                (right, "image_column", IMAGE_COLUMN),
                (left, "label_column", LABEL_COLUMN),
                (right, "split_column", SPLIT_COLUMN),
            )
        }
        anew = st.checkbox(SPLIT_ANEW, key="layout_split_anew")
        # A visitor of the page chooses among the files of the data folder only.
        path = PurePath(labels.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or labels.startswith("~") or ":" in labels:
            st.error(OUTSIDE, icon=":material/error:")
            return None
    return LayoutChoice(None if kind == AS_BEFORE else kind, labels or None, **columns, split_anew=anew or None)
