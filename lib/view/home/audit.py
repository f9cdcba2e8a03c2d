"""Home: how the data was read, and its quality: duplicates, leaks, contradicting labels, files that were left out."""

from __future__ import annotations

import streamlit as st

from lib.data import data_notes, skipped_files
from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.measure import leaks
from lib.prepare.workspace import Workspace
from lib.text import agreeing, counted
from lib.view import cached, page_controls, photo_tiles, provenance, remedies, url_state
from lib.view.formatting import plain

_MOST_GROUPS = 30
NO_LEAKS = "No test photo has a near-duplicate among the other photos."
LEAKS_HELP = (
    "A re-encoded, resized, brightened or cropped copy of a test photo lies outside the test split. A search with it "
    "finds itself, and scores become too good. `evaluate` and the scoreboard show each score without these pairs, too."
)
TOGETHER = "Splits that keep them together (CSV)"
TOGETHER_HELP = "A table of labels and splits: `python -m lib prepare --labels FILE` reads it."


def show(workspace: Workspace) -> None:
    """The files that were left out; leaks and duplicates once the user switches them on."""
    photos = cached.catalog(workspace)
    for sentence in data_notes.sentences(photos):
        st.caption(plain(sentence))
    if photos.factors:
        st.caption(plain(f"{photos.factors}."))
    if photos.skipped:
        if clause := skipped_files.summary(photos.skipped):
            st.caption(plain(f"{clause}."))
        with st.expander(f"Files and folders left out: {len(photos.skipped):,}", icon=":material/report:"):
            st.dataframe(photos.skipped, width="stretch", hide_index=True)
    if not st.toggle(
        "Find duplicates",
        **url_state.switch("audit"),
        help="Lists leaks between splits, then photos that occur more than once or are nearly equal.",
    ):
        return
    _show_leaks(workspace, photos)
    _show_duplicates(workspace)


def _show_leaks(workspace: Workspace, photos: Catalog) -> None:
    """The near-duplicates that straddle test and the other splits, and a table of splits without such pairs."""
    try:
        near = cached.near_duplicates(workspace)
    except PetalscopeError as error:
        st.info(remedies.sentence(error))
        return
    pairs = leaks.leaks(near, photos)
    record = near.record
    st.caption(
        f"Near-duplicates among {counted(record['candidates'], 'pair')} of similar photos in "
        f"{spaces.get(record['space']).title}: a correlation of at least {record['least_window']} with a window, or "
        f"{record['least_whole']} as a whole. Measured {record['made'][:16].replace('T', ' ')} UTC."
    )
    if not pairs:
        st.markdown(NO_LEAKS)
        return
    st.markdown(f"**{agreeing(len(pairs), 'leak', 'is', 'are')}** between test and the other splits.", help=LEAKS_HELP)
    for place, leak in enumerate(pairs[:_MOST_GROUPS]):
        st.caption("equal pixels" if leak["equal"] else f"correlation {leak['correlation']:.3f}")
        notes = [f"{split} · {name}" for split, name in zip(leak["splits"], leak["ids"], strict=True)]
        photo_tiles.show_photos(workspace, leak["ids"], key=f"leak_{place}", title="Leaks", notes=notes, tile=112)
    if len(pairs) > _MOST_GROUPS:
        st.caption(f"The first {_MOST_GROUPS} of {len(pairs):,}; `python -m lib audit` lists all.")
    if not photos.classes:
        return  # a table of labels and splits
    lines = provenance.lines()
    page_controls.download(
        TOGETHER,
        lambda: provenance.comment(lines) + leaks.shared_split_table(near, photos),
        "petalscope-splits.csv",
        key="together",
    )
    st.caption(TOGETHER_HELP)


def _show_duplicates(workspace: Workspace) -> None:
    """The photos that occur more than once or are nearly equal, conflicting labels first."""
    groups = cached.audit_report(workspace)["duplicates"]
    conflicts = sum(group["conflict"] for group in groups)
    exact = sum(group["kind"] == "exact" for group in groups)
    st.markdown(
        f"**{exact}** photos occur more than once, **{len(groups) - exact}** pairs are nearly equal"
        + (f"; **{conflicts}** of these groups have conflicting labels." if cached.catalog(workspace).classes else ".")
    )
    for place, group in enumerate(sorted(groups, key=lambda group: not group["conflict"])[:_MOST_GROUPS]):
        difference = "equal pixels" if group["kind"] == "exact" else f"{group['distance']} of 256 bits differ"
        st.caption(f"{'**Conflicting labels** · ' if group['conflict'] else ''}{difference}")
        photo_tiles.show_photos(
            workspace, group["ids"], key=f"group_{place}", title="Duplicates", notes=group["ids"], tile=112
        )
    page_controls.json_button(groups, "audit")
