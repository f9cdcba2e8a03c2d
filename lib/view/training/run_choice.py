"""The runs that the training page is about: chosen by preset, data and regime."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from lib.learn import runs as records
from lib.learn.regimes import REGIMES
from lib.learn.results import Run
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import cached, page_frame, url_state
from lib.view.formatting import plain

ALL = "all"  # the value of the link parameter `runs` that stands for every run


def load() -> list[Run]:
    """All recorded runs, in one shape. Raises ArtifactError when a record is damaged."""
    return cached.runs(records.version(cached.current_settings()))


def choose(runs: list[Run], workspace: Workspace) -> list[Run]:
    """The runs of the chosen preset and data whose regime is chosen; none chosen means all regimes."""
    group = _group_choice(runs, str(workspace.state["dataset"]["fingerprint"]))
    names = {run["regime"] for run in group}
    regimes = [name for name in REGIMES if name in names] + sorted(names - set(REGIMES))
    titles = {name: REGIMES[name].title if name in REGIMES else plain(name) for name in regimes}
    chosen = several("Regimes", "regimes", titles, regimes)
    return [run for run in group if run["regime"] in (chosen or regimes)]


def _group_choice(runs: list[Run], fingerprint: str) -> list[Run]:
    """The runs of one preset and data set, or all. `fingerprint` is that of the prepared photos."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(short_name(run), []).append(run)
    # The prepared photos' runs first, then the careful preset, then the most runs.
    ranked = sorted(
        groups,
        key=lambda name: (
            groups[name][0]["dataset"]["fingerprint"] != fingerprint,
            groups[name][0]["preset"] != "full",
            -len(groups[name]),
        ),
    )
    names = [*ranked, ALL] if len(ranked) > 1 else ranked

    def title(name: str) -> str:
        if name == ALL:
            return f"All {counted(len(runs), 'run')}"
        run, count = groups[name][0], len(groups[name])
        return f"{data_name(run, fingerprint)} · {run['preset'] or 'no'} preset · {counted(count, 'run')}"

    tied = url_state.choice("runs", "training", names, names[0])
    chosen = str(st.selectbox("Runs", names, format_func=title, width=300, **tied))
    return runs if chosen == ALL else groups[chosen]


def short_name(run: Run) -> str:
    """Preset and data in the address."""
    return f"{run['preset'] or 'any'}-{run['dataset']['fingerprint'][:8]}"


def several(
    label: str,
    name: str,
    titles: Mapping[str, str],
    default: list[str],
    *,
    disabled: bool = False,
    about: str | None = None,
) -> list[str]:
    """Any of the options `titles` (short name to title), kept in the address under `name`.

    An empty choice is kept as such; what it means is the caller's.
    """
    key, linked = f"training_{name}", url_state.parameter(name)
    options = default if linked is None else [option for option in linked.split(",") if option in titles]
    # A link whose options are all unknown here counts as none.
    st.session_state[key] = options if options or not linked else default

    def write() -> None:
        url_state.write(**{name: ",".join(st.session_state[key])})

    chosen = st.pills(
        label,
        list(titles),
        selection_mode="multi",
        format_func=titles.__getitem__,
        key=key,
        on_change=write,
        wrap=True,
        disabled=disabled,
        help=about,
    )
    return list(chosen)


def data_name(run: Run, fingerprint: str) -> str:
    """The name of a run's data set, marked where it is not the prepared one, whose `fingerprint` is given."""
    return str(run["dataset"]["name"]) + ("" if run["dataset"]["fingerprint"] == fingerprint else " (other photos)")


def run_counts(runs: list[Run]) -> str:
    """How many of the runs are bundled and how many were trained on this machine.

    A run that was trained here and is bundled, too, counts as bundled.
    """
    bundled = sum(run["recorded"] for run in runs)
    return f"{bundled or 'no'} bundled run{'' if bundled == 1 else 's'}, {len(runs) - bundled or 'none'} trained here"


def origins(workspace: Workspace, runs: list[Run]) -> None:
    """The line that names the source of these numbers."""
    if not runs:
        page_frame.origin(workspace)
        return
    fingerprint = str(workspace.state["dataset"]["fingerprint"])
    weights = sorted({run["weights"] for run in runs if run["weights"] != "random"})
    facts = {
        "Runs": run_counts(runs),
        "Pretrained weights": ", ".join(weights) or "none",
        "Seeds": ", ".join(sorted({str(run["seed"]) for run in runs})),
    }
    other_data = sorted({data_name(run, fingerprint) for run in runs if run["dataset"]["fingerprint"] != fingerprint})
    if other_data:
        facts["Runs of"] = ", ".join(other_data)
    page_frame.origin(workspace, None, **facts)
