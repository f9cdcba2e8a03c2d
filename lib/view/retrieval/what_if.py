"""What if: how few bytes a vector needs before a search gets worse, and the shorter space made at a click."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.documents.what_if import Loss, WhatIfDocument, WhatIfRow
from lib.embed import spaces
from lib.measure import what_if
from lib.prepare.workspace import Workspace
from lib.store.index_types import format_bytes
from lib.text import counted, with_interval
from lib.view import background_jobs, cached, page_controls, page_frame, url_state, verdict
from lib.view.figures import what_if as figures
from lib.view.figures.style import config

BUTTON = "Measure what shorter vectors cost"
MAKE = "Make it a stored space"
CHOICE = "Space to make"
NO_QUERIES = "Scores need test photos as queries, training photos to learn from, and other photos as gallery."
SCORES = {"map": "mAP", "p10": "P@10"}
# A measurement of more multiplications takes minutes on two cores: it waits for a click.
UNASKED = 4e9


def show(workspace: Workspace) -> None:
    """The view, for one space: the trade-off as a figure and as a table, and the button that stores a way."""
    space = page_controls.space_choice(workspace, "retrieval")
    page_frame.origin(workspace, space, Engine="exact")
    splits = cached.catalog(workspace).splits
    if not splits["test"] or splits["train"] < 2:
        st.info(NO_QUERIES)
        return
    document = _measured(workspace, space)
    if document is None:
        return
    if (answer := what_if.verdict(document)) is not None:
        verdict.show(answer)
    measure = page_controls.segments("Measure", SCORES, "shorter", "retrieval", "map")
    st.plotly_chart(
        figures.trade_off(document["rows"], document["best"], by_p10=measure == "p10"),
        width="stretch",
        key="what_if",
        config=config("what-if"),
        alt=f"{SCORES[measure]} against the bytes of a vector, as in the table below",
    )
    _show_make(workspace, document)
    _show_table(document)


def _measured(workspace: Workspace, space: str) -> WhatIfDocument | None:
    """The stored document. None while it is measured: the page then shows a button, or the progress."""
    catalog = cached.catalog(workspace)
    stored = what_if.stored(workspace, catalog, space)
    if stored is not None:
        return stored
    queries = min(what_if.MOST_QUERIES, catalog.splits["test"])
    background_jobs.measure_on_request(
        lambda reporter: what_if.measure(workspace, catalog, space, reporter.stage("Ways to shorten the vectors")),
        f"what-if {space}",
        f"Not measured yet for {spaces.get(space).title}: {counted(queries, 'test photo')} are searched with 2, 4, 8, "
        "… principal components, plain, whitened, in 8 bits and in 1 bit. That takes some 20 s for 4,000 photos of 512 "
        "dimensions, once.",
        BUTTON,
        at_once=what_if.cost(workspace, catalog, space) <= UNASKED,
    )
    return None


def _show_make(workspace: Workspace, document: WhatIfDocument) -> None:
    """The choice of a way, and the button that makes it a space as `prepare` does; or the progress of that job."""
    if background_jobs.follow_or_show_error():
        return
    names = [row["space"] for row in document["rows"] if row["space"] != document["space"]]
    best = document["best"] if document["best"] in names else names[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        bound = url_state.choice("way", f"what-if {document['space']}", names, best)
        chosen = str(st.selectbox(CHOICE, names, width=300, **bound))
        ready = chosen in workspace.spaces
        if st.button(MAKE, type="primary", icon=":material/add:", key="make_derived", disabled=ready):
            background_jobs.start_prepare(cached.current_settings(), cached.release_store, [chosen])
            st.rerun()
    if ready:
        st.caption(f"{spaces.get(chosen).title} is stored: choose it as the space on any page.")
    else:
        st.caption(
            f"The same as `python -m lib prepare --spaces {chosen}`: vectors, neighbours, maps and a Milvus "
            "collection of its own, as for any space."
        )


def _show_table(document: WhatIfDocument) -> None:
    """Every way: scores with intervals, losses, and what it takes to store and to search."""
    shown = [
        {
            "Space": row["space"],
            "Dimensions": row["dim"],
            "Bytes a vector": row["bytes"],
            "mAP, %": _score(row["map"], row["ci95"]["map"]),
            "P@10, %": _score(row["p10"], row["ci95"]["p10"]),
            "mAP, pp": _loss(row["difference"]["map"]),
            "P@10, pp": _loss(row["difference"]["p10"]),
            "Milvus index": format_bytes(row["index_bytes"]),
            "Search, ms": row["milliseconds"],
            "Worse": "yes" if what_if.is_worse(row) else "–",
        }
        for row in document["rows"]
    ]
    st.dataframe(pd.DataFrame(shown), hide_index=True, width="stretch", key="what_if_table")
    st.caption(
        f"{counted(document['queries'], 'test photo')} as queries, {counted(document['gallery'], 'other photo')} as "
        f"gallery, cosine; 1-bit vectors by Hamming distance. Means, scales and components are learned from "
        f"{counted(document['training'], 'training photo')}. *pp*: difference to the vectors as they are, with its "
        "95 % interval; *worse*: significantly, in mAP or P@10. *Bytes*: of a packed store. *Milvus index*: estimated, "
        "HNSW over floats or 8-bit numbers, a flat index over bits; spaces made here are stored as floats. *Search*: "
        f"median of {what_if.ROUNDS} exact searches in float32, all lengths in turn ({document['machine']}). Made in "
        f"{document['seconds']:.0f} s; `python -m lib what-if --space {document['space']}` prints the same."
    )
    with st.container(horizontal=True):
        page_controls.csv_button(pd.DataFrame([_numbers(row) for row in document["rows"]]), "what-if")
        page_controls.json_button(dict(document), "what-if")


def _score(value: float | None, interval: list[float] | None) -> str:
    percent = None if value is None else 100 * value
    bounds = None if interval is None else [100 * bound for bound in interval]
    return with_interval(percent, bounds, 1, "  ({}–{})")


def _loss(loss: Loss) -> str:
    if loss["mean"] is None:
        return "–"
    low, high = (100 * bound for bound in loss["ci95"] or (loss["mean"], loss["mean"]))
    return f"{100 * loss['mean']:+.1f}  ({low:.1f} to {high:.1f})"


def _numbers(row: WhatIfRow) -> dict[str, object]:
    """A row of the CSV: intervals as two columns each."""
    flat: dict[str, object] = {}
    for name, value in row.items():
        if name == "ci95":
            for measure, bounds in row["ci95"].items():
                flat[f"{measure} low"], flat[f"{measure} high"] = bounds or (None, None)  # type: ignore[misc]
        elif name == "difference":
            for measure in SCORES:
                loss = row["difference"]["map" if measure == "map" else "p10"]
                low, high = loss["ci95"] or (None, None)
                flat |= {
                    f"{measure} difference": loss["mean"],
                    f"{measure} difference low": low,
                    f"{measure} difference high": high,
                    f"{measure} p": loss["p"],
                }
        else:
            flat[name] = value
    return flat
