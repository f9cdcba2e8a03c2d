"""The label review: what the user decided about labels, in a file of its own in the artifacts, never among the photos.

A decision is about a picture, which its pixel hash names: it stays with a photo that is moved or renamed, and holds for
every exact copy of it. Each step can be undone, also in a later session. Nothing here changes a catalog:
`label_overlay` applies the decisions to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, cast

from lib import artifacts
from lib.documents.labels import StoredDecision
from lib.errors import ArtifactError, Remedy
from lib.locks import exclusive_lock
from lib.text import composed

NAME: Final = "labels.json"
LOCK: Final = "labels.lock"
SCHEMA: Final = 1
KEEP, RELABEL, EXCLUDE = "keep", "relabel", "exclude"
ACTIONS: Final = (KEEP, RELABEL, EXCLUDE)
# Steps that can be undone; older ones are forgotten, their decisions stay.
MOST_STEPS: Final = 1_000
Action = Literal["keep", "relabel", "exclude"]


@dataclass(frozen=True)
class Decision:
    """What was decided about a picture: `label` is the class of a relabelled one, else ""; `id` is the photo that was
    looked at, for people and exports."""

    action: Action
    label: str
    id: str


# What a step replaced, by pixel hash: None where there was no decision.
Step = Mapping[str, Decision | None]


class Counts(TypedDict):
    """Numbers of decisions."""

    relabelled: int
    excluded: int
    kept: int


@dataclass(frozen=True)
class LabelReview:
    """All decisions by pixel hash, and the `steps` that led to them, the latest last."""

    decisions: Mapping[str, Decision] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    @property
    def counts(self) -> Counts:
        """How many pictures are relabelled, excluded and kept."""
        return counts(self.decisions.values())

    @property
    def digest(self) -> str:
        """A hash of the decisions that change a catalog; "" without any. One to keep a label changes none."""
        changing = {sha256: (each.action, each.label) for sha256, each in self.decisions.items() if each.action != KEEP}
        return artifacts.digest("petalscope-label-review", SCHEMA, changing)[:16] if changing else ""


def counts(decisions: Any) -> Counts:
    """How many of some decisions relabel, exclude and keep."""
    actions = [each.action for each in decisions]
    return {
        "relabelled": actions.count(RELABEL),
        "excluded": actions.count(EXCLUDE),
        "kept": actions.count(KEEP),
    }


def read(folder: Path) -> LabelReview:
    """The review in a data set's folder of artifacts; an empty one where there is none.

    Raises ArtifactError when the file is damaged: nobody but the user can make it anew.
    """
    path = folder / NAME
    stored = artifacts.unless_damaged(artifacts.read_json, path) if path.exists() else {}
    if stored == {} and not path.exists():
        return LabelReview()
    try:
        if stored is None or stored["schema"] != SCHEMA:
            raise ValueError("another schema")
        decisions = {str(sha256): _decision(each) for sha256, each in stored["decisions"].items()}
        steps = tuple(
            {str(sha256): None if each is None else _decision(each) for sha256, each in step.items()}
            for step in stored["steps"]
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"The label review {path} cannot be read", remedy=Remedy.RESTORE_FILE) from error
    return LabelReview(decisions, steps)


def _decision(stored: StoredDecision) -> Decision:
    action, label, image_id = stored["action"], stored["label"], stored["id"]
    if action not in ACTIONS or not isinstance(label, str) or not isinstance(image_id, str):
        raise ValueError("no decision")
    if (action == RELABEL) != bool(label):
        raise ValueError("a class without a change of label, or the reverse")
    return Decision(cast("Action", action), label, image_id)


def decision(action: Action, image_id: str, label: str = "") -> Decision:
    """A decision about the picture of a photo; only a change of label has a class."""
    return Decision(action, composed(label) if action == RELABEL else "", image_id)


# --- changes, each of them one step ----------------------------------------------------------------------------------


def decide(folder: Path, decisions: Mapping[str, Decision]) -> LabelReview:
    """Add decisions by pixel hash, or replace earlier ones, in one step. Raises ArtifactError as `read` does."""
    with _locked(folder):
        review = read(folder)
        step = {sha256: review.decisions.get(sha256) for sha256 in decisions}
        return _write(folder, LabelReview({**review.decisions, **decisions}, (*review.steps, step)))


def replace(folder: Path, decisions: Mapping[str, Decision]) -> LabelReview:
    """Make these the only decisions, in one step that can be undone."""
    with _locked(folder):
        review = read(folder)
        step = {sha256: review.decisions.get(sha256) for sha256 in {**review.decisions, **decisions}}
        return _write(folder, LabelReview(dict(decisions), (*review.steps, step)))


def undo(folder: Path) -> tuple[LabelReview, list[str]]:
    """Take the latest step back. Returns the review, and the pixel hashes that the step was about."""
    with _locked(folder):
        review = read(folder)
        if not review.steps:
            return review, []
        *earlier, step = review.steps
        decisions = dict(review.decisions)
        for sha256, before in step.items():
            if before is None:
                decisions.pop(sha256, None)
            else:
                decisions[sha256] = before
        return _write(folder, LabelReview(decisions, tuple(earlier))), list(step)


def clear(folder: Path) -> None:
    """Delete the review, with its steps; a damaged one, too."""
    with _locked(folder):
        artifacts.remove(folder / NAME)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with exclusive_lock(folder / LOCK):
        yield


def _write(folder: Path, review: LabelReview) -> LabelReview:
    """Write a review; an empty one leaves no file, as before the first decision."""
    kept = LabelReview(review.decisions, review.steps[-MOST_STEPS:])
    if not kept.decisions and not kept.steps:
        artifacts.remove(folder / NAME)
        return kept
    artifacts.write_json(
        folder / NAME,
        {
            "schema": SCHEMA,
            "decisions": {sha256: asdict(each) for sha256, each in kept.decisions.items()},
            "steps": [
                {sha256: None if each is None else asdict(each) for sha256, each in step.items()} for step in kept.steps
            ],
        },
    )
    return kept
