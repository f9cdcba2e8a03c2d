"""lib.prepare.pipeline: what `prepare` makes, what it spares itself, and what an interruption leaves."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from lib import artifacts
from lib.data import images
from lib.data.catalog import split_of
from lib.data.datasets import Dataset
from lib.embed.projection import MapParameters
from lib.errors import ArtifactError, DataError, PetalscopeError, QueryError, StoreError, StoreLockedError
from lib.prepare import pipeline, store_step, workspace
from lib.prepare.job import WAITING, PrepareJob
from lib.progress import Reporter
from lib.retrieval import search
from lib.retrieval.query import find_query
from lib.settings import PROJECT, Settings
from lib.store import collections as store_collections
from lib.store import connection, write
from tests.conftest import draw_photos, draw_picture
from tests.helpers.killed_work import KilledWork, killed_work

PICTURES = 5


@pytest.fixture
def settings(tmp_path: Path, quick_weights: str) -> Settings:
    """Five photos, too few for UMAP, and weights that want them tiny: a whole `prepare` in about a second."""
    return Settings(
        data=draw_photos(tmp_path / "photos", per_class=1),
        artifacts=tmp_path / "artifacts",
        weights=quick_weights,
        offline=True,
        store_wait_s=0.0,
    )


@pytest.fixture(scope="module")
def prepared_photos(tmp_path_factory: pytest.TempPathFactory, quick_weights: str) -> Settings:
    """Five photos that are prepared. Read only."""
    root = tmp_path_factory.mktemp("made")
    settings = Settings(
        data=draw_photos(root / "photos", per_class=1),
        artifacts=root / "artifacts",
        weights=quick_weights,
        offline=True,
        store_wait_s=0.0,
    )
    pipeline.prepare(settings)
    return settings


@pytest.fixture
def copied(prepared_photos: Settings, tmp_path: Path) -> Settings:
    """Those photos, and a copy of everything that was made of them."""
    shutil.copytree(prepared_photos.artifacts, tmp_path / "artifacts")
    return replace(prepared_photos, artifacts=tmp_path / "artifacts")


@dataclass
class RecordedReports:
    """A reporter that remembers the totals of every stage, and every sentence."""

    totals: dict[str, int | None] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)

    @property
    def reporter(self) -> Reporter:
        return Reporter(lambda stage, done, total: self.totals.__setitem__(stage, total), self.sentences.append)


def prepare(settings: Settings, **options: Any) -> tuple[dict[str, Any], RecordedReports]:
    reports = RecordedReports()
    document = pipeline.prepare(settings, reporter=reports.reporter, **options)
    json.dumps(document, allow_nan=False)
    return document, reports


def folder(settings: Settings) -> Path:
    return workspace.open_workspace(settings).folder


def state(settings: Settings) -> dict[str, Any]:
    return workspace.open_workspace(settings).state


def base(settings: Settings) -> str:
    return workspace.open_workspace(settings).collection("resnet18")


def rows_of(settings: Settings) -> dict[str, list[Any]]:
    """Everything that the store holds: every row of every collection, by id."""
    with connection.open_store(settings.store_uri) as store:
        collected = {}
        for name in store_collections.names(store):
            store_collections.ensure_loaded(store, name)
            rows = store.client.query(
                name, filter="", output_fields=["id", "path", "label", "split", "vector"], limit=1000
            )
            collected[name] = sorted(
                (row["id"], row["path"], row["label"], row["split"], tuple(float(x) for x in row["vector"]))
                for row in rows
            )
        return collected


def collections(settings: Settings) -> list[str]:
    with connection.open_store(settings.store_uri) as store:
        return store_collections.names(store)


def siblings(base: str) -> set[str]:
    return {base + suffix for suffix in store_collections.SIBLINGS}


def files(settings: Settings) -> dict[str, bytes]:
    """Every file of the data set's artifacts by name; of the state, all but its time."""
    root = folder(settings)
    result = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    result["state.json"] = json.dumps({**json.loads(result["state.json"]), "prepared": None}).encode()
    return result


