"""Types of the `suspects` and `relabel` documents, and of what is stored of a label review.

Fields may be added, never renamed: other programs read these documents.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class StoredDecision(TypedDict):
    """A decision of the label review as `labels.json` has it: `label` is "" unless the action is to relabel."""

    action: str
    label: str
    id: str


class OverlayFacts(TypedDict):
    """What a label review made of a catalog: the `digest` of its decisions, the catalog's file `before` them, the label
    that each relabelled photo has in its folder (`labels`), and the ids that are `left_out`."""

    digest: str
    before: str
    labels: dict[str, str]
    left_out: list[str]


class Suspect(TypedDict):
    """A photo with its label and the one that the probe suggests (the same where they agree). `score` is larger for a
    more suspicious photo: 1 − the probability of its label; None where the photo has no probability."""

    id: str
    label: str
    suggested: str
    score: float | None
    reasons: list[str]


class SuspectsDocument(TypedDict):
    """What `python -m lib suspects --json` prints: every photo once, the most suspicious first.

    `errors` is the estimated number of wrong labels among the `judged` photos, those with a probability, and `ci95` the
    interval of its share.
    """

    space: str
    input: str
    method: str
    errors: int
    judged: int
    ci95: list[float] | None
    rows: list[Suspect]
    seconds: float


class RelabelDocument(TypedDict):
    """What `python -m lib relabel --json` prints: the numbers of decisions, and the command that applies them."""

    relabelled: int
    excluded: int
    kept: int
    prepare: str


class SampleRow(TypedDict):
    """A photo to label, from rank 1 on, and how many photos are nearer to it than to any other of the sample."""

    id: str
    rank: int
    covers: int


class LabelSample(TypedDict):
    """What `python -m lib sample --json` prints: the photos to label first.

    `points` says what was compared. Of `images` in the catalog, `candidates` could be chosen and `represented` count;
    fewer than all are drawn by `seed`. `table` is the file that was written, where one was.
    """

    method: str
    space: str
    seed: int
    points: str
    images: int
    candidates: int
    represented: int
    rows: list[SampleRow]
    seconds: float
    table: NotRequired[str]
