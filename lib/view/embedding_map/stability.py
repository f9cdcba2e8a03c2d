"""Which features of the maps are real: many layouts of a space side by side, beside those of shuffled features."""

from __future__ import annotations

import html
from collections import Counter

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import layouts, persistent_clusters, spaces
from lib.embed.layouts import TITLES, Run
from lib.embed.procrustes import aligned
from lib.measure import stored_stability
from lib.measure.stored_stability import SAMPLE, SEEDS, MeasuredStability
from lib.measure.verdicts import Verdict
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.text import counted
from lib.view import background_jobs, cached, page_controls, photo_tiles, theme, url_state
from lib.view.figures import layout_tiles
from lib.view.formatting import plain

MEASURE, COLOUR = "Measure the stability", "Colour the map by stability"
TRAIT = "stability"
_JOB = "stability of"


def measured_verdict(workspace: Workspace, space: str) -> Verdict | None:
    """The verdict of the section; None while the space is not measured."""
    measured = cached.stability(workspace, space)
    return None if measured is None else stored_stability.verdict(measured.facts)


def show(workspace: Workspace, space: str) -> None:
    """The section: the measurement of a space, or what it would do and a button that starts it."""
    measured = cached.stability(workspace, space)
    if measured is None:
        _show_start(workspace, space)
        return
    st.markdown(f"**{spaces.get(space).title}**: layouts beside each other")
    _show_layouts(workspace, space, measured)
    st.button(
        COLOUR, icon=":material/palette:", on_click=url_state.write, kwargs={"colour": TRAIT}, key="colour_stability"
    )
    _show_clusters(workspace, measured)
    _show_agreement(measured)
    st.caption(_note(measured))


def _show_start(workspace: Workspace, space: str) -> None:
    """What a measurement does, and the button; while one runs, its progress."""
    measurements = background_jobs.measurements()
    if measurements.job.running:
        background_jobs.follow(measuring=True)
        return
    name = f"{_JOB} {space}"
    if measurements.job.error and measurements.job.name == name:
        st.error(plain(measurements.job.error), icon=":material/error:")
    total = len(cached.catalog(workspace).ids)
    photos = counted(total, "photo") if total <= SAMPLE else f"{SAMPLE:,} of {total:,} photos (a seeded sample)"
    st.info(
        f"Not measured yet: {len(layouts.runs(SEEDS))} layouts of {photos} by UMAP, t-SNE and PCA, and as many of "
        "shuffled features, to see which neighbourhoods and clusters return. It takes minutes, continues where it was "
        "interrupted, and is kept.",
        icon=":material/hourglass_empty:",
    )

    def work(reporter: Reporter) -> None:
        stored_stability.measure(workspace, space, reporter)

    if st.button(MEASURE, type="primary", icon=":material/play_arrow:", key="measure_stability"):
        if not measurements.start(work, name):
            st.toast("Another measurement is running; try again when it is finished.")
        st.rerun()


# --- small multiples -----------------------------------------------------------------------------------------------


def _show_layouts(workspace: Workspace, space: str, measured: MeasuredStability) -> None:
    photos = cached.catalog(workspace)
    by_class = " by class" if photos.classes else ""
    figures = "".join(
        f'<figure style="margin:0"><img src="{source}" alt="{html.escape(title)}: layout of the photos{by_class}" '
        f'style="width:100%;border:1px solid rgba(128,128,128,.35);border-radius:.4rem">'
        f'<figcaption style="font-size:.78rem;text-align:center">{html.escape(title)}</figcaption></figure>'
        for title, source in _tiles(workspace, space, str(measured.facts["provenance"]["made"]))
    )
    st.html(
        f'<div style="display:grid;gap:.4rem;grid-template-columns:repeat(auto-fill,minmax(110px,1fr))">{figures}</div>'
    )
    colours = photo_tiles.colours(photos)
    present = set(np.array(photos.labels, dtype=object)[measured.rows])
    photo_tiles.colour_key((colour, label) for label, colour in colours.items() if label in present)