def answer(settings: Settings, image: str, **options: Any) -> list[tuple[str, float]]:
    opened = workspace.open_workspace(settings)
    searchable = search.load_space(opened, "resnet18")
    query = find_query(searchable.catalog, image)
    document = search.search(opened, searchable, query, metric_name="cosine", k=50, **options)
    return [(row["id"], round(row["value"], 5)) for row in document["results"]]


# -- the document ---------------------------------------------------------------------------------------------------


def test_the_document_is_as_the_contract_says(settings: Settings) -> None:
    (settings.data or Path()).joinpath("rose", "broken.jpg").write_bytes(b"")
    document, reports = prepare(settings)
    assert set(document) == {"dataset", "spaces", "milvus", "seconds"}
    dataset = document["dataset"]
    assert set(dataset) == {
        *("name", "root", "images", "classes", "split", "fingerprint", "skipped", "factors"),
        *("layout", "empty_classes", "look_alikes"),
    }
    assert dataset["layout"] == {
        "kind": "classes",
        "reason": "5 class folders",
        "root": str(settings.data),
        "wrappers": [],
        "labels": None,
        "notes": [],
        "given_splits": [],
        "others": [],
    }
    assert dataset["empty_classes"] == dataset["look_alikes"] == []
    assert (dataset["name"], dataset["root"], dataset["images"]) == ("photos", str(settings.data), 5)
    assert dataset["classes"] == dict.fromkeys(("daisy", "dandelion", "rose", "sunflower", "tulip"), 1)
    assert set(dataset["split"]) == {"train", "val", "test"}
    assert sum(dataset["split"].values()) == 5
    assert dataset["skipped"] == [{"id": "rose/broken.jpg", "reason": "is empty (0 bytes)"}]
    pixels, resnet18 = document["spaces"]
    assert set(pixels) == {"name", "dim", "count", "weights", "precision", "engine", "fingerprint", "seconds", "cached"}
    assert (pixels["precision"], pixels["engine"], resnet18["precision"]) == (None, None, "fp32")
    assert (pixels["name"], pixels["dim"], pixels["count"], pixels["weights"]) == ("pixels", 49_152, 5, None)
    assert (resnet18["name"], resnet18["dim"], resnet18["count"]) == ("resnet18", 512, 5)
    assert resnet18["weights"] == "quick.safetensors"
    assert document["milvus"]["uri"] == settings.own_store
    expected = store_collections.collection_names("resnet18", resnet18["fingerprint"])
    assert document["milvus"]["collections"] == [
        {"name": expected[key], "space": "resnet18", "rows": 5} for key in ("base", "l2", "centred")
    ]
    assert not any(space["cached"] for space in document["spaces"])
    assert reports.totals["embed resnet18"] == PICTURES
    assert {path.name for path in folder(settings).iterdir()} == {
        state(settings)["catalog"],
        "collections.json",
        "maps",
        "neighbours",
        "prepare.lock",
        "spaces",
        "state.json",
    }


def test_a_second_run_computes_and_changes_nothing(copied: Settings) -> None:
    settings = copied
    first, _ = prepare(settings)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder(settings).rglob("*.*")}
    rows = rows_of(settings)
    second, reports = prepare(settings)
    assert all(space["cached"] for space in second["spaces"])
    assert second["dataset"] == first["dataset"]
    assert second["milvus"] == first["milvus"]
    assert set(reports.totals) == {"read photos"}
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder(settings).rglob("*.*")}
    del before[folder(settings) / "prepare.lock"], after[folder(settings) / "prepare.lock"]
    assert after == before
    assert rows_of(settings) == rows


def test_a_second_run_imports_neither_torch_nor_umap(prepared: Settings) -> None:
    code = (
        "import sys; from lib.commands.cli import main; assert main(sys.argv[1:]) == 0;"
        "print([name for name in ('torch', 'torchvision', 'umap', 'sklearn', 'numba') if name in sys.modules])"
    )
    names = ["--data", str(prepared.data), "--artifacts", str(prepared.artifacts), "--weights", "bundled", "--json"]
    command = [sys.executable, "-c", code, "prepare", *names]
    # The first run of the command measures what `pipeline.prepare`, which made the artifacts, does not.
    for _ in range(2):
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    document, modules = done.stdout.splitlines()
    assert all(space["cached"] for space in json.loads(document)["spaces"])
    assert modules == "[]"


