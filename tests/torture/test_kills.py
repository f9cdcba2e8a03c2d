"""`kill -9` in the middle of `prepare`, of the indexes that it builds, and of a page's own work.

Whatever the moment: every result is the old one or the new one, byte for byte; the old state answers on both engines
until the state file switches; the store has its rows; and a second run ends like one that nobody disturbed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lib.errors import ArtifactError
from lib.prepare import workspace
from lib.retrieval import search
from lib.retrieval.query import find_query
from lib.settings import Settings
from tests.conftest import draw_picture
from tests.helpers.killed_work import KilledWork, killed_work
from tests.torture import killing, tally
from tests.torture.tally import Scale

# tests/unit/prepare/test_pipeline.py kills a few times in `make test`.
pytestmark = pytest.mark.skipif(tally.scale().short, reason="make torture")
PREPARE = ("catalog", "vectors", "switch")
INDEXES = ("neighbours", "map", "store")


@dataclass
class Change:
    """Photos that changed: what was made of them before, what is to be made of them now, and how that goes."""

    worker: KilledWork
    before: Settings
    after: Settings
    kept: Path  # the old artifacts
    old: dict[str, str]
    new: dict[str, str]
    old_rows: dict[str, str]
    new_rows: dict[str, str]
    old_answers: list[Any]
    undisturbed: dict[str, Any]

    def restore(self) -> None:
        """The old artifacts, as if nothing had been begun."""
        shutil.rmtree(self.after.artifacts)
        shutil.copytree(self.kept, self.after.artifacts)


def answers(settings: Settings) -> list[Any]:
    """What a search says on both engines."""
    opened = workspace.open_workspace(settings)
    loaded = search.load_space(opened, "resnet18")
    query = find_query(loaded.catalog, "daisy/00.jpg")
    both = [
        search.search(opened, loaded, query, metric_name=metric, k=5, engine=engine)["results"]
        for metric in ("cosine", "l1")
        for engine in ("exact", "milvus")
    ]
    return [[(row["id"], round(row["value"], 4)) for row in results] for results in both]


@pytest.fixture(scope="module")
def worker() -> Iterator[KilledWork]:
    with killed_work() as work:
        yield work


@pytest.fixture(scope="module")
def change(worker: KilledWork, tmp_path_factory: pytest.TempPathFactory) -> Change:
    """A photo, another's name and the split change at once. Tests leave nothing of their own in it."""
    root = tmp_path_factory.mktemp("change")
    before = killing.ten_photos(root)
    worker.run("prepare", before)
    old, old_rows, old_answers = killing.results(before.artifacts), killing.rows(before), answers(before)
    shutil.copytree(before.artifacts, root / "kept")
    assert before.data is not None
    draw_picture(2, 50).save(before.data / "rose" / "00.jpg")
    (before.data / "tulip" / "00.jpg").rename(before.data / "tulip" / "99.jpg")
    after = replace(before, seed=3)
    undisturbed = worker.run("prepare", after)
    new, new_rows = killing.results(after.artifacts), killing.rows(after)
    assert old != new and old_rows != new_rows
    return Change(worker, before, after, root / "kept", old, new, old_rows, new_rows, old_answers, undisturbed)


def is_sound(change: Change) -> None:
    """What must hold after a kill, whenever it came."""
    now = killing.results(change.after.artifacts)
    state = next(name for name in change.old if name.endswith("state.json"))
    switched = now[state] == change.new[state]
    assert now[state] in {change.old[state], change.new[state]}
    for name, content in now.items():
        assert content in {change.old.get(name), change.new.get(name)}, f"{name} is neither old nor new"
    whole, rows = (change.new, change.new_rows) if switched else (change.old, change.old_rows)
    assert not whole.keys() - now.keys(), "a result in use is gone"
    if not switched:
        assert answers(change.before) == change.old_answers
    stored_rows = killing.rows(change.after)
    # A collection that was begun may be half there; those in use are whole.
    assert {name: stored_rows.get(name) for name in rows} == rows


def is_mended(change: Change, work: str = "prepare") -> None:
    """Another run makes what an undisturbed one would have, and tidies up."""
    change.worker.run(work, change.after)
    assert killing.results(change.after.artifacts) == change.new
    assert killing.rows(change.after) == change.new_rows
    assert not killing.temporary(change.after.artifacts)


@pytest.mark.parametrize("place", [*PREPARE, *INDEXES])
def test_prepare(change: Change, place: str, scale: Scale) -> None:
    for moment in killing.moments(change.undisturbed, place, scale.kills, "prepare"):
        change.restore()
        killing.kill(change.worker, "prepare", change.after, moment)
        is_sound(change)
        is_mended(change)


@pytest.mark.parametrize("place", ["vectors", "map", "store"])
def test_prepare_in_a_page(change: Change, place: str, scale: Scale) -> None:
    """As the button does it, in a thread of the app, which dies with it."""
    for moment in killing.moments(change.undisturbed, place, max(2, scale.kills // 2), "page"):
        change.restore()
        killing.kill(change.worker, "page prepare", change.after, moment)
        is_sound(change)
        is_mended(change, "page prepare")


def test_the_first_prepare(change: Change, scale: Scale, tmp_path: Path) -> None:
    """Where there is nothing old there is nothing, until there is everything."""
    first = replace(change.after, artifacts=tmp_path / "artifacts")
    undisturbed = change.worker.run("prepare", first)
    expected, rows = killing.results(first.artifacts), killing.rows(first)
    for moment in killing.moments(undisturbed, "", scale.kills, "first"):
        shutil.rmtree(first.artifacts)
        killed = killing.kill(change.worker, "prepare", first, moment)
        now = killing.results(first.artifacts)
        assert not [name for name, content in now.items() if expected.get(name) != content]
        if killed and not [name for name in now if name.endswith("state.json")]:
            with pytest.raises(ArtifactError, match="not prepared yet"):
                workspace.open_workspace(first)
        change.worker.run("prepare", first)
        assert killing.results(first.artifacts) == expected
        assert killing.rows(first) == rows
        assert not killing.temporary(first.artifacts)


def test_killed_again_and_again(change: Change, scale: Scale) -> None:
    """Runs that die one after another, each in what the last one left: the one that may live ends as ever."""
    change.restore()
    for moment in killing.moments(change.undisturbed, "", scale.kills, "again"):
        killing.kill(change.worker, "prepare", change.after, moment)
        is_sound(change)
    is_mended(change)


def test_a_map_of_ones_own(change: Change, scale: Scale) -> None:
    change.restore()
    is_mended(change)
    undisturbed = change.worker.run("map", change.after)
    expected = killing.results(change.after.artifacts)
    (name,) = expected.keys() - change.new.keys()
    for moment in killing.moments(undisturbed, "", scale.kills, "map"):
        (change.after.artifacts / name).unlink()
        killing.kill(change.worker, "map", change.after, moment)
        now = killing.results(change.after.artifacts)
        assert now in (expected, change.new)
        change.worker.run("map", change.after)
        assert killing.results(change.after.artifacts) == expected
    change.worker.run("prepare", change.after)
    assert killing.results(change.after.artifacts) == expected
    assert not killing.temporary(change.after.artifacts)
