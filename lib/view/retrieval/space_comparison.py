"""Spaces: how the photos lie in each space, and how far every two spaces agree."""

from __future__ import annotations

from typing import cast

import pandas as pd
import streamlit as st

from lib.documents.search import Interval
from lib.documents.spaces import Chance, SpaceDiagnosis, SpacePair, SpacesDocument
from lib.measure import comparison_programs, space_diagnosis, space_verdict
from lib.measure.space_diagnosis import MEASURES, PAIR_MEASURES, SAMPLE
from lib.prepare.workspace import Workspace
from lib.text import counted, with_interval
from lib.view import background_jobs, cached, page_controls, page_frame, reproduction, verdict
from lib.view.figures import space_pairs
from lib.view.figures.style import config
from lib.view.formatting import plain

NOT_MEASURED = "The spaces are not diagnosed yet"
BUTTON = "Diagnose and compare the spaces"
ONE_SPACE = "Only one space is prepared, so there is nothing to compare it with."
# A diagnosis of so many multiplications takes minutes on two cores: it waits for a click.
UNASKED = 4e11
_MATRICES = ("cka", "mutual_knn", "procrustes")


def show(workspace: Workspace) -> None:
    """The view: a table of the spaces, heat maps of their pairs, and a table of these."""
    titles = page_controls.space_titles(workspace)
    page_frame.origin(workspace, Spaces=page_controls.spaces_in_words(workspace), Seed=space_diagnosis.SEED)
    document = _measured(workspace)
    if document is None:
        return
    if (answer := space_verdict.verdict(document, titles)) is not None:
        verdict.show(answer)
    st.subheader("Each space", anchor=False)
    _show_spaces(document, titles)
    st.subheader("Every two spaces", anchor=False)
    if document["pairs"]:
        _show_pairs(document, titles)
    else:
        st.info(ONE_SPACE)
    reproduction.show(comparison_programs.diagnoses(workspace))


def _measured(workspace: Workspace) -> SpacesDocument | None:
    """The stored document. None while it is measured: the page then shows the progress."""
    catalog = cached.catalog(workspace)
    stored = space_diagnosis.stored(workspace, catalog)
    if stored is not None:
        return stored
    sampled = min(SAMPLE, len(catalog.ids))
    work = float(sampled) ** 2 * sum(int(workspace.space(name)["dim"]) for name in workspace.spaces)
    background_jobs.measure_on_request(
        lambda reporter: space_diagnosis.measure_all(workspace, catalog, reporter.stage("Spaces and pairs of spaces")),
        "spaces",
        f"{NOT_MEASURED}: {counted(sampled, 'photo')} are compared with one another in {len(workspace.spaces)} spaces.",
        BUTTON,
        at_once=work <= UNASKED,
    )
    return None


def _show_spaces(document: SpacesDocument, titles: dict[str, str]) -> None:
    """The diagnoses as a table: a row for each space, a column for each figure, with its definition."""
    found = document["spaces"]
    shown = [
        {"Space": titles[space["name"]]}
        | {measure.title: _cell(space, name, measure.digits) for name, measure in MEASURES.items()}
        for space in found
    ]
    st.dataframe(
        pd.DataFrame(shown),
        hide_index=True,
        width="stretch",
        column_config={measure.title: st.column_config.TextColumn(help=measure.about) for measure in MEASURES.values()},
        key="spaces_table",
    )
    st.caption(plain(_population(document)))
    for note in _notes(found, titles):
        st.caption(plain(note))
    numbers = [_numbers(cast("dict[str, object]", space)) for space in found]
    with st.container(horizontal=True):
        page_controls.csv_button(pd.DataFrame(numbers), "spaces")
        page_controls.json_button(dict(document), "spaces")


def _population(document: SpacesDocument) -> str:
    first = document["spaces"][0]
    seconds = sum(each["seconds"] for each in (*document["spaces"], *document["pairs"]))
    return (
        f"Point at a column's title for its definition. Intrinsic dimension and hubness: all {first['images']:,} "
        f"photos. The other figures: {counted(first['sample'], 'photo')}"
        + (f" drawn at random (seed {first['seed']}), the same in every space" if first["sample"] >= SAMPLE else "")
        + ", of copies one. In brackets 95 % intervals: bootstrap for intrinsic dimension and silhouette, the "
        "jackknife over photos for the others, Wilson for a sampled redundancy; a redundancy of all dimensions has "
        f"none, since it counts by a threshold. Measured once in {seconds:.1f} s and stored with the artifacts."
    )


