"""lib.prepare.doctor: truthful in every broken state, and it changes nothing by looking."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.errors import COMMAND_LINE, Remedy
from lib.prepare import doctor, pipeline, workspace
from lib.settings import PROJECT, Settings
from lib.store import connection
from lib.view import remedies
from tests.conftest import draw_photos


@pytest.fixture
def copied(prepared: Settings, pictures: Path, tmp_path: Path) -> Settings:
    """The prepared artifacts at another place, with the store of the original."""
    shutil.copytree(prepared.artifacts / "sets", tmp_path / "artifacts" / "sets")
    return replace(prepared, artifacts=tmp_path / "artifacts", milvus_uri=prepared.own_store)


def examine(settings: Settings, **options: Any) -> dict[str, dict[str, Any]]:
    document = doctor.examine(settings, **options)
    json.dumps(document, allow_nan=False)
    checks = {check["name"]: check for check in document["checks"]}
    assert document["ready"] is all(check["ready"] for check in checks.values())
    for check in checks.values():
        assert set(check) == {"name", "ready", "detail", "remedy"}
        assert bool(check["remedy"]) is not check["ready"]  # whatever is missing has a remedy
        assert "\n" not in check["detail"]
    return checks


def broken(checks: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, check in checks.items() if not check["ready"]}


def folder(settings: Settings) -> Path:
    return workspace.open_workspace(settings).folder


# -- all well, or nothing there -------------------------------------------------------------------------------------


def test_everything_is_ready(prepared: Settings) -> None:
    checks = examine(prepared)
    assert list(checks) == [
        "libraries",
        "data",
        "weights",
        "artifacts",
        "catalog",
        "space pixels",
        "space resnet18",
        "training",
        "store",
    ]
    assert broken(checks) == set()
    assert checks["data"]["detail"].endswith("61 files in class folders")
    assert "Tiny ImageNet" in checks["weights"]["detail"]
    assert checks["space resnet18"]["detail"] == "61 vectors, neighbours and maps, weights bundled"
    assert "3 collections" in checks["store"]["detail"]
    versions = doctor.examine(prepared, look_into_store=False)["versions"]
    assert versions["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert {"torch", "torchvision", "pymilvus", "milvus-lite", "streamlit"} <= set(versions)


def test_nothing_is_there_and_nothing_is_made(pictures: Path, tmp_path: Path) -> None:
    settings = Settings(data=pictures, artifacts=tmp_path / "artifacts", weights="bundled")
    checks = examine(settings)
    assert broken(checks) == {"catalog", "store"}
    command = f"python -m lib prepare --data '{pictures}' --artifacts {tmp_path}/artifacts"
    assert checks["catalog"]["remedy"] == checks["store"]["remedy"] == command
    assert list(tmp_path.iterdir()) == []


def test_no_photos_at_all(tmp_path: Path) -> None:
    checks = examine(Settings(artifacts=tmp_path, weights="bundled"))
    assert broken(checks) == {"data", "catalog", "store"}
    assert checks["data"]["detail"] == "no photos yet"


def test_the_app_asks_without_opening_the_store_or_importing_torch(prepared: Settings) -> None:
    code = (
        "import sys; from pathlib import Path; from lib.prepare import doctor; from lib.settings import Settings;"
        "found = doctor.examine(Settings(Path(sys.argv[1]), Path(sys.argv[2]), 'bundled'), look_into_store=False);"
        "print([c['name'] for c in found['checks']], found['ready']);"
        "print([name for name in ('torch', 'torchvision', 'umap', 'pymilvus', 'sklearn') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(prepared.data), str(prepared.artifacts)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.endswith("'space resnet18', 'training'] True")
    assert "store" not in first
    assert second == "[]"


# -- something is wrong ---------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_or_empty(tmp_path: Path) -> None:
    gone = Settings(data=tmp_path / "gone", artifacts=tmp_path / "a", weights="bundled")
    checks = examine(gone)
    assert {"data", "catalog"} <= broken(checks)
    assert "gone" in checks["data"]["detail"]
    (tmp_path / "empty").mkdir()
    assert "data" in broken(examine(replace(gone, data=tmp_path / "empty")))


def test_photos_that_changed_since(prepared: Settings, tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", per_class=1)
    settings = replace(prepared, data=photos, artifacts=tmp_path / "artifacts", weights=None)
    pipeline.prepare(settings, names=["pixels"])
    assert "catalog" not in broken(examine(settings, look_into_store=False))
    (photos / "rose" / "00.jpg").unlink()
    shutil.copy(photos / "daisy" / "00.jpg", photos / "rose" / "new.jpg")
    (photos / "tulip" / "00.jpg").write_bytes(b"changed")
    checks = examine(settings, look_into_store=False)
    assert checks["catalog"]["detail"].endswith("since then 1 added, 1 removed, 1 changed")
    shutil.rmtree(photos)
    checks = examine(settings, look_into_store=False)
    assert {"data", "catalog"} <= broken(checks)
    assert "cannot be read" in checks["catalog"]["detail"]
    assert checks["space pixels"]["ready"]  # the vectors are still there and can be searched


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda root, state: (root / "state.json").write_text("{"), {"catalog"}),
        (lambda root, state: (root / state["catalog"]).unlink(), {"catalog"}),
        (lambda root, state: shutil.rmtree(root / state["spaces"]["pixels"]["folder"]), {"space pixels"}),
        (lambda root, state: (root / state["spaces"]["resnet18"]["map"]).unlink(), {"space resnet18"}),
        (lambda root, state: (root / state["spaces"]["pixels"]["neighbours"]).unlink(), {"space pixels"}),
        (
            lambda root, state: (root / state["spaces"]["resnet18"]["folder"] / "vectors.npy").write_bytes(b""),
            {"space resnet18"},
        ),
        (
            lambda root, state: np.save(
                path := root / state["spaces"]["pixels"]["folder"] / "vectors.npy", np.load(path)[::-1]
            ),
            {"space pixels"},
        ),
    ],
)
def test_damaged_results(copied: Settings, damage: Callable[[Path, Any], object], names: set[str]) -> None:
    opened = workspace.open_workspace(copied)
    damage(opened.folder, opened.state)
    checks = examine(copied, look_into_store=False)
    assert broken(checks) == names
    for name in names:
        assert checks[name]["remedy"] == copied.prepare_command


def test_each_surface_words_the_remedies(tmp_path: Path) -> None:
    missing = Settings(data=tmp_path / "gone", artifacts=tmp_path / "a", weights=str(tmp_path / "no.pth"))
    for wording in (COMMAND_LINE, remedies.PAGE):
        checks = examine(missing, look_into_store=False, wording=wording)
        assert checks["data"]["remedy"] == wording[Remedy.CHOOSE_DATA]
        assert checks["weights"]["remedy"] == wording[Remedy.CHOOSE_WEIGHTS]
        assert all("--" not in check["detail"] for check in checks.values())
    assert checks["catalog"]["remedy"].startswith("press Prepare on the Home page")


def test_what_could_be_done_next_is_no_remedy(copied: Settings) -> None:
    found = {
        wording[Remedy.TRAIN]: examine(copied, look_into_store=False, wording=wording)["training"]
        for wording in (COMMAND_LINE, remedies.PAGE)
    }
    for clause, check in found.items():
        assert check["ready"] and check["remedy"] == ""
        assert clause.partition("{command}")[0] in check["detail"]
        assert copied.command("train", regime="all", preset="quick") in check["detail"]


def test_weights_that_are_not_the_ones_used(copied: Settings) -> None:
    checks = examine(replace(copied, weights="random"), look_into_store=False)
    assert broken(checks) == {"space resnet18"}
    assert "prepared with the bundled weights, not with random" in checks["space resnet18"]["detail"]


def test_weights_that_are_missing_or_no_weights(copied: Settings, tmp_path: Path) -> None:
    checks = examine(replace(copied, weights=str(tmp_path / "gone.pth")), look_into_store=False)
    assert {"weights"} <= broken(checks)
    assert "does not exist" in checks["weights"]["detail"]
    (tmp_path / "fake.pth").write_text("not weights")
    checks = examine(replace(copied, weights=str(tmp_path / "fake.pth")))
    assert "damaged or not a weights file" in checks["weights"]["detail"]


def test_which_weights_would_be_taken_is_said(copied: Settings, tmp_path: Path) -> None:
    for offline, can in ((True, "downloads are switched off"), (False, "prepare downloads them")):
        settings = replace(copied, weights=None, torch_home=tmp_path, offline=offline)
        detail = examine(settings, look_into_store=False)["weights"]["detail"]
        assert "bundled" in detail
        assert can in detail
    checks = examine(replace(copied, weights="imagenet", torch_home=tmp_path), look_into_store=False)
    assert "weights" in broken(checks)
    assert list(tmp_path.glob("**/*.pth*")) == []  # nothing was fetched


def test_artifacts_that_cannot_be_written(copied: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        checks = examine(replace(copied, artifacts=place), look_into_store=False)
        assert "artifacts" in broken(checks)
        assert "--artifacts" in checks["artifacts"]["remedy"]


# -- the store ------------------------------------------------------------------------------------------------------


def test_a_store_that_lacks_collections(copied: Settings, tmp_path: Path) -> None:
    empty = replace(copied, milvus_uri=str(tmp_path / "other.db"))
    assert "There is no Milvus Lite store" in examine(empty)["store"]["detail"]
    assert not (tmp_path / "other.db").exists()
    connection.open_store(empty.store_uri).close()
    checks = examine(empty)
    assert broken(checks) == {"store"}
    assert "does not hold all collections of the space resnet18" in checks["store"]["detail"]
    assert checks["store"]["remedy"].endswith(f"--milvus-uri {tmp_path}/other.db")


def test_a_store_that_another_process_holds(copied: Settings, held: tuple[str, int]) -> None:
    store, pid = held
    check = examine(replace(copied, milvus_uri=store))["store"]
    assert not check["ready"]
    assert f"the app (process {pid}" in check["detail"]
    assert "prepare" not in check["remedy"]  # which would not help


def test_a_server_that_does_not_answer(copied: Settings) -> None:
    check = examine(replace(copied, milvus_uri="http://anna:p4ss@localhost:9", milvus_token="t0ken"))["store"]
    assert not check["ready"]
    assert "http://localhost:9" in check["detail"]
    assert "p4ss" not in str(check)
    assert "t0ken" not in str(check)


def test_training_is_told_of_and_a_damaged_record_named(copied: Settings) -> None:
    def training() -> dict[str, Any]:
        return next(check for check in doctor.examine(copied)["checks"] if check["name"] == "training")

    assert training()["ready"]
    assert "no run yet" in training()["detail"]
    run = dict.fromkeys(("id", "weights", "seed", "epochs", "best_epoch", "test_accuracy"), 0)
    folder = copied.artifacts / "runs"
    folder.mkdir()
    record = folder / "x.json"
    record.write_text(json.dumps(run | {"regime": "init", "dataset": {"fingerprint": "0"}}), encoding="utf-8")
    assert training()["detail"] == "1 run kept in the artifacts, no network for these photos"
    record.write_text("{", encoding="utf-8")
    assert not training()["ready"]
    assert "x.json is damaged" in training()["detail"]
    assert training()["remedy"] == COMMAND_LINE[Remedy.DELETE_FILE]
