"""Controls that several pages share: space and metric, downloads, figures in boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import url_state


def csv_button(table: pd.DataFrame, name: str, width: Literal["content", "stretch"] = "content") -> None:
    """A button that saves `table` as `petalscope-<name>.csv`."""
    csv = f"petalscope-{name}.csv"
    download("Download as CSV", lambda: table.to_csv(index=False).encode(), csv, key=f"csv_{name}", width=width)


def download(
    label: str,
    data: Callable[[], bytes | str],
    file_name: str,
    key: str | None = None,
    width: Literal["content", "stretch"] = "content",
) -> None:
    """A button that makes a file when it is clicked, and saves it. The page stays as it is: each time it is drawn,
    Streamlit forgets files that it made before, and one that is asked for just then would never come."""
    st.download_button(label, data, file_name, icon=":material/download:", key=key, width=width, on_click="ignore")


def numbers(key: str, *figures: tuple[str, str, str, str]) -> None:
    """Figures beside each other in boxes: title, value, a few words under it and an explanation ("" for none)."""
    columns = st.container(key=f"numbers_{key}").columns(len(figures))
    for column, (title, value, under, about) in zip(columns, figures, strict=True):
        column.metric(
            title,
            value,
            under or None,
            help=about or None,
            border=True,
            height="stretch",
            delta_color="off",
            delta_arrow="off",
        )


def space_choice(opened: Workspace, where: str) -> str:
    """Which space: a control kept in the address."""
    names = opened.spaces
    return str(
        st.segmented_control(
            "Space",
            names,
            required=True,
            format_func=lambda name: spaces.get(name).title,
            wrap=True,
            **url_state.choice("space", where, names, "resnet18" if "resnet18" in names else names[-1]),
        )
    )


def metric_choice(label: str, default: str, name: str, where: str) -> str:
    """Which metric: a control kept in the address under `name`."""
    names = list(METRICS)
    tied = url_state.choice(name, where, names, default)
    return str(st.selectbox(label, names, format_func=lambda metric: METRICS[metric].title, **tied))
