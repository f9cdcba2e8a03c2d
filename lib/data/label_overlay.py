"""The label overlay: a catalog with the decisions of a label review applied to it, and how that is said.

Relabelled photos have their new class and excluded ones are left out, so the fingerprint of the data is another one and
nothing that was measured before is mixed in. Each photo's split stays as it was. The photos and their folders stay as
they are.
"""

from __future__ import annotations

from dataclasses import replace

from lib.data.catalog import Catalog, fingerprint
from lib.data.label_review import EXCLUDE, RELABEL, LabelReview
from lib.documents.labels import OverlayFacts
from lib.errors import DataError, Remedy
from lib.text import counted


def applied(catalog: Catalog, review: LabelReview, before: str) -> Catalog:
    """`catalog` with the decisions of `review`; `catalog` itself where they change nothing.

    `before` is the file of `catalog`, which `Catalog.review` of the result names. A change to a class that the photos
    no longer have is not applied. Raises DataError when no photo is left.
    """
    labels, hashes = list(catalog.labels), catalog.hashes
    changed: dict[str, str] = {}
    left_out: list[int] = []
    for row, sha256 in enumerate(hashes):
        decision = review.decisions.get(sha256)
        if decision is None:
            continue
        if decision.action == EXCLUDE:
            left_out.append(row)
        elif decision.action == RELABEL and decision.label != labels[row] and decision.label in catalog.classes:
            changed[catalog.ids[row]] = labels[row]
            labels[row] = decision.label
    if not changed and not left_out:
        return catalog
    frame = catalog.frame.assign(label=labels).drop(index=left_out).reset_index(drop=True)
    if frame.empty:
        raise DataError("The label review excludes every photo", remedy=Remedy.CLEAR_REVIEW)
    return replace(
        catalog,
        frame=frame,
        fingerprint=fingerprint(zip(frame["sha256"], frame["label"], strict=True)),
        review={
            "digest": review.digest,
            "before": before,
            "labels": changed,
            "left_out": [catalog.ids[row] for row in left_out],
        },
    )


def changes(facts: OverlayFacts | None) -> tuple[int, int]:
    """How many photos the overlay of a catalog relabels and leaves out, of its facts; (0, 0) without an overlay."""
    return (0, 0) if facts is None else (len(facts["labels"]), len(facts["left_out"]))


def summary(relabelled: int, excluded: int) -> str:
    """How the overlay is named everywhere: "3 changed, 1 excluded by your review"; "" where there is none."""
    clauses = [f"{relabelled:,} changed"] if relabelled else []
    clauses += [f"{excluded:,} excluded"] if excluded else []
    return f"{', '.join(clauses)} by your review" if clauses else ""


def sentence(relabelled: int, excluded: int) -> str:
    """`summary` as a sentence about the photos; "" where there is no overlay."""
    parts = [f"{counted(relabelled, 'label')} changed"] if relabelled else []
    parts += [f"{counted(excluded, 'photo')} excluded"] if excluded else []
    return f"Your label review is applied: {', '.join(parts)}." if parts else ""
