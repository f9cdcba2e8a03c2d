"""Photos whose label may be wrong, ranked by a linear probe in a space: measured once and kept as an artifact.

The ranking is that of `label_quality`. Neighbours of another class and duplicates with another label do not move a
photo in it; they are reasons beside it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np

from lib import artifacts
from lib.data import labelled
from lib.data.catalog import Catalog
from lib.documents.labels import Suspect, SuspectsDocument
from lib.documents.prepare import AuditDocument
from lib.embed import projection, spaces
from lib.errors import ArtifactError, QueryError
from lib.measure import label_quality
from lib.measure.label_quality import FOLDS, STRENGTH, Codes, Floats
from lib.measure.provenance import Provenance, provenance
from lib.measure.verdicts import Verdict
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.search import neighbourhoods
from lib.search.neighbourhoods import K, Neighbourhoods
from lib.statistics import wilson
from lib.text import counted

SCHEMA: Final = 1
FOLDER: Final = "measured"
METHOD: Final = (
    "1 − the probability of the photo's own label, from a logistic regression that was fitted without the photo "
    f"({FOLDS} folds; self-confidence, Northcutt, Jiang and Chuang 2021)"
)
ONE_CLASS: Final = "All photos have the same label, so no label can be doubted."
NO_PROBABILITY: Final = "not judged: the probe saw no other photo of its class"


class SuspectFacts(Provenance):
    """What is stored beside the probabilities: their provenance, what the probe was fitted on, and how."""

    input: str
    folds: int
    strength: float
    schema: int
    seconds: float


@dataclass(frozen=True)
class Suspects:
    """The probe's result row for row with the catalog: `own` (n,) is the probability of each photo's label, `best` (n,)
    the most probable class and `best_probability` (n,) its probability, `is_error` (n,) whether the label is an
    estimated error. `input` says what the probe was fitted on, `classes` are in the order of the codes."""

    space: str
    classes: list[str]
    own: Floats
    best: Codes
    best_probability: Floats
    is_error: np.ndarray
    input: str
    facts: SuspectFacts

    @property
    def ranking(self) -> Codes:
        """All rows, the most suspicious first; rows without a probability last."""
        return np.argsort(self.own, kind="stable")

    @property
    def judged(self) -> int:
        """How many photos have a probability."""
        return int(np.isfinite(self.own).sum())

    @property
    def errors(self) -> int:
        """The estimated number of wrong labels."""
        return int(self.is_error.sum())


def cost(workspace: Workspace, space: str, catalog: Catalog) -> float:
    """Work of the probes of a space: photos × dimensions × classes × folds."""
    dimensions = 3 * projection.COARSER**2 if spaces.get(space).pixels else workspace.space(space)["dim"]
    return float(len(catalog.ids)) * dimensions * len(catalog.classes) * FOLDS


def find(workspace: Workspace, space: str, catalog: Catalog, progress: Progress = no_progress) -> Suspects:
    """The suspects of a space, read from their file, else measured and written.

    `progress` receives (folds done, folds). Raises QueryError where all photos have one label, ArtifactError when the
    space is not prepared.
    """
    stored = load(workspace, space, catalog)
    if stored is not None:
        return stored
    found = measure(workspace, space, catalog, progress)
    arrays = {name: getattr(found, name) for name in ("own", "best", "best_probability", "is_error")}
    with contextlib.suppress(ArtifactError):  # where nothing can be written they are measured again
        artifacts.write_arrays(file(workspace, space, catalog), found.facts, arrays)
    return found


def file(workspace: Workspace, space: str, catalog: Catalog) -> Path:
    """The file of the suspects of a space, whether it exists or not; its name is a hash of all their inputs."""
    entry = workspace.space(space)
    inputs = entry["fingerprint"], catalog.contents, catalog.hashes, catalog.seed, FOLDS, STRENGTH
    key = artifacts.digest("petalscope-suspects", SCHEMA, *inputs)[:12]
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-suspects-{key}.npz"


def load(workspace: Workspace, space: str, catalog: Catalog) -> Suspects | None:
    """The stored suspects of a space; None while there are none, or their file is damaged."""
    stored = artifacts.unless_damaged(artifacts.read_arrays, file(workspace, space, catalog))
    if stored is None:
        return None
    facts, arrays = cast("SuspectFacts", stored[0]), stored[1]
    try:
        return Suspects(
            str(facts["space"]),
            list(catalog.classes),
            arrays["own"],
            arrays["best"],
            arrays["best_probability"],
            arrays["is_error"],
            str(facts["input"]),
            facts,
        )
    except KeyError:
        return None


def measure(workspace: Workspace, space: str, catalog: Catalog, progress: Progress = no_progress) -> Suspects:
    """Fit the probes: see `find`, which keeps the result."""
    start = time.perf_counter()
    classes = list(catalog.classes)
    labelled.require(catalog, "Checks of labels")
    if len(classes) < 2:
        raise QueryError(ONE_CLASS)
    values = workspace.vectors(space).values
    # 49,152 pixels in a probe would take minutes; averaged to 16 × 16 they rank alike.
    vectors, of = projection.map_inputs(values, projection.MOST_COARSE + 1 if spaces.get(space).pixels else None)
    codes, pictures = codes_of(catalog)
    probabilities = label_quality.out_of_fold(
        label_quality.probe_inputs(vectors), codes, pictures, len(classes), catalog.seed, progress
    )
    best = label_quality.best_class(probabilities)
    facts: SuspectFacts = {
        **provenance(workspace, spaces.get(space).name, catalog),
        "input": of,
        "folds": FOLDS,
        "strength": STRENGTH,
        "schema": SCHEMA,
        "seconds": round(time.perf_counter() - start, 3),
    }
    return Suspects(
        spaces.get(space).name,
        classes,
        label_quality.self_confidence(probabilities, codes),
        best,
        probabilities[np.arange(len(best)), best],
        label_quality.confident_errors(probabilities, codes),
        of,
        facts,
    )


def codes_of(catalog: Catalog) -> tuple[Codes, Codes]:
    """The class of each row as its place among the catalog's classes, and a number for each picture, (n,) each."""
    places = {label: code for code, label in enumerate(catalog.classes)}
    codes = np.array([places[label] for label in catalog.labels], dtype=np.int64)
    return codes, np.unique(catalog.hashes, return_inverse=True)[1].astype(np.int64).reshape(-1)


