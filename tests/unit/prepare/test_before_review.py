"""A label review through `prepare`: applied as an overlay, named everywhere, and undone byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from lib import artifacts
from lib.data import catalog_file, label_overlay, label_review
from lib.data.label_review import decision
from lib.errors import ArtifactError, DataError
from lib.measure import scoreboard
from lib.prepare import before_review, doctor, pipeline, state_file, workspace
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.search import neighbourhoods
from lib.settings import Settings
from tests.conftest import COPY, COPY_OF

# Locks stay behind, and the ledger of the store is a history.
NOT_RESULTS = (".lock", "collections.json")


def _bytes(folder: Path) -> dict[str, str]:
    """A hash of every file of a data set's artifacts, by its path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(NOT_RESULTS))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _decide(opened: Workspace, **decisions: tuple[str, ...]) -> None:
    """`_decide(opened, relabel=("id", "class"), exclude=("id",))`, in one step."""
    photos = opened.catalog()
    chosen = {}
    for action, (image_id, *label) in decisions.items():
        row = photos.row(image_id)
        assert row is not None
        chosen[photos.hashes[row]] = decision(action, image_id, *label)  # type: ignore[arg-type]
    label_review.decide(opened.folder, chosen)


def test_prepare_applies_a_review_and_undoing_it_gives_the_old_state_byte_for_byte(copied: Settings) -> None:
    pipeline.prepare(copied)  # the store of the fixture was left behind
    opened = workspace.open_workspace(copied)
    scoreboard.measure_all(opened, lambda _: lambda done, total: None)
    before, photos = _bytes(opened.folder), opened.catalog()
    vectors = np.array(opened.vectors("resnet18").values)

    _decide(opened, relabel=("rose/00.jpg", "tulip"), exclude=("daisy/01.png",), keep=("tulip/02.jpg",))
    assert before_review.pending(opened)
    said: list[str] = []
    document = pipeline.prepare(copied, reporter=Reporter(say=lambda each: said.append(str(each))))
    reviewed = workspace.open_workspace(copied)
    catalog = reviewed.catalog()
    assert document["dataset"]["review"] == {"relabelled": 1, "excluded": 1}
    assert label_overlay.sentence(1, 1) in said
    assert reviewed.state["review"]["relabelled"] == reviewed.state["review"]["excluded"] == 1
    assert not before_review.pending(reviewed)
    assert catalog.ids == [image_id for image_id in photos.ids if image_id != "daisy/01.png"]
    labels = dict(zip(photos.ids, photos.labels, strict=True)) | {"rose/00.jpg": "tulip"}
    assert catalog.labels == [labels[image_id] for image_id in catalog.ids]
    splits = dict(zip(photos.ids, photos.frame["split"], strict=True))
    assert list(catalog.frame["split"]) == [splits[image_id] for image_id in catalog.ids]
    assert catalog.fingerprint != photos.fingerprint
    assert catalog_file.changes(catalog) == {"added": 0, "removed": 0, "changed": 0}
    rows = [photos.row(image_id) for image_id in catalog.ids]
    np.testing.assert_array_equal(reviewed.vectors("resnet18").values, vectors[rows])
    earlier = before_review.workspace(reviewed)
    assert earlier is not None
    assert scoreboard.load(earlier, "resnet18", earlier.catalog()) is not None
    assert scoreboard.load(reviewed, "resnet18", catalog) is None

    label_review.undo(opened.folder)
    assert pipeline.prepare(copied)["spaces"][0]["cached"]
    assert _bytes(opened.folder) == before
    assert workspace.open_workspace(copied).version == opened.version


def test_a_change_of_labels_alone_computes_no_neighbours_and_no_map(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    _decide(opened, relabel=(COPY_OF, "tulip"))
    stages: list[str] = []
    pipeline.prepare(copied, reporter=Reporter(progress=lambda stage, done, total: stages.append(stage)))
    reviewed = workspace.open_workspace(copied)
    assert not [stage for stage in stages if stage.startswith(("neighbours", "map"))]
    for space in reviewed.spaces:
        np.testing.assert_array_equal(reviewed.map(space).xy, opened.map(space).xy)
    # The decision is about the picture, so its exact copy has the new label, too.
    catalog = reviewed.catalog()
    assert [catalog.labels[catalog.row(image_id) or 0] for image_id in (COPY_OF, COPY)] == ["tulip", "tulip"]


def test_an_excluded_photo_is_taken_out_of_the_neighbours_without_a_search_of_all(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = workspace.open_workspace(copied)
    _decide(opened, exclude=(COPY_OF,))  # and its copy
    with monkeypatch.context() as patch:
        patch.setattr(neighbourhoods, "k_nearest", lambda *_: pytest.fail("searched for all anew"))
        pipeline.prepare(copied)
    reviewed = workspace.open_workspace(copied)
    assert len(reviewed.catalog().ids) == len(opened.catalog().ids) - 2
    for space in reviewed.spaces:
        found = reviewed.neighbourhoods(space)
        expected = neighbourhoods.k_nearest(reviewed.vectors(space).values, reviewed.catalog().all_copies())
        for name in ("cosine", "l1"):
            np.testing.assert_array_equal(found.rows[name], expected.rows[name])


def test_the_doctor_names_what_is_applied_and_what_is_pending(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    checks = {check["name"]: check for check in doctor.examine(copied)["checks"]}
    assert "labels" not in checks
    _decide(opened, relabel=("rose/00.jpg", "tulip"))
    check = {check["name"]: check for check in doctor.examine(copied)["checks"]}["labels"]
    assert not check["ready"] and "prepare" in check["remedy"]
    pipeline.prepare(copied)
    check = {check["name"]: check for check in doctor.examine(copied)["checks"]}["labels"]
    assert check["ready"] and "1 changed by your review" in check["detail"]
    (opened.folder / label_review.NAME).write_text("{")
    check = {check["name"]: check for check in doctor.examine(copied)["checks"]}["labels"]
    assert not check["ready"] and "cannot be read" in check["detail"]


def test_prepare_refuses_a_damaged_review_and_one_that_leaves_nothing(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    state = (opened.folder / state_file.NAME).read_bytes()
    photos = opened.catalog()
    every = {sha: decision("exclude", name) for sha, name in zip(photos.hashes, photos.ids, strict=True)}
    label_review.decide(opened.folder, every)
    with pytest.raises(DataError, match="excludes every photo"):
        pipeline.prepare(copied)
    (opened.folder / label_review.NAME).write_text('{"schema": 1, "decisions": [], "steps": []}')
    with pytest.raises(ArtifactError, match="label review"):
        pipeline.prepare(copied)
    assert (opened.folder / state_file.NAME).read_bytes() == state


def test_results_of_before_are_not_kept_for_other_photos(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    photos = opened.catalog()
    daisies = [row for row, label in enumerate(photos.labels) if label == "daisy"]
    label_review.decide(
        opened.folder, {photos.hashes[row]: decision("relabel", photos.ids[row], "rose") for row in daisies}
    )
    pipeline.prepare(copied, limit=40)  # other photos than those of the state in use
    reviewed = workspace.open_workspace(copied)
    assert "review" in reviewed.state
    assert before_review.workspace(reviewed) is None
    folders = {Path(entry["folder"]).name for entry in reviewed.state["spaces"].values()}
    assert {path.name for path in (opened.folder / "spaces").iterdir()} == folders
    label_review.undo(opened.folder)
    pipeline.prepare(copied, limit=40)
    assert artifacts.read_json(opened.folder / state_file.NAME) is not None
    assert "review" not in workspace.open_workspace(copied).state