# -- something changed ----------------------------------------------------------------------------------------------


def test_one_changed_photo_is_the_only_one_embedded_again(settings: Settings) -> None:
    prepare(settings)
    old = base(settings)
    assert settings.data is not None
    draw_picture(2, 50).save(settings.data / "rose" / "00.jpg")
    document, reports = prepare(settings)
    assert reports.totals["embed resnet18"] == reports.totals["embed pixels"] == 1
    assert not any(space["cached"] for space in document["spaces"])
    assert base(settings) != old
    assert set(collections(settings)) == siblings(base(settings))
    kept = {name: len(list((folder(settings) / name).iterdir())) for name in ("spaces", "neighbours", "maps")}
    assert kept == {"spaces": 2, "neighbours": 2, "maps": 4}
    fresh = replace(settings, artifacts=settings.artifacts.with_name("fresh"))
    prepare(fresh)
    assert answer(settings, "rose/00.jpg") == answer(fresh, "rose/00.jpg")


def test_a_map_of_ones_own_stays_as_long_as_its_vectors(settings: Settings) -> None:
    with pytest.raises(ArtifactError, match="not prepared yet"):
        pipeline.make_map(settings, "pixels", MapParameters(n_neighbors=3))
    prepare(settings)
    parameters = MapParameters(n_neighbors=3, metric="euclidean")
    prepared_photos, cached = pipeline.make_map(settings, "pixels", parameters)
    again, cached_again = pipeline.make_map(settings, "pixels", parameters)
    assert (cached, cached_again) == (False, True)
    np.testing.assert_array_equal(prepared_photos.xy, again.xy)
    assert prepared_photos.facts["n_neighbors"] == 3
    file = workspace.open_workspace(settings).map_file("pixels", parameters)
    prepare(settings, limit=4)
    assert not file.exists()


def test_a_renamed_photo_keeps_its_vector_and_changes_its_row(settings: Settings) -> None:
    prepare(settings)
    old = base(settings)
    assert settings.data is not None
    (settings.data / "rose" / "00.jpg").rename(settings.data / "rose" / "99.jpg")
    document, reports = prepare(settings)
    # Rows stay in the order of ids, so the vectors are where they were.
    assert all(space["cached"] for space in document["spaces"])
    assert not any(stage.startswith("embed") for stage in reports.totals)
    assert base(settings).startswith(old + "_")
    assert set(collections(settings)) == siblings(base(settings))
    assert "rose/99.jpg" in dict(answer(settings, "daisy/00.jpg", engine="milvus"))


def test_photos_that_swap_their_names_swap_their_rows(settings: Settings) -> None:
    # Labels, ids, splits and the set of pictures stay the same: only which id has which picture changes.
    assert settings.data is not None
    drawn = [draw_picture(2, number) for number in range(50, 70)]
    trained = [picture for picture in drawn if split_of(images.pixel_hash(picture), 0) == "train"]
    trained[0].save(settings.data / "rose" / "01.png")
    trained[1].save(settings.data / "rose" / "02.png")
    prepare(settings)
    before = dict(answer(settings, "rose/00.jpg", engine="milvus"))
    (settings.data / "rose" / "01.png").rename(settings.data / "rose" / "x")
    (settings.data / "rose" / "02.png").rename(settings.data / "rose" / "01.png")
    (settings.data / "rose" / "x").rename(settings.data / "rose" / "02.png")
    prepare(settings)
    after = dict(answer(settings, "rose/00.jpg", engine="milvus"))
    assert before["rose/01.png"] == after["rose/02.png"] != after["rose/01.png"] == before["rose/02.png"]
    assert after == dict(answer(settings, "rose/00.jpg"))


