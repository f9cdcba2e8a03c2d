"""Controls that several pages share: space and metric, downloads, metrics in boxes."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib import documents
from lib.embed import spaces
from lib.embed.space import GROUPS
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import provenance, url_state

_DEFAULT_SPACE = "resnet18"
# More spaces than this are chosen from a menu by groups, and drawn as a heat map.
FEW = 5


def csv_button(table: pd.DataFrame, name: str, width: Literal["content", "stretch"] = "content") -> None:
    """A button that saves `table` as `petalscope-<name>.csv`, with the provenance of the page in its first line."""
    lines, file_name = provenance.lines(), f"petalscope-{name}.csv"

    def text() -> str:
        return provenance.comment(lines) + str(table.to_csv(index=False))

    download("Download as CSV", text, file_name, key=f"csv_{name}", width=width)


def json_button(value: Any, name: str) -> None:
    """A button that saves `value` as `petalscope-<name>.json`, with the provenance of the page as its `provenance`."""
    text = partial(documents.json_text, provenance.added_to(value, provenance.lines()), indent=1)
    download("Download as JSON", text, f"petalscope-{name}.json", key=f"json_{name}")


def download(
    label: str,
    data: Callable[[], bytes | str],
    file_name: str,
    key: str | None = None,
    width: Literal["content", "stretch"] = "content",
) -> None:
    """A button that creates a file when it is clicked, and saves it.

    The click does not run the page again: Streamlit would forget the file before the browser has fetched it.
    """
    st.download_button(label, data, file_name, icon=":material/download:", key=key, width=width, on_click="ignore")


def sheet(key: str, label: str = "Controls") -> DeltaGenerator:
    """A row for a page's controls; in a narrow window (700 px) a button of the name `label` opens and closes it.

    CSS alone decides it, so the page need not know the width, and opening does not run the page again. Draw into it
    (`with sheet("map"):`) or call its methods; the controls stand side by side and wrap, each as wide as it asks.
    """
    box = st.container(key=f"sheet_{key}", horizontal=True, vertical_alignment="bottom", gap="small")
    box.html(f'<details class="ps-sheet"><summary>{html.escape(label)}</summary></details>')
    return box


def numbers(key: str, *figures: tuple[str, str, str, str]) -> None:
    """Figures side by side in boxes: title, value, a few words below it and an explanation ("" for none)."""
    columns = st.container(key=f"numbers_{key}").columns(len(figures))
    for column, (title, value, note, about) in zip(columns, figures, strict=True):
        column.metric(
            title,
            value,
            note or None,
            help=about or None,
            border=True,
            height="stretch",
            delta_color="off",
            delta_arrow="off",
        )


def page_number(place: DeltaGenerator, pages: int, key: str, *, label_is_shown: bool = True) -> int:
    """The page of a long list, from 1: a field in `place` if there are several; 1 again once the list is shorter."""
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = 1
    if pages <= 1:
        return 1
    visibility: Literal["visible", "collapsed"] = "visible" if label_is_shown else "collapsed"
    return int(place.number_input(f"Page of {pages}", 1, pages, key=key, label_visibility=visibility))


def segments(
    label: str,
    titles: Mapping[str, str],
    name: str,
    where: str,
    default: str,
    *,
    label_is_shown: bool = True,
    about: str | None = None,
) -> str:
    """One of the keys of `titles`, as buttons side by side: a control kept in the address under `name`.

    `where` distinguishes controls of one parameter, as in `url_state.choice`; `about` is shown beside the label.
    """
    return str(
        st.segmented_control(
            label,
            list(titles),
            required=True,
            format_func=titles.__getitem__,
            help=about,
            label_visibility="visible" if label_is_shown else "collapsed",
            wrap=True,
            **url_state.choice(name, where, list(titles), default),
        )
    )


def space_choice(workspace: Workspace, where: str) -> str:
    """The space: a control kept in the address; buttons, or a menu by groups where there are many spaces."""
    if len(workspace.spaces) > FEW:
        return space_select(workspace, "Space", where, width=360)
    return segments("Space", space_titles(workspace), "space", where, default_space(workspace))


def space_select(
    workspace: Workspace, label: str, where: str, name: str = "space", default: str | None = None, width: int = 170
) -> str:
    """`space_choice` as a menu, which takes less room in a row of controls; kept in the address under `name`."""
    titles = menu_titles(workspace)
    bound = url_state.choice(name, where, list(titles), default or default_space(workspace))
    return str(st.selectbox(label, list(titles), format_func=titles.__getitem__, width=width, **bound))


def default_space(workspace: Workspace) -> str:
    """The space that is shown until another one is chosen."""
    return _DEFAULT_SPACE if _DEFAULT_SPACE in workspace.spaces else workspace.spaces[-1]


def space_menu(workspace: Workspace, where: str, *, disabled: bool = False) -> str:
    """`space_choice` as a menu, for a row of controls."""
    titles = menu_titles(workspace)
    default = _DEFAULT_SPACE if _DEFAULT_SPACE in titles else workspace.spaces[-1]
    bound = url_state.choice("space", where, list(titles), default)
    return str(st.selectbox("Space", list(titles), format_func=titles.__getitem__, disabled=disabled, **bound))


def space_titles(workspace: Workspace) -> dict[str, str]:
    """The title of each prepared space, by name."""
    return {name: spaces.get(name).title for name in workspace.spaces}


def groups(workspace: Workspace) -> dict[str, list[str]]:
    """The prepared spaces by group, in the order of the groups; without empty groups."""
    by_group: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in workspace.spaces:
        by_group[spaces.get(name).group].append(name)
    return {group: names for group, names in by_group.items() if names}


def menu_titles(workspace: Workspace) -> dict[str, str]:
    """The titles of the prepared spaces for a menu, by name: group after group, and with its group where there are
    many."""
    many = len(workspace.spaces) > FEW
    return {
        name: f"{GROUPS[group]}: {spaces.get(name).title}" if many else spaces.get(name).title
        for group, names in groups(workspace).items()
        for name in names
    }


def spaces_in_words(workspace: Workspace) -> str:
    """The prepared spaces for the line under the heading: their titles, or how many of each group where there are
    many."""
    titles = space_titles(workspace)
    if len(titles) <= FEW:
        return ", ".join(titles.values())
    return ", ".join(f"{len(names)} {GROUPS[group].lower()}" for group, names in groups(workspace).items())


def metric_choice(label: str, default: str, name: str, where: str, width: int | Literal["stretch"] = "stretch") -> str:
    """The metric: a control kept in the address under `name`; in a narrow one metrics have their short names."""
    bound = url_state.choice(name, where, list(METRICS), default)
    titles = {metric.name: metric.title if width == "stretch" else metric.short for metric in METRICS.values()}
    return str(st.selectbox(label, list(titles), format_func=titles.__getitem__, width=width, **bound))
