"""Home: counts of the data set, and its classes by split."""

from __future__ import annotations

import html

import pandas as pd
import streamlit as st

from lib.data.catalog import SPLITS
from lib.prepare.workspace import Workspace
from lib.text import counted, natural_key
from lib.view import cached, photo_tiles
from lib.view.figures import style

_TITLES = dict(zip(SPLITS, ("Training", "Validation", "Test"), strict=True))
_SHADES = dict(zip(SPLITS, (1.0, 0.62, 0.34), strict=True))


def counts(workspace: Workspace, lead: str) -> None:
    """What this app is, in one line, and the numbers of photos, classes and of photos by split."""
    photos = cached.catalog(workspace)
    classes = counted(len(photos.classes), "class") if photos.classes else "no labels"
    numbers = [counted(len(photos.frame), "photo"), classes]
    numbers += [f"{photos.splits[split]:,} {title.lower()}" for split, title in _TITLES.items()]
    st.html(
        f'<p class="ps-lead" style="max-width:none">{html.escape(lead)} '
        f'<b style="white-space:nowrap">{html.escape(" · ".join(numbers[:2]))}</b> '
        f"({html.escape(', '.join(numbers[2:]))})</p>"
    )


def classes(workspace: Workspace) -> None:
    """A bar for each class, by split; nothing without labels. A table, since a Plotly chart took a fifth of a browser's
    work on this page."""
    photos = cached.catalog(workspace)
    if not photos.classes:
        return
    with st.expander(f"{counted(len(photos.classes), 'class')} by split", icon=":material/bar_chart:"):
        st.html(class_bars(photos.frame, photo_tiles.colours(photos)))


def class_bars(frame: pd.DataFrame, colours: dict[str, str]) -> str:
    """HTML of a table with a row for each class: a bar in its colour, shaded by split, and the counts of photos.

    `frame` is a catalog's; `colours` maps its labels to CSS colours. Labels come from folder names and are escaped.
    """
    counts = frame.groupby(["label", "split"], observed=True).size().unstack(fill_value=0)
    counts = counts.reindex(columns=list(_SHADES), fill_value=0)
    counts = counts.loc[sorted(counts.index, key=natural_key)]
    largest = max(1, int(counts.sum(axis=1).max()))
    rows = []
    for label, by_split in counts.iterrows():
        name, total = style.text(label), int(by_split.sum())
        parts = "".join(
            f'<i style="flex:{by_split[split]};background:{colours[str(label)]};opacity:{shade}"></i>'
            for split, shade in _SHADES.items()
            if by_split[split]
        )
        numbers = "".join(f'<td class="fine">{by_split[split]:,}</td>' for split in _SHADES)
        rows.append(
            f'<tr><th scope="row" title="{name}">{name}</th>'
            f'<td><div style="width:{100 * total / largest:.2f}%">{parts}</div></td>'
            f"<td><b>{total:,}</b></td>{numbers}</tr>"
        )
    heads = "".join(f'<th class="fine" scope="col">{title}</th>' for title in _TITLES.values())
    return (
        '<div class="ps-bars"><table><thead><tr><th scope="col">Class</th><th></th><th scope="col">Photos</th>'
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