def test_a_removed_photo_is_gone_everywhere(settings: Settings) -> None:
    prepare(settings)
    assert settings.data is not None
    (settings.data / "rose" / "00.jpg").unlink()
    document, reports = prepare(settings)
    assert document["dataset"]["images"] == 4
    assert "embed resnet18" not in reports.totals
    assert all(len(rows) == 4 for rows in rows_of(settings).values())
    assert "rose/00.jpg" not in dict(answer(settings, "daisy/00.jpg"))


def test_another_seed_splits_anew_and_keeps_the_vectors(copied: Settings) -> None:
    settings = copied
    plain, kept = base(settings), {name: entry["folder"] for name, entry in state(settings)["spaces"].items()}
    bases = [plain]
    # Seeds under which some picture of the five lies in another part than before.
    shas = list(workspace.open_workspace(settings).catalog().frame["sha256"])
    seeds, last = [], [split_of(sha, 0) for sha in shas]
    for seed in range(1, 1000):
        now = [split_of(sha, seed) for sha in shas]
        if now != last:
            seeds, last = [*seeds, seed], now
        if len(seeds) == 3:
            break
    for seed in seeds:
        document, _ = prepare(replace(settings, seed=seed))
        assert all(space["cached"] for space in document["spaces"])
        assert {name: entry["folder"] for name, entry in state(settings)["spaces"].items()} == kept
        bases.append(base(settings))
        assert set(collections(settings)) == siblings(bases[-1])
        expected = {name: split_of(sha, seed) for name, sha in zip(_ids(settings), shas, strict=True)}
        for rows in rows_of(settings).values():
            assert {row[0]: row[3] for row in rows} == expected
        assert state(settings)["dataset"]["seed"] == seed
    # Old and new stand side by side until the switch, so the plain name comes back at every second change.
    assert [each == plain for each in bases] == [True, False, True, False]
    # The seed is remembered: a run that names none changes nothing.
    before = (folder(settings) / "state.json").read_bytes()
    prepare(settings)
    assert (folder(settings) / "state.json").read_bytes() == before


def _ids(settings: Settings) -> list[str]:
    return workspace.open_workspace(settings).catalog().ids


def test_other_weights_make_another_space(copied: Settings) -> None:
    settings = copied
    old = base(settings)
    other = replace(settings, weights="random")
    document, reports = prepare(other)
    pixels, resnet18 = document["spaces"]
    assert (pixels["cached"], resnet18["cached"], resnet18["weights"]) == (True, False, "random")
    assert reports.totals["embed resnet18"] == PICTURES  # nothing of the other weights is reused
    assert base(other) != old
    assert set(collections(other)) == siblings(base(other))


def test_a_limit_and_then_everything(settings: Settings) -> None:
    first, _ = prepare(settings, limit=3)
    assert first["dataset"]["images"] == 3
    assert len(first["dataset"]["classes"]) == 3
    assert state(settings)["dataset"]["limit"] == 3
    second, reports = prepare(settings)
    assert second["dataset"]["images"] == 5
    assert reports.totals["embed resnet18"] == 2
    assert all(len(rows) == 5 for rows in rows_of(settings).values())


def test_one_space_after_the_other(settings: Settings) -> None:
    first, reports = prepare(replace(settings, milvus_uri="http://localhost:9"), names=["pixels"])
    # Pixels are not stored in Milvus, so a server that is down does not matter.
    assert first["milvus"] == {"uri": "http://localhost:9", "collections": []}
    assert "download weights" not in reports.totals
    second, _ = prepare(settings, names=["transfer"])
    assert [space["name"] for space in second["spaces"]] == ["resnet18"]
    assert workspace.open_workspace(settings).spaces == ["pixels", "resnet18"]
    prepare(settings, names=["pixels"])
    assert workspace.open_workspace(settings).spaces == ["pixels", "resnet18"]  # kept, since it is of these photos
    assert settings.data is not None
    (settings.data / "rose" / "00.jpg").unlink()
    prepare(settings, names=["pixels"])
    assert workspace.open_workspace(settings).spaces == ["pixels"]  # never mixed with the photos of before
    with pytest.raises(QueryError, match="choose one of"):
        prepare(settings, names=["pixels", "umap"])


