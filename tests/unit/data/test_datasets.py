"""The data set: the named folder, else flower_photos, else synthetic flowers with a note about the reason."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lib.data import datasets
from lib.data.datasets import Dataset
from lib.errors import COMMAND_LINE, ArtifactError, DataError, OfflineError, Remedy
from lib.settings import Settings
from lib.synthetic_flowers import dataset
from tests.helpers.image_files import folder


@dataclass
class World:
    """A fake download and a fake renderer that record their calls and their reports."""

    online: bool = True
    error: Exception | None = None
    calls: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    stages: set[tuple[str, int, int | None]] = field(default_factory=set)

    def fetch(self, into: Path, *, offline: bool, progress: Any) -> None:
        self.calls.append(f"fetch {offline}")
        if offline or not self.online:
            raise OfflineError("There is no network.")
        progress(5, 10)
        folder(into / "flower_photos", rose=1)

    def draw(self, root: Path, *, progress: Any) -> None:
        self.calls.append("draw")
        if self.error is not None:
            raise self.error
        dataset.generate(root, per_class=1, size=16, workers=1, progress=progress)

    def obtain(self, settings: Settings) -> Dataset:
        def report(stage: str, done: int, total: int | None) -> None:
            self.stages.add((stage, done, total))

        return datasets.obtain(settings, report, self.messages.append, fetch=self.fetch, draw=self.draw)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(artifacts=tmp_path / "artifacts")


def test_nothing_is_there_at_first_and_looking_makes_nothing(settings: Settings) -> None:
    assert datasets.find(settings) is None
    assert not settings.artifacts.exists()


def test_the_named_folder_goes_before_everything(settings: Settings, tmp_path: Path) -> None:
    folder(settings.artifacts / "data" / "flower_photos", rose=1)
    for name in ("my photos", "synthetic", "flower_photos"):
        root = folder(tmp_path / name, rose=1)
        named_settings = Settings(data=root, artifacts=settings.artifacts)
        world = World()
        assert world.obtain(named_settings) == datasets.find(named_settings) == Dataset(name, root)
        assert world.calls == world.messages == []


def test_a_folder_has_a_name_even_without_one(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "photos" / "rose").mkdir(parents=True)
    for root, name in ((tmp_path / "photos" / "rose" / "..", "photos"), (Path("/"), "data")):
        obtained = datasets.find(Settings(data=root, artifacts=settings.artifacts))
        assert obtained is not None
        assert obtained.name == name


@pytest.mark.parametrize(("kind", "problem"), [("missing", "does not exist"), ("file", "is not a folder")])
def test_a_named_folder_that_is_none_is_refused(settings: Settings, tmp_path: Path, kind: str, problem: str) -> None:
    root = tmp_path / "photos"
    if kind == "file":
        root.write_bytes(b"")
    world = World()
    with pytest.raises(DataError, match=problem) as raised:
        world.obtain(Settings(data=root, artifacts=settings.artifacts))
    assert str(raised.value).endswith(f"; {COMMAND_LINE[Remedy.CHOOSE_DATA]}.")
    assert world.calls == []


def test_online_the_photos_are_fetched_once(settings: Settings) -> None:
    world = World()
    obtained = world.obtain(settings)
    assert obtained == Dataset("flower_photos", settings.artifacts / "data" / "flower_photos")
    assert world.obtain(settings) == obtained
    assert world.calls == ["fetch False"]
    assert world.stages == {("download flower_photos", 5, 10)}
    assert world.messages == []


def test_an_empty_folder_is_no_download(settings: Settings) -> None:
    (settings.artifacts / "data" / "flower_photos").mkdir(parents=True)
    assert datasets.find(settings) is None
    assert World().obtain(settings).name == "flower_photos"


def test_offline_flowers_are_drawn_and_say_so(settings: Settings) -> None:
    world = World(online=False)
    obtained = world.obtain(settings)
    assert obtained.name == "synthetic"
    assert obtained.note == datasets.SYNTHETIC_NOTE
    assert [str(message) for message in world.messages] == ["There is no network. Drawing synthetic flowers instead."]
    assert ("draw flowers", 5, 5) in world.stages
    assert datasets.find(settings) == obtained


def test_drawn_flowers_are_not_drawn_twice_and_give_way_to_photos(settings: Settings) -> None:
    World(online=False).obtain(settings)
    again = World(online=False)
    assert again.obtain(settings).name == "synthetic"
    assert (again.calls, again.messages) == (["fetch False"], [])
    assert World().obtain(settings).name == "flower_photos"


def test_who_is_offline_by_choice_is_not_asked_again(settings: Settings) -> None:
    world = World()
    obtained = world.obtain(Settings(artifacts=settings.artifacts, offline=True))
    assert obtained.name == "synthetic"
    assert world.calls == ["fetch True", "draw"]


def test_the_real_download_is_off_when_the_user_is_offline(settings: Settings) -> None:
    drawn: list[Path] = []

    def draw(root: Path, **_: Any) -> None:
        drawn.append(root)
        dataset.generate(root, per_class=1, size=16, workers=1)

    offline = Settings(artifacts=settings.artifacts, offline=True)
    assert datasets.obtain(offline, lambda *_: None, lambda _: None, draw=draw).root == drawn[0]


@pytest.mark.parametrize(
    ("number", "problem"), [(errno.ENOSPC, "is full"), (errno.EROFS, COMMAND_LINE[Remedy.CHOOSE_ARTIFACTS])]
)
def test_a_disk_that_takes_no_drawings_is_named(settings: Settings, number: int, problem: str) -> None:
    world = World(online=False, error=OSError(number, os.strerror(number)))
    with pytest.raises(ArtifactError, match=problem):
        world.obtain(settings)


def test_half_a_drawn_set_is_none(settings: Settings) -> None:
    obtained = World(online=False).obtain(settings)
    next(obtained.root.glob("*/*.jpg")).unlink()
    assert datasets.find(settings) is None


def test_two_first_runs_draw_one_set(tmp_path: Path) -> None:
    """The second waits for the first, and `draw` is never at work twice at once."""
    busy, most = [0], [0]
    guard = threading.Lock()

    def draw(root: Path, *, progress: Callable[[int, int | None], None]) -> None:
        with guard:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        if not (root / "factors.csv").is_file():
            time.sleep(0.3)
            (root / "daisy").mkdir(parents=True)
            (root / "daisy" / "1.jpg").write_bytes(b"drawn")
            (root / "factors.csv").write_text("id\ndaisy/1.jpg\n")
        with guard:
            busy[0] -= 1

    settings = Settings(artifacts=tmp_path, offline=True)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(datasets.obtain, settings, lambda *_: None, lambda _: None, draw=draw) for _ in range(2)]
    assert {run.result().name for run in runs} == {"synthetic"}
    assert most == [1]