def _notes(found: list[SpaceDiagnosis], titles: dict[str, str]) -> list[str]:
    """What single figures leave out."""
    notes = []
    for space in found:
        parts = []
        if space["zero_distances"]:
            parts.append(f"{counted(space['zero_distances'], 'photo')} at distance 0 from another left out of TwoNN")
        if space["undefined"]:
            parts.append(f"{counted(space['undefined'], 'zero vector')} without a direction left out")
        if space["constant"]:
            parts.append(f"{counted(space['constant'], 'dimension')} that never vary left out of the redundancy")
        if space["dimensions_checked"] < space["dimensions_varying"]:
            parts.append(
                f"redundancy of {space['dimensions_checked']:,} of {space['dimensions_varying']:,} dimensions, each "
                "compared with all"
            )
        if space["neighbours"] != "exact":
            parts.append(f"neighbours {space['neighbours']}")
        if parts:
            notes.append(f"{titles[space['name']]}: {'; '.join(parts)}.")
    return notes


def _show_pairs(document: SpacesDocument, titles: dict[str, str]) -> None:
    """The three measures as heat maps, then all figures of the pairs as a table."""
    names, pairs = [space["name"] for space in document["spaces"]], document["pairs"]
    many = len(names) > page_controls.FEW  # then each matrix needs the whole width
    columns = [st.container() for _ in _MATRICES] if many else st.columns(len(_MATRICES), gap="medium")
    for column, name in zip(columns, _MATRICES, strict=True):
        measure = PAIR_MEASURES[name]
        with column:
            st.markdown(f"**{measure.title}**", help=measure.about)
            st.plotly_chart(
                space_pairs.matrix(names, titles, pairs, name),
                width="stretch",
                key=f"matrix_{name}",
                config=config(f"spaces-{name}"),
                alt=f"{measure.title} of every two spaces, as in the table below",
            )
            st.caption("0 for the same space" if name == "procrustes" else "1 for the same space")
    rows = [
        {"Spaces": f"{titles[pair['a']]} · {titles[pair['b']]}"}
        | {measure.title: _cell(pair, name, 3) for name, measure in PAIR_MEASURES.items()}
        | {
            f"{measure.title}, chance": _figure(cast("dict[str, float | None]", pair["chance"])[name], None, 3)
            for name, measure in PAIR_MEASURES.items()
        }
        for pair in pairs
    ]
    help_ = {measure.title: st.column_config.TextColumn(help=measure.about) for measure in PAIR_MEASURES.values()}
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config=help_, key="pairs_table")
    first = pairs[0]
    st.caption(
        "A stronger violet is more alike. "
        f"Mutual k-NN over all {first['images']:,} photos at k = {first['k']}; the other figures over "
        f"{counted(first['sample'], 'photo')}. *Chance*: the same with the photos of one space shuffled, for "
        "mutual k-NN k / (n − 1). In brackets 95 % intervals: bootstrap for mutual k-NN, the jackknife over photos for "
        "the others. They are about other samples of as many photos: of more photos, linear CKA is smaller and the "
        "Procrustes residual larger."
    )
    page_controls.csv_button(pd.DataFrame([_numbers(cast("dict[str, object]", pair)) for pair in pairs]), "space-pairs")


def _cell(row: SpaceDiagnosis | SpacePair, name: str, digits: int) -> str:
    figures = cast("dict[str, float | None]", row)
    return _figure(figures[name], cast("dict[str, Interval]", row["ci95"]).get(name), digits)


def _figure(value: float | None, interval: Interval, digits: int) -> str:
    return with_interval(value, interval, digits, "  ({} to {})")


def _numbers(row: dict[str, object]) -> dict[str, object]:
    """The figures of a row for a CSV: intervals as two columns, values by chance as one each."""
    flat: dict[str, object] = {}
    for name, value in row.items():
        if name == "ci95":
            for figure, bounds in cast("dict[str, Interval]", value).items():
                flat[f"{figure} low"], flat[f"{figure} high"] = bounds or (None, None)
        elif name == "chance":
            flat |= {f"{figure} by chance": each for figure, each in cast("Chance", value).items()}
        else:
            flat[name] = value
    return flat