# -- one store, several users ---------------------------------------------------------------------------------------


def test_two_folders_with_the_same_photos_share_a_store(settings: Settings, tmp_path: Path) -> None:
    assert settings.data is not None
    other = replace(settings, data=tmp_path / "copy")
    shutil.copytree(settings.data, tmp_path / "copy")
    (tmp_path / "copy" / "rose" / "00.jpg").rename(tmp_path / "copy" / "rose" / "mine.jpg")
    prepare(settings)
    prepare(other)
    # Equal photos have an equal fingerprint; but their rows are not the same.
    assert base(settings) != base(other)
    assert set(collections(settings)) == siblings(base(settings)) | siblings(base(other))
    assert "rose/00.jpg" in dict(answer(settings, "daisy/00.jpg", engine="milvus"))
    assert "rose/mine.jpg" in dict(answer(other, "daisy/00.jpg", engine="milvus"))
    # What one of them drops is never what the other uses.
    (tmp_path / "copy" / "tulip" / "00.jpg").unlink()
    prepare(other)
    assert "rose/00.jpg" in dict(answer(settings, "daisy/00.jpg", engine="milvus"))
    assert set(collections(settings)) == siblings(base(settings)) | siblings(base(other))


def test_a_store_that_holds_it_all_already_is_taken_as_it_is(settings: Settings, tmp_path: Path) -> None:
    shared = replace(settings, milvus_uri=str(tmp_path / "shared.db"))
    prepare(shared)
    second = replace(shared, artifacts=tmp_path / "of somebody else")
    document, reports = prepare(second)
    assert base(second) == base(shared)
    assert [row["rows"] for row in document["milvus"]["collections"]] == [5, 5, 5]
    assert not any(stage.startswith("store") for stage in reports.totals)
    assert answer(second, "rose/00.jpg", engine="milvus") == answer(second, "rose/00.jpg")
    # The one who did not write it does not drop it either.
    prepare(replace(second, weights="random"))
    assert siblings(base(shared)) < set(collections(shared))


def test_a_collection_of_somebody_else_is_not_touched(settings: Settings) -> None:
    prepare(settings)
    name = base(settings)
    shutil.rmtree(settings.artifacts)
    settings.artifacts.mkdir()
    foreign = write.Rows(["a"], ["a"], ["x"], ["train"], np.ones((1, 4), np.float32))
    with connection.open_store(settings.own_store) as store:
        write.write_collection(store, name + "_l2", foreign, metric="L2", description="mine, not yours")
    prepare(settings)
    assert base(settings).startswith(name + "_")
    assert [row[0] for row in rows_of(settings)[name + "_l2"]] == ["a"]


def test_half_of_a_collection_is_not_taken_for_the_whole(copied: Settings) -> None:
    settings = copied
    name = base(settings)
    rows = rows_of(settings)
    # Everything was written but no state names it; one of the three lacks rows, one its index.
    (folder(settings) / "state.json").unlink()
    with connection.open_store(settings.own_store) as store:
        store_collections.ensure_loaded(store, name)
        store.client.delete(name, ids=["rose/00.jpg"])
        store.client.release_collection(name + "_l2")
        store.client.drop_index(name + "_l2", "vector")
    _, reports = prepare(settings)
    assert {stage for stage in reports.totals if stage.startswith("store")} == {f"store {name}", f"store {name}_l2"}
    assert rows_of(settings) == rows


def test_a_store_that_was_deleted_is_filled_again(copied: Settings) -> None:
    settings, rows = copied, rows_of(copied)
    shutil.rmtree(settings.own_store)
    document, _ = prepare(settings)
    assert all(space["cached"] for space in document["spaces"])
    assert rows_of(settings) == rows


def test_two_stores_take_turns(settings: Settings, tmp_path: Path) -> None:
    elsewhere = replace(settings, milvus_uri=str(tmp_path / "other.db"))
    prepare(settings)
    prepare(elsewhere)
    assert base(settings) == base(elsewhere)
    prepare(replace(elsewhere, seed=2))
    # The first store still has the rows of before, and says so instead of answering with them.
    with pytest.raises(ArtifactError, match="is not stored in"):
        answer(settings, "rose/00.jpg", engine="milvus")
    prepare(settings)
    assert answer(settings, "rose/00.jpg", engine="milvus") == answer(settings, "rose/00.jpg")
    assert set(collections(settings)) == siblings(base(settings))