# --- documents -------------------------------------------------------------------------------------------------------


def document(
    found: Suspects, catalog: Catalog, near: Neighbourhoods, audit: AuditDocument, seconds: float
) -> SuspectsDocument:
    """The `suspects` document: `near` are the neighbourhoods in the same space, `audit` is of the same photos."""
    interval = wilson(found.errors, found.judged) if found.judged else None
    return {
        "space": found.space,
        "input": found.input,
        "method": METHOD,
        "errors": found.errors,
        "judged": found.judged,
        "ci95": None if interval is None else list(interval),
        "rows": rows(found, catalog, near, audit),
        "seconds": round(seconds, 3),
    }


def rows(found: Suspects, catalog: Catalog, near: Neighbourhoods, audit: AuditDocument) -> list[Suspect]:
    """Every photo once, the most suspicious first, with what speaks against its label."""
    codes, _ = codes_of(catalog)
    votes, _ = neighbourhoods.votes(near.rows["cosine"], codes)
    conflicts = _conflicts(audit)
    suspects: list[Suspect] = []
    for row in found.ranking.tolist():
        image_id, label, own = catalog.ids[row], catalog.labels[row], float(found.own[row])
        reasons: list[str] = []
        suggested = label
        if np.isfinite(own):
            suggested = found.classes[int(found.best[row])]
            if suggested != label:
                reasons.append(f"the probe gives {suggested} {found.best_probability[row]:.0%}, {label} {own:.0%}")
            if found.is_error[row]:
                reasons.append(f"{suggested} is as probable as for the photos labelled so")
        else:
            reasons.append(NO_PROBABILITY)
        vote = int(votes[row])
        if vote >= 0 and found.classes[vote] != label:
            nearest = near.rows["cosine"][row][:K]
            nearest = codes[nearest[nearest >= 0]]
            same, other = (nearest == codes[row]).sum(), (nearest == vote).sum()
            reasons.append(f"{other} of its {len(nearest)} nearest are {found.classes[vote]}, {same} {label}")
        reasons += conflicts.get(image_id, [])
        score = 1 - own if np.isfinite(own) else None
        suspects.append({"id": image_id, "label": label, "suggested": suggested, "score": score, "reasons": reasons})
    return suspects


def _conflicts(audit: AuditDocument) -> dict[str, list[str]]:
    """By id, the duplicates of a photo that have another label."""
    found: dict[str, list[str]] = {}
    for group in audit["duplicates"]:
        if not group["conflict"]:
            continue
        what = "the equal photo" if group["kind"] == "exact" else "the nearly equal photo"
        members = list(zip(group["ids"], group["labels"], strict=True))
        for image_id, label in members:
            others = [(other, named) for other, named in members if named != label]
            found.setdefault(image_id, []).extend(f"{what} {other} is labelled {named}" for other, named in others)
    return found


def verdict(found: Suspects, ids: Sequence[str]) -> Verdict:
    """How many labels are probably wrong, with the interval of the share, and how it is estimated."""
    title = spaces.get(found.space).title
    if not found.judged:
        return Verdict("No label can be judged: no class has enough photos.", METHOD)
    low, high = wilson(found.errors, found.judged)
    verb = "is" if found.errors == 1 else "are"
    text = (
        f"{counted(found.errors, 'label')} of {found.judged:,} {verb} probably wrong "
        f"({found.errors / found.judged:.1%}, 95 % interval {low:.1%} to {high:.1%})."
    )
    about = (
        f"By confident learning (Northcutt, Jiang and Chuang 2021) on {title} ({found.input}): the photo's probability "
        "of another class is at least the mean one of photos with that label, and higher than that of its own label. "
        f"Probabilities are those of a logistic regression fitted without the photo, {FOLDS} folds. The interval is "
        f"Wilson's, over {counted(found.judged, 'judged photo')} of {len(ids):,}. Photos that are merely hard to "
        "classify are among them, so each needs a look."
    )
    return Verdict(text, about)