@st.cache_data(max_entries=8, show_spinner="Drawing the layouts", hash_funcs=cached.KEYS)
def _tiles(workspace: Workspace, space: str, made: str) -> list[tuple[str, str]]:
    """Titles and pictures: every layout of the data, and behind those of a method its null map. `made` is the time of
    the measurement, for the key."""
    del made
    photos, measured = cached.catalog(workspace), cached.stability(workspace, space)
    if measured is None:
        return []
    by_class = photo_tiles.colours(photos)
    colours = [by_class.get(photos.labels[row], theme.MUTED) for row in measured.rows]
    runs = layouts.runs(SEEDS)
    ordered = [
        run
        for method in TITLES
        for run in [*(each for each in runs if each.method == method), Run(method, SEEDS[0] * (method != "pca"), True)]
    ]
    first: dict[bool, np.ndarray] = {}
    pictures = []
    for run in ordered:
        xy = stored_stability.load_layout(workspace, space, run)
        if xy is not None and len(xy) == len(colours):
            fixed = first.setdefault(run.null, xy)
            pictures.append((run.title, layout_tiles.tile(aligned(xy, fixed), colours)))
    return pictures


# --- tables --------------------------------------------------------------------------------------------------------


def _show_clusters(workspace: Workspace, measured: MeasuredStability) -> None:
    facts = measured.facts["found"]["clusters"]
    st.markdown("**Clusters that are real**")
    if not facts["sizes"]:
        st.caption(
            f"None of {counted(facts['candidates'], 'cluster')} on the maps: "
            + ("the space has no gap between them." if facts["groups"] < 2 else "they do not return in the layouts.")
        )
        return
    labels = np.array(cached.catalog(workspace).labels, dtype=object)[measured.rows]
    rows = []
    for place, size in enumerate(facts["sizes"]):
        label, count = Counter(labels[measured.labels == place]).most_common(1)[0]
        rows.append(
            {
                "Cluster": place + 1,
                "Photos": size,
                **({"Mostly": f"{label}, {count / size:.0%}"} if label else {}),
                "Returns": facts["persistence"][place],
                "p of the gap": f"{facts['p'][place]:.1g}",
            }
        )
    columns = {
        "Returns": st.column_config.NumberColumn(
            format="%.2f", help="Mean Jaccard index with the clusters of each layout; 0.75 is stable (Hennig 2007)."
        ),
        "p of the gap": st.column_config.TextColumn(
            help="Largest p value of the test that no gap lies between this cluster and another (held-out photos)."
        ),
    }
    st.dataframe(pd.DataFrame(rows), column_config=columns, width="stretch", hide_index=True)


def _show_agreement(measured: MeasuredStability) -> None:
    """How much of their neighbourhoods two layouts share, by method, beside shuffled features."""
    found, null = measured.facts["found"], measured.facts["null"]
    rows = [
        {
            "Layouts": " and ".join(dict.fromkeys(TITLES[name] for name in pair.split())),
            "Photos": 100 * share,
            "Shuffled": 100 * null["by_methods"][pair],
        }
        for pair, share in sorted(found["by_methods"].items(), key=lambda each: -each[1])
    ]
    rows += [
        {
            "Layouts": f"{TITLES[name]} and the space",
            "Photos": 100 * share,
            "Shuffled": 100 * null["kept_by_method"][name],
        }
        for name, share in found["kept_by_method"].items()
    ]
    st.markdown(f"**Shared of the {measured.facts['k']} nearest**, in %")
    table = pd.DataFrame(rows)
    number = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(table, column_config={"Photos": number, "Shuffled": number}, width="stretch", hide_index=True)
    page_controls.csv_button(table, "stability")


def _note(measured: MeasuredStability) -> str:
    """How the figures came about."""
    facts = measured.facts
    sample = f" (seed {stored_stability.SAMPLE_SEED})" if facts["photos"] < facts["total"] else ""
    seeds = ", ".join(map(str, facts["seeds"]))
    return (
        f"{facts['photos']:,} of {counted(facts['total'], 'photo')}{sample}, {facts['metric']} distance; seeds {seeds} "
        f"of UMAP (starts from PCA) and t-SNE (random start), {facts['seconds']:.0f} s. By chance two layouts share "
        f"{facts['chance']:.1%}. Shuffled: each feature permuted by itself, which leaves nothing that features have in "
        "common. Layouts are rotated, mirrored and scaled onto the first (Procrustes). A cluster is real when photos "
        "return together in most layouts (HDBSCAN in each; consensus: Fred and Jain 2005), with a mean Jaccard index "
        f"of {persistent_clusters.PERSISTENT:g} or more, and the space has a gap around it (p < "
        f"{persistent_clusters.LEVEL:g}, Bonferroni). A gradient, or classes that overlap, are no cluster here."
    )