# -- something damaged ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda root, state: (root / "state.json").write_text("{", encoding="utf-8"),
        lambda root, state: (root / "state.json").write_text('{"schema": 2}', encoding="utf-8"),
        lambda root, state: (root / "state.json").unlink(),
        lambda root, state: (root / state["catalog"]).write_bytes(b"PAR1"),
        lambda root, state: (root / state["catalog"]).unlink(),
        lambda root, state: (root / state["spaces"]["resnet18"]["folder"] / "vectors.npy").write_bytes(b""),
        lambda root, state: (root / state["spaces"]["pixels"]["folder"] / "meta.json").unlink(),
        lambda root, state: shutil.rmtree(root / state["spaces"]["pixels"]["folder"]),
        lambda root, state: (root / state["spaces"]["resnet18"]["map"]).write_bytes(b"PK"),
        lambda root, state: (root / state["spaces"]["pixels"]["map"]).unlink(),
        lambda root, state: (root / state["spaces"]["pixels"]["pca"]).unlink(),
        lambda root, state: (root / state["spaces"]["pixels"]["neighbours"]).write_bytes(b"PK"),
        lambda root, state: (root / "collections.json").write_text("[]", encoding="utf-8"),
        lambda root, state: (root / "collections.json").unlink(),
        lambda root, state: (root / "spaces" / ".tmp-1234-pixels").mkdir(),
        lambda root, state: (root / ".tmp-1234-state.json").write_text("{", encoding="utf-8"),
    ],
    # Names that are the same in every process: tests may run in several.
    ids=[
        "broken state",
        "state of another shape",
        "no state",
        "broken catalog",
        "no catalog",
        "empty vectors",
        "no facts",
        "no vectors",
        "broken map",
        "no map",
        "no other map",
        "broken neighbours",
        "ledger of another shape",
        "no ledger",
        "leftover folder",
        "leftover file",
    ],
)
def test_whatever_is_damaged_is_made_again(
    prepared_photos: Settings, copied: Settings, damage: Callable[[Path, Any], object]
) -> None:
    damage(folder(copied), state(copied))
    prepare(copied)
    before, after = files(prepared_photos), files(copied)
    # Without the ledger nobody remembers who wrote the collections: they are used, and not written down as ours.
    before["collections.json"] = after["collections.json"] = b""
    assert after == before
    assert rows_of(copied) == rows_of(prepared_photos)


# -- what cannot be done --------------------------------------------------------------------------------------------


