"""Petalscope's own folders among the photos: artifacts, stores and leftovers are skipped, and reported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.commands import prepare as prepare_commands
from lib.commands.progress import ProgressBar
from lib.data import catalog_file, datasets, own_folders, scanning, thumbnails
from lib.data.scanning import ALREADY_SCANNED
from lib.errors import COMMAND_LINE, DataError, Remedy
from lib.prepare import doctor, pipeline, workspace
from lib.progress import Reporter
from lib.settings import Settings
from tests.conftest import draw_photos
from tests.helpers.data_folders import scan
from tests.helpers.image_files import encoded, folder, scene, write

SHA256 = "ab" * 32
THUMBNAIL = Path("160") / "ab" / f"{SHA256}.jpg"
OWN_NAMES = ("sets", "thumbnails", "runs", "scratch", "exports")


def artifacts_in(place: Path, *, marked: bool = True, key: str = "photos-0123abcd") -> Path:
    """Artifacts as `prepare` and Home leave them, those of earlier versions without a mark; with pictures in them."""
    write(place / "thumbnails" / THUMBNAIL, encoded(scene(90), "JPEG"))
    write(place / "sets" / key / "state.json", b"{}")
    write(place / "sets" / key / "a.png", scene(91))
    write(place / "runs" / "one.json", b"{}")
    write(place / "runs" / "curve.png", scene(92))
    write(place / "exports" / "export.png", scene(93))
    write(place / "data" / "flower_photos" / "aster" / "a.png", scene(94))
    store(place / "petalscope.db")
    if marked:
        own_folders.mark(place)
    assert (place / own_folders.MARK).exists() == marked
    return place


def store(place: Path) -> Path:
    """A Milvus Lite store, with something in it that looks like a photo."""
    write(place / "LOCK", b"")
    write(place / "collections" / "a.png", scene(95))
    return place


def reasons(root: Path) -> dict[str, str]:
    return {entry["id"]: entry["reason"] for entry in scan(root)[1]}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return folder(tmp_path / "photos", daisy=2, rose=2)


PHOTOS = ["daisy/000.png", "daisy/001.png", "rose/000.png", "rose/001.png"]


# --- Where artifacts may lie -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("place", ["artifacts", "daisy/artifacts", "rose/deep/er/my results", "an earlier run"])
def test_artifacts_are_no_photos_wherever_they_lie(photos: Path, place: str, marked: bool) -> None:
    artifacts_in(photos / place, marked=marked)
    assert scan(photos) == (PHOTOS, [{"id": place, "reason": own_folders.ARTIFACTS}])


@pytest.mark.parametrize("part", ["sets", "thumbnails"])
def test_what_is_left_of_old_artifacts_is_recognised(photos: Path, part: str) -> None:
    artifacts_in(photos / "old", marked=False)
    for child in (photos / "old").iterdir():
        if child.name != part:
            shutil.rmtree(child)
    assert scan(photos) == (PHOTOS, [{"id": "old", "reason": own_folders.ARTIFACTS}])


def test_a_mark_alone_is_enough(photos: Path) -> None:
    write(photos / "empty" / own_folders.MARK, b"")
    write(photos / "empty" / "later" / "a.png", scene(5))
    assert scan(photos) == (PHOTOS, [{"id": "empty", "reason": own_folders.ARTIFACTS}])


def test_classes_named_as_our_parts_are_classes(tmp_path: Path) -> None:
    root = folder(tmp_path, **dict.fromkeys((*OWN_NAMES, "data", "artifacts"), 2))
    write(root / "sets" / "train-0123abcd" / "a.png", scene(1))
    write(root / "thumbnails" / "160" / "ab" / "a.jpg", encoded(scene(2), "JPEG"))
    write(root / "exports" / "prints.db" / "a.png", scene(3))
    files, skipped = scan(root)
    assert len(files) == 17
    assert skipped == []


def test_photos_beside_artifacts_in_one_folder_stay(photos: Path) -> None:
    # Somebody named a class folder, and the data folder itself, as artifacts folder of an earlier version.
    artifacts_in(photos / "daisy", marked=False)
    artifacts_in(photos, marked=False)
    write(photos / "runs" / "marathon.png", scene(7))
    own_folders.mark(photos / "daisy")  # not marked even now: the photos would vanish
    files, skipped = scan(photos)
    # What cannot be told from the user's own is kept.
    assert files == sorted([*PHOTOS, "daisy/exports/export.png", "exports/export.png"])
    assert {entry["id"]: entry["reason"] for entry in skipped} == {
        ".": own_folders.BESIDE,
        "daisy": own_folders.BESIDE,
        "daisy/petalscope.db": own_folders.STORE,
        "petalscope.db": own_folders.STORE,
    }


def test_artifacts_behind_links(photos: Path, tmp_path: Path) -> None:
    hidden = artifacts_in(photos / ".hidden" / "artifacts")
    artifacts_in(photos / "artifacts", marked=False)
    outside = artifacts_in(tmp_path / "outside")
    links = {
        "a hidden one": (hidden, own_folders.ARTIFACTS),
        "a link": (photos / "artifacts", ALREADY_SCANNED),
        "small": (photos / "artifacts" / "thumbnails", own_folders.INSIDE),
        "smaller": (hidden / "thumbnails" / "160" / "ab", own_folders.INSIDE),
        "rose/one.jpg": (photos / "artifacts" / "thumbnails" / THUMBNAIL, own_folders.INSIDE),
        "outside": (outside, "is a link that leads out of the data folder"),
    }
    for name, (target, _) in links.items():
        (photos / name).symlink_to(target)
    # The photos that Petalscope downloaded are photos, for those who link to them.
    (photos / "rose" / "downloaded.png").symlink_to(hidden / "data" / "flower_photos" / "aster" / "a.png")
    files, _ = scan(photos)
    assert files == sorted([*PHOTOS, "rose/downloaded.png"])
    assert reasons(photos) == {
        ".hidden": "is a hidden folder",
        "artifacts": own_folders.ARTIFACTS,
        **{name: reason for name, (_, reason) in links.items()},
    }


def test_artifacts_named_through_a_link_are_marked_where_they_are(photos: Path, tmp_path: Path) -> None:
    (photos / "real").mkdir()
    (tmp_path / "link").symlink_to(photos / "real")
    own_folders.mark(tmp_path / "link")
    assert scan(photos) == (PHOTOS, [{"id": "real", "reason": own_folders.ARTIFACTS}])


# --- Stores, environments, leftovers ---------------------------------------------------------------------------------


def test_stores_environments_and_leftovers_are_no_photos(photos: Path) -> None:
    store(photos / "x.db")
    store(photos / "daisy" / "y.db")
    for name in ("x.db.owner.json", "daisy/y.db.owner.json"):
        write(photos / name, b"{}")
    for name in ("venv", "rose/env", ".venv"):
        write(photos / name / "pyvenv.cfg", b"")
        write(photos / name / "lib" / "logo.png", scene(4))
    write(photos / "rose" / ".tmp-0123abcd-000.png", scene(5))
    write(photos / "rose" / ".tmp-0123abcd-sets" / "000.png", scene(5))
    write(photos / "rose" / ".tmp-mine.png", scene(6))
    files, _ = scan(photos)
    assert files == ["daisy/000.png", "daisy/001.png", "rose/.tmp-mine.png", "rose/000.png", "rose/001.png"]
    assert reasons(photos) == {
        "x.db": own_folders.STORE,
        "daisy/y.db": own_folders.STORE,
        "venv": own_folders.ENVIRONMENT,
        "rose/env": own_folders.ENVIRONMENT,
        ".venv": "is a hidden folder",
        "rose/.tmp-0123abcd-000.png": own_folders.LEFTOVER,
        "rose/.tmp-0123abcd-sets": own_folders.LEFTOVER,
    }


def test_an_environment_in_the_data_folder_itself_hides_no_photos(photos: Path) -> None:
    write(photos / "pyvenv.cfg", b"")
    assert scan(photos)[0] == PHOTOS


# --- The data folder is Petalscope's own ------------------------------------------------------------------------------


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize(
    "part", [".", "thumbnails", "thumbnails/160", "sets/photos-0123abcd", "exports", "petalscope.db"]
)
def test_artifacts_as_data_folder_are_refused(tmp_path: Path, part: str, marked: bool) -> None:
    artifacts_in(tmp_path / "artifacts", marked=marked)
    with pytest.raises(DataError, match=r"Petalscope.*|Milvus Lite store.*") as caught:
        scan(tmp_path / "artifacts" / part)
    assert COMMAND_LINE[Remedy.CHOOSE_DATA] in str(caught.value)
    assert (f"delete {own_folders.MARK} in it" in str(caught.value)) == (marked and part == ".")


@pytest.mark.parametrize("name", ["flower_photos", "synthetic-1"])
def test_photos_in_the_data_folder_of_the_artifacts_are_photos(tmp_path: Path, name: str) -> None:
    artifacts_in(tmp_path / "artifacts")
    root = folder(tmp_path / "artifacts" / "data" / name, rose=2)
    files, skipped = scan(root)
    assert files[-2:] == ["rose/000.png", "rose/001.png"]
    assert skipped == []


def test_photos_in_a_folder_of_their_own_inside_the_artifacts_are_photos(tmp_path: Path) -> None:
    root = folder(artifacts_in(tmp_path / "artifacts") / "my flowers", rose=2)
    assert scan(root) == (["rose/000.png", "rose/001.png"], [])


# --- The mark ---------------------------------------------------------------------------------------------------------


def test_a_folder_with_other_files_gets_no_mark(photos: Path, tmp_path: Path) -> None:
    own_folders.mark(photos)
    own_folders.mark(tmp_path / "nowhere" / "file")
    assert not (photos / own_folders.MARK).exists()
    marked_folder = artifacts_in(tmp_path / "artifacts")
    before = (marked_folder / own_folders.MARK).stat()
    own_folders.mark(marked_folder)
    assert (marked_folder / own_folders.MARK).stat().st_mtime_ns == before.st_mtime_ns
    assert "never read as photos" in (marked_folder / own_folders.MARK).read_text(encoding="utf-8")


# --- One listing a folder ---------------------------------------------------------------------------------------------


def test_each_folder_is_listed_once(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts_in(photos / "artifacts")
    listed: list[Path] = []
    children = scanning._children

    def counting(place: Path) -> Any:
        listed.append(place)
        return children(place)

    monkeypatch.setattr(scanning, "_children", counting)
    monkeypatch.setattr(own_folders, "_names", lambda place: pytest.fail(f"{place} is listed for its name"))
    scan(photos)
    assert sorted(listed) == [photos, photos / "artifacts", photos / "daisy", photos / "rose"]


# --- The whole way ----------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path, quick_weights: str) -> Settings:
    root = draw_photos(tmp_path / "photos", per_class=1)
    return Settings(data=root, artifacts=root / "artifacts", weights=quick_weights, offline=True, store_wait_s=0.0)


def prepare(settings: Settings, *names: str) -> tuple[dict[str, Any], list[str]]:
    messages: list[str] = []
    return pipeline.prepare(settings, names=names or ["pixels"], reporter=Reporter(say=messages.append)), messages


def look(settings: Settings) -> None:
    """What Home does: small pictures of all photos."""
    catalog = workspace.open_workspace(settings).catalog()
    for row in catalog.frame.itertuples():
        thumbnails.thumbnail(catalog.path(row.id), row.sha256, 160, settings.artifacts / "thumbnails")


def without_mark(settings: Settings) -> None:
    (settings.artifacts / own_folders.MARK).unlink()


@pytest.mark.parametrize("between", [lambda settings: None, without_mark])
@pytest.mark.parametrize("place", ["artifacts", "daisy/artifacts"])
def test_prepare_with_artifacts_among_the_photos(
    settings: Settings, place: str, between: Callable[[Settings], None]
) -> None:
    assert settings.data is not None
    settings = replace(settings, artifacts=settings.data / place)
    first, messages = prepare(settings)
    sentence = f"Left out of the photos: {place} is an artifacts folder of Petalscope."
    assert messages[0] == sentence
    look(settings)
    between(settings)
    second, messages = prepare(settings)
    assert messages[0] == sentence
    assert "artifacts" not in second["dataset"]["classes"]
    assert second["dataset"] == first["dataset"]
    assert second["dataset"]["skipped"] == [{"id": place, "reason": own_folders.ARTIFACTS}]
    assert second["spaces"][0]["cached"]
    assert (settings.artifacts / own_folders.MARK).is_file()
    opened = workspace.open_workspace(settings)
    assert catalog_file.changes(opened.catalog()) == {"added": 0, "removed": 0, "changed": 0}
    checks = {check["name"]: check for check in doctor.examine(settings, look_into_store=False)["checks"]}
    assert checks["data"]["detail"].endswith(f"left out of the photos: {place} is an artifacts folder of Petalscope")
    assert checks["data"]["ready"]
    assert "1 file or folder is left out" in prepare_commands.show_audit(pipeline.audit(settings))


def test_artifacts_of_an_earlier_run_under_another_name(settings: Settings) -> None:
    first, _ = prepare(settings)
    look(settings)
    moved = replace(settings, artifacts=(settings.data or Path()) / "rose" / "new")
    second, messages = prepare(moved)
    assert second["dataset"]["fingerprint"] == first["dataset"]["fingerprint"]
    assert {entry["id"] for entry in second["dataset"]["skipped"]} == {"artifacts", "rose/new"}
    assert "artifacts is an artifacts folder" in messages[0]
    assert "rose/new is an artifacts folder" in messages[0]


def test_the_data_folder_is_not_the_artifacts_folder(settings: Settings, tmp_path: Path) -> None:
    assert settings.data is not None
    (tmp_path / "link").symlink_to(settings.data)
    before = sorted(settings.data.rglob("*"))
    for same in (settings.data, tmp_path / "link", settings.data / "rose" / ".."):
        wrong = replace(settings, artifacts=same)
        with pytest.raises(DataError, match=COMMAND_LINE[Remedy.CHOOSE_ARTIFACTS]):
            prepare(wrong)
        checks = {check["name"]: check for check in doctor.examine(wrong, look_into_store=False)["checks"]}
        assert not checks["data"]["ready"]
        assert "is both the data folder and the artifacts folder" in checks["data"]["detail"]
    assert sorted(settings.data.rglob("*")) == before


def test_a_store_among_the_photos(settings: Settings) -> None:
    assert settings.data is not None
    settings = replace(settings, milvus_uri=str(settings.data / "rose" / "x.db"))
    first, _ = prepare(settings, "resnet18")
    second, messages = prepare(settings, "resnet18")
    assert second["dataset"]["fingerprint"] == first["dataset"]["fingerprint"]
    assert {entry["id"]: entry["reason"] for entry in second["dataset"]["skipped"]} == {
        "artifacts": own_folders.ARTIFACTS,
        "rose/x.db": own_folders.STORE,
    }
    assert "rose/x.db is a Milvus Lite store" in messages[0]


def test_drawn_flowers_inside_marked_artifacts_are_prepared_again(tmp_path: Path) -> None:
    from lib.synthetic_flowers import dataset

    settings = Settings(artifacts=tmp_path / "artifacts", weights="bundled", offline=True, store_wait_s=0.0)
    dataset.generate(settings.artifacts / "data" / "synthetic-1", per_class=1, size=16, workers=1)
    first, messages = prepare(settings)
    look(settings)
    second, _ = prepare(settings)
    assert all("Left out" not in sentence for sentence in messages)
    assert second["dataset"] == first["dataset"]
    assert second["dataset"]["skipped"] == []
    dataset = datasets.find(settings)
    assert dataset is not None
    # The same folder by its name works, too.
    named_document, _ = prepare(replace(settings, data=dataset.root))
    assert named_document["dataset"]["fingerprint"] == first["dataset"]["fingerprint"]


def test_home_names_what_is_left_out(settings: Settings, start: Callable[[Settings], Any]) -> None:
    pipeline.prepare(settings)
    app = start(settings)
    assert not app.exception
    assert any("Files and folders left out: 1" in each.label for each in app.expander)
    texts = [each.value for each in app.markdown]
    assert any("left out of the photos" in text and "is an artifacts folder of Petalscope" in text for text in texts)


def test_a_summary_is_short() -> None:
    skipped = [{"id": f"{number}", "reason": own_folders.STORE} for number in range(5)]
    skipped.append({"id": "a.jpg", "reason": "is empty (0 bytes)"})
    words = own_folders.summary(skipped)
    store_of = "is a Milvus Lite store"
    assert words == f"left out of the photos: 0 {store_of}; 1 {store_of}; 2 {store_of}; and 2 more"
    assert own_folders.summary(skipped[5:]) == ""


def test_a_folder_name_gives_the_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressBar().say(f"Left out of the photos: \x1b[31mred\nline {own_folders.ARTIFACTS}.")
    assert capsys.readouterr().err == f"Left out of the photos: �[31mred�line {own_folders.ARTIFACTS}.\n"
