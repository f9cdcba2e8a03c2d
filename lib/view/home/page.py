"""The parts of the Home page."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st

from lib.data import thumbnails
from lib.data.catalog import SPLITS
from lib.errors import PetalscopeError
from lib.learn import backbone
from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls, page_frame, photo_tiles, url_state
from lib.view.components import gallery
from lib.view.figures import style
from lib.view.formatting import plain

STRIP = 24
BATCH = 4


def glance(opened: Workspace) -> None:
    """Counts of the data set, and its classes by split."""
    photos = cached.catalog(opened)
    columns = st.container(key="numbers").columns(5)
    splits = photos.splits
    for column, (name, value) in zip(
        columns,
        (
            ("Photos", len(photos.frame)),
            ("Classes", len(photos.classes)),
            *(
                (f"{title}", splits[name])
                for name, title in zip(SPLITS, ("Training", "Validation", "Test"), strict=True)
            ),
        ),
        strict=True,
    ):
        column.metric(name, f"{value:,}", border=True)
    st.html(_BARS + class_bars(photos.frame, photo_tiles.colours(photos)))


# A table with bars in it: its numbers can be read, and the Plotly chart in its place was a fifth of what a browser had
# to do for this page.
_BARS = """<style>
.ps-bars { max-height: 34rem; overflow: auto; margin: .2rem 0 .6rem; }
.ps-bars table { width: 100%; border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
.ps-bars th, .ps-bars td { border: 0; padding: .22rem .5rem; text-align: right; font-weight: 400; white-space: nowrap; }
.ps-bars thead th { opacity: .75; font-size: .78rem; }
.ps-bars th:first-child { text-align: left; max-width: 14rem; overflow: hidden; text-overflow: ellipsis; }
.ps-bars td:nth-child(2) { width: 100%; }
.ps-bars td div { display: flex; gap: 1px; height: 1.15rem; border-radius: .25rem; overflow: hidden; }
@media (max-width: 640px) { .ps-bars .fine { display: none; } }
</style>"""
_SHADES = {"train": 1.0, "val": 0.62, "test": 0.34}


def class_bars(frame: pd.DataFrame, colours: dict[str, str]) -> str:
    """HTML of a table with a row for each class: a bar in its colour, shaded by split, and the counts of photos.

    `frame` is a catalog's; `colours` maps its labels to CSS colours. Labels come from folder names and are escaped.
    """
    counts = frame.groupby(["label", "split"], observed=True).size().unstack(fill_value=0)
    counts = counts.reindex(columns=list(_SHADES), fill_value=0)
    most = max(1, int(counts.sum(axis=1).max()))
    rows = []
    for label, of in counts.iterrows():
        name, total = style.text(label), int(of.sum())
        parts = "".join(
            f'<i style="flex:{of[split]};background:{colours[str(label)]};opacity:{shade}"></i>'
            for split, shade in _SHADES.items()
            if of[split]
        )
        numbers = "".join(f'<td class="fine">{of[split]:,}</td>' for split in _SHADES)
        rows.append(
            f'<tr><th scope="row" title="{name}">{name}</th>'
            f'<td><div style="width:{100 * total / most:.2f}%">{parts}</div></td>'
            f"<td><b>{total:,}</b></td>{numbers}</tr>"
        )
    heads = "".join(f'<th class="fine" scope="col">{title}</th>' for title in ("Training", "Validation", "Test"))
    return (
        '<div class="ps-bars"><table><thead><tr><th scope="col">Class</th><th></th><th scope="col">Photos</th>'
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


TOUR = (
    ("See the map", "Every photo as a point. Lasso some, click one, follow the lines to its true neighbours."),
    ("Search with a photo", "The same photo under five metrics, L1 beside cosine, pixels against features."),
    ("Open the database", "Collections, schema, row counts and every index parameter, with its source."),
    ("Follow the training", "Four ways to train ResNet18, what each of them freezes, and how well it does."),
)


def tour() -> None:
    """Where to go from here."""
    targets = [page_frame.PAGES[place] for place in (2, 3, 4, 1)]
    for column, (title, words), (page, _, icon) in zip(st.columns(4), TOUR, targets, strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(page, label=f"**{title}**", icon=icon, query_params=url_state.link_to(page))
            st.caption(words)


def browse(opened: Workspace) -> None:
    """A strip of photos, by class and split; another draw on request."""
    photos = cached.catalog(opened)
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    labels = left.multiselect("Class", list(photos.classes), **url_state.several("classes_shown", list(photos.classes)))
    splits = middle.multiselect("Split", SPLITS, **url_state.several("splits_shown", SPLITS))
    draw = right.number_input(
        "Other photos",
        **url_state.number("draw", 0, 9999, 0),
        help="A number for a random choice of photos: the same number, the same photos.",
    )
    frame = photos.frame
    kept = frame[frame["label"].isin(labels or list(photos.classes)) & frame["split"].isin(splits or SPLITS)]
    if kept.empty:
        st.info("No photo is of these classes and splits at once; choose others.")
        return
    rows = np.random.default_rng(int(draw)).permutation(len(kept))[:STRIP]
    chosen = kept.iloc[np.sort(rows)]
    st.caption(f"{len(chosen)} of {len(kept):,} photos. Click one: it becomes the query on every page.")
    photo_tiles.show_photos(
        opened, list(chosen["id"]), key="strip", title="Photos", notes=list(chosen["split"]), tile=112
    )


@st.cache_data(max_entries=16, show_spinner="Loading the transforms")
def _steps(version: str, draw: int, _opened: Workspace) -> dict[str, object]:
    from lib.learn import transform_steps

    photos = cached.catalog(_opened)
    kept = _opened.weights("resnet18")
    preprocess = kept.preprocess if kept else backbone.IMAGENET_PREPROCESS
    rows = np.random.default_rng(draw).permutation(len(photos.frame))[:BATCH]
    made = transform_steps.batch([photos.open(row) for row in rows], preprocess, seed=draw)
    side = preprocess.input_size
    pictures = {
        "original": made.originals,
        f"resized to {side} px": [thumbnails.from_array(array) for array in made.resized],
        "augmented": made.augmented,
        "normalised": [transform_steps.viewable(array) for array in made.normalised],
    }
    return {
        "pictures": {
            step: [gallery.data_uri(thumbnails.encode(picture, 160)) for picture in drawn]
            for step, drawn in pictures.items()
        },
        "shape": " × ".join(map(str, made.normalised.shape)),
        "mean": float(made.normalised.mean()),
        "std": float(made.normalised.std()),
        "ids": [photos.ids[row] for row in rows],
        "preprocess": preprocess,
    }


def network_input(opened: Workspace) -> None:
    """A few photos at each step on their way into the network."""
    st.markdown("**What the network sees.** Each photo is resized, for training also augmented, then normalised.")
    if not st.toggle(
        "Show a batch on its way into the network",
        **url_state.switch("steps"),
        help="Loads torch, which takes a few seconds the first time.",
    ):
        return
    draw = int(st.session_state.get("draw", 0))
    try:
        made = _steps(opened.version, draw, opened)
    except PetalscopeError as error:  # a photo, or the weights, are not there any more
        page_frame.failed(error)
        return
    for step, sources in dict(made["pictures"]).items():  # type: ignore[call-overload]
        cells = "".join(
            f'<img src="{source}" alt="{html.escape(step)}" style="width:7.5rem;border-radius:.5rem">'
            for source in sources
        )
        st.html(
            f'<div style="display:flex;gap:.6rem;align-items:center;flex-wrap:wrap">'
            f'<b style="width:9rem">{html.escape(step)}</b>{cells}</div>'
        )
    st.caption(
        f"The batch is a float32 tensor of {made['shape']} (photos × channels × height × width) with mean "
        f"{made['mean']:.3f} and standard deviation {made['std']:.3f}; normalised photos are stretched to be visible."
    )


def audit(opened: Workspace) -> None:
    """Duplicates, contradicting labels, unreadable files."""
    photos = cached.catalog(opened)
    if photos.skipped:
        with st.expander(f"Files and folders that were left out: {len(photos.skipped):,}", icon=":material/report:"):
            st.dataframe(photos.skipped, width="stretch", hide_index=True)
    if not st.toggle(
        "Look for duplicates",
        **url_state.switch("audit"),
        help="Compares every photo with every other: a few seconds.",
    ):
        return
    found = cached.audited(opened)["duplicates"]
    conflicts = sum(group["conflict"] for group in found)
    exact = sum(group["kind"] == "exact" for group in found)
    st.markdown(
        f"**{exact}** pictures occur more than once, **{len(found) - exact}** pairs are nearly equal; "
        f"**{conflicts}** of these carry contradicting labels."
    )
    for place, group in enumerate(sorted(found, key=lambda group: not group["conflict"])[:30]):
        kind = "equal pixels" if group["kind"] == "exact" else f"{group['distance']} of 256 bits differ"
        st.caption(f"{'**Labels contradict** · ' if group['conflict'] else ''}{kind}")
        photo_tiles.show_photos(
            opened, group["ids"], key=f"group_{place}", title="Duplicates", notes=group["ids"], tile=112
        )
    page_controls.download("Download as JSON", lambda: cached.json_of(found), "petalscope-audit.json")


def readiness(opened: Workspace) -> None:
    """What is ready, what is not, and the button that mends it."""
    try:
        document = cached.readiness(opened.version)
    except PetalscopeError as error:
        page_frame.failed(error)
        return
    for check in document["checks"]:
        mark = ":material/check_circle:" if check["ready"] else ":material/pending:"
        remedy = f" → `{check['remedy']}`" if check["remedy"] else ""
        st.markdown(f"{mark} **{check['name']}** · {plain(check['detail'])}{remedy}")
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    st.caption(f"Petalscope {document['version']} with {versions}; prepared {opened.state['prepared']}")
    page_frame.prepare_button("Prepare again" if document["ready"] else "Prepare what is missing")