def sentence(kind: type[PetalscopeError], settings: Settings, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        prepare(settings, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_that_hold_no_photos(settings: Settings, tmp_path: Path) -> None:
    assert "does not exist" in sentence(DataError, replace(settings, data=tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    said = sentence(DataError, replace(settings, data=tmp_path / "empty"))
    assert "no readable image" in said and "class sub-folders" in said


def test_artifacts_that_cannot_be_written(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am a file")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        text = sentence(ArtifactError, replace(settings, artifacts=place))
        assert "name another folder with --artifacts" in text
    assert "name another folder with --artifacts" in sentence(
        ArtifactError, replace(settings, artifacts=Path("/proc/x"))
    )


def test_a_disk_that_is_read_only(settings: Settings, disk: Callable[[str], Path]) -> None:
    inside = replace(settings, artifacts=disk("size=50m") / "artifacts")
    prepare(inside)
    expected = answer(inside, "rose/00.jpg")
    disk("remount,ro,size=50m")
    assert "Read-only file system" in sentence(ArtifactError, inside)
    assert answer(inside, "rose/00.jpg") == expected  # looking needs no writing


# Milvus Lite leaves its log open when it cannot write to it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("share", [0.02, 0.7, 0.8, 0.9])
def test_a_disk_that_is_too_small_at_any_step(
    prepared_photos: Settings, disk: Callable[[str], Path], share: float
) -> None:
    needed = sum(
        -(-path.stat().st_size // 4096) * 4096 for path in prepared_photos.artifacts.rglob("*") if path.is_file()
    )
    inside = replace(prepared_photos, artifacts=disk(f"size={int(needed * share)}") / "artifacts")
    with pytest.raises(PetalscopeError) as caught:
        prepare(inside)
    assert "\n" not in str(caught.value)
    assert not list(inside.artifacts.rglob(".tmp-*"))
    disk("remount,size=50m")
    prepare(inside)
    assert answer(inside, "rose/00.jpg", engine="milvus") == answer(inside, "rose/00.jpg")


@pytest.fixture
def holder(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process that owns the store of `settings`."""
    settings.artifacts.mkdir(parents=True)
    code = (
        "import sys; from lib.store import connection\n"
        "with connection.open_store(sys.argv[1], role='the app'):\n"
        "    print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, settings.own_store]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_store_that_the_app_holds(settings: Settings, holder: subprocess.Popen[str]) -> None:
    text = sentence(StoreLockedError, settings)
    assert f"in use by the app (process {holder.pid}," in text
    assert "stop that process" in text
    assert "--milvus-uri" in text
    # Known before the long work, not after it.
    assert not (settings.artifacts / "sets").joinpath("spaces").exists()

    waiting = threading.Timer(0.5, holder.kill)
    waiting.start()
    document, _ = prepare(replace(settings, store_wait_s=20.0))
    waiting.join()
    assert len(document["milvus"]["collections"]) == 3


def test_a_dead_server_leaves_what_there_was(copied: Settings) -> None:
    settings = copied
    before = files(settings)
    dead = replace(settings, milvus_uri="http://anna:p4ss@localhost:9", seed=5, milvus_token="")
    text = sentence(StoreError, dead)
    assert "No Milvus server answers at http://localhost:9" in text
    assert "p4ss" not in text
    after = files(settings)
    assert {name: after[name] for name in before} == before


def test_no_secret_is_written_down(settings: Settings, tmp_path: Path) -> None:
    # A Lite store stands for the server here: the address is what could carry the secret.
    prepare(replace(settings, milvus_token="t0ken-of-anna"))
    for path in settings.artifacts.rglob("*"):
        if path.is_file():
            assert b"t0ken" not in path.read_bytes()
    job = PrepareJob(
        replace(settings, milvus_uri="https://anna:p4ss@example.org"),
        Dataset("photos", settings.data or Path()),
        tmp_path,
        None,
        Reporter(),
    )
    store_step.write_ledger(job, {"base"})
    assert artifacts.read_json(tmp_path / store_step.LEDGER) == {"https://example.org": ["base"]}


def test_a_second_prepare_waits_for_the_first(copied: Settings) -> None:
    settings = copied
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with FileLock(folder(settings) / "prepare.lock"):
            held.set()
            enough.wait(10)

    holding = threading.Thread(target=hold)
    holding.start()
    held.wait(10)
    threading.Timer(0.3, enough.set).start()
    document, reports = prepare(settings)
    holding.join()
    assert reports.sentences[0] == WAITING
    assert all(space["cached"] for space in document["spaces"])


# -- audit ----------------------------------------------------------------------------------------------------------


def test_audit_sees_the_files_as_they_are_and_opens_no_store(settings: Settings) -> None:
    assert settings.data is not None
    Image.open(settings.data / "rose" / "00.jpg").save(settings.data / "tulip" / "twin.png")
    (settings.data / "rose" / "text.jpg").write_text("no picture")
    document = pipeline.audit(replace(settings, milvus_uri="http://localhost:9"))
    json.dumps(document, allow_nan=False)
    assert set(document) == {"duplicates", "corrupt", "images"}
    assert document["images"] == 6
    assert [entry["id"] for entry in document["corrupt"]] == ["rose/text.jpg"]
    twins = [group for group in document["duplicates"] if group["kind"] == "exact"]
    assert twins == [
        {
            "ids": ["rose/00.jpg", "tulip/twin.png"],
            "labels": ["rose", "tulip"],
            "conflict": True,
            "kind": "exact",
            "distance": 0,
        }
    ]
    assert not Path(settings.own_store).exists()
    # The catalog that it made is what prepare begins with; a prepared data set is not touched by looking at it.
    prepare(settings, limit=3)
    before = files(settings)
    assert pipeline.audit(settings)["images"] == 6
    after = files(settings)
    assert {name: after[name] for name in before} == before
    prepare(settings, limit=3)
    assert files(settings) == before


# -- interruptions --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["read photos", "embed resnet18", "store"])
def test_ctrl_c_at_any_stage_leaves_the_old_state(settings: Settings, stage: str) -> None:
    prepare(settings)
    before, rows = files(settings), rows_of(settings)
    assert settings.data is not None
    draw_picture(2, 50).save(settings.data / "rose" / "00.jpg")

    def interrupt(now: str, done: int, total: int | None) -> None:
        if now.startswith(stage):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.prepare(settings, reporter=Reporter(interrupt))
    after = files(settings)
    before["collections.json"] = after["collections.json"]  # knows more, and changes nothing that can be seen
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if ".tmp-" in name]
    assert {name: result for name, result in rows_of(settings).items() if name in rows} == rows
    prepare(settings)
    assert answer(settings, "daisy/00.jpg", engine="milvus") == answer(settings, "daisy/00.jpg")
    assert rows_of(settings).keys() == siblings(base(settings))


@pytest.fixture(scope="module")
def worker() -> Iterator[KilledWork]:
    with killed_work() as work:
        yield work


def run_prepare(worker: KilledWork, settings: Settings, die_at: int | None = None) -> dict[str, Any]:
    """`prepare` in a process that is killed before step `die_at`."""
    reply = worker.run("prepare", settings, die_at=die_at)
    assert reply["signal"] == (0 if die_at is None else signal.SIGKILL)
    return reply


@pytest.mark.slow
def test_kill_9_at_any_moment_of_the_first_run(settings: Settings, worker: KilledWork) -> None:
    steps = len(run_prepare(worker, settings)["places"])
    expected, rows = files(settings), rows_of(settings)
    for die_at in sorted(random.Random(1).sample(range(1, steps - 5), 2)):
        shutil.rmtree(settings.artifacts)
        run_prepare(worker, settings, die_at)
        with pytest.raises(ArtifactError, match="is not prepared yet"):
            workspace.open_workspace(settings)
        run_prepare(worker, settings)
        assert files(settings) == expected, die_at
        assert rows_of(settings) == rows, die_at


@pytest.mark.slow
def test_kill_9_at_any_moment_of_a_later_run(settings: Settings, worker: KilledWork, tmp_path: Path) -> None:
    run_prepare(worker, settings)
    old = answer(settings, "daisy/00.jpg")
    shutil.copytree(settings.artifacts, tmp_path / "old")
    # Everything changes at once: a photo, another's name, the split.
    assert settings.data is not None
    draw_picture(2, 50).save(settings.data / "rose" / "00.jpg")
    (settings.data / "tulip" / "00.jpg").rename(settings.data / "tulip" / "99.jpg")
    changed = replace(settings, seed=3)
    switch = run_prepare(worker, changed)["switch"]
    expected, rows = files(changed), rows_of(changed)
    for die_at in sorted({*random.Random(2).sample(range(1, switch), 2), switch, switch + 1}):
        shutil.rmtree(settings.artifacts)
        shutil.copytree(tmp_path / "old", settings.artifacts)
        run_prepare(worker, changed, die_at)
        switched = state(settings)["dataset"]["seed"] == 3
        assert switched is (die_at > switch)
        if not switched:  # all of the old, usable on both engines
            assert answer(settings, "daisy/00.jpg") == old, die_at
            assert answer(settings, "daisy/00.jpg", engine="milvus") == old, die_at
        run_prepare(worker, changed)
        assert files(changed) == expected, die_at
        assert rows_of(changed) == rows, die_at
