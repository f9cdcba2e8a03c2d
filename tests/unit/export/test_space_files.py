"""lib.export.space_files: what is written is read back by pandas, pyarrow and NumPy, and equals what is stored."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyarrow import parquet

from lib import artifacts
from lib.data import tags
from lib.errors import ArtifactError, PetalscopeError, QueryError
from lib.export import projector, space_files, space_table
from lib.measure import space_traits
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.settings import Settings


@pytest.mark.parametrize("space", ["resnet18", "pixels"])
def test_parquet_holds_the_space(opened: Workspace, tmp_path: Path, space: str) -> None:
    target = tmp_path / "new folder" / "space.parquet"
    document = space_files.export(opened, space, target)
    catalog, stored, near = opened.catalog(), opened.vectors(space).values, opened.neighbourhoods(space)
    frame = pd.read_parquet(target)
    assert document["columns"] == list(frame.columns)
    assert (document["rows"], document["dim"], document["format"]) == (*stored.shape, "parquet")
    assert document["bytes"] == target.stat().st_size
    assert list(frame["id"]) == catalog.ids and list(frame["label"]) == catalog.labels
    assert list(frame["split"]) == list(catalog.frame["split"])
    vectors = np.stack(list(frame["vector"]))
    assert vectors.dtype == stored.dtype and np.array_equal(vectors, stored)
    assert np.array_equal(frame[["x", "y"]].to_numpy(), opened.map(space).xy)
    assert np.array_equal(frame[["pca_x", "pca_y"]].to_numpy(), opened.map(space, "pca").xy)
    for metric in ("cosine", "l1"):
        ids = [[catalog.ids[row] for row in rows if row >= 0] for rows in near.rows[metric]]
        assert [list(each) for each in frame[f"neighbours_{metric}"]] == ids
    for row, found in enumerate(frame["neighbors"]):
        kept = near.rows["cosine"][row] >= 0
        assert list(found["ids"]) == list(near.rows["cosine"][row][kept])
        assert np.allclose(found["distances"], 1 - near.values["cosine"][row][kept], atol=1e-6)
    traits = space_traits.read(opened, space, catalog)
    assert np.allclose(frame["purity"], traits["purity"].values, equal_nan=True)
    assert list(frame["predicted"].fillna("")) == list(traits["predicted"].values)
    type_ = parquet.read_schema(target).field("vector").type
    assert type_.list_size == stored.shape[1]


def test_parquet_says_where_it_comes_from(opened: Workspace, tmp_path: Path) -> None:
    space_files.export(opened, "resnet18", tmp_path / "a.parquet")
    metadata = parquet.read_schema(tmp_path / "a.parquet").metadata
    origin, entry = json.loads(metadata[space_table.KEY]), opened.space("resnet18")
    assert origin["space_fingerprint"] == entry["fingerprint"]
    assert origin["data_fingerprint"] == opened.state["dataset"]["fingerprint"]
    assert origin["weights"]["sha256"] == entry["weights"]["sha256"]
    assert origin["map"]["method"] == "UMAP" and origin["libraries"]["numpy"] == np.__version__


def test_tags_and_factors_are_columns(copied: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    tags.put(opened.folder, "to look at", [catalog.hashes[0]])
    with_factor = replace(catalog, frame=catalog.frame.assign(factor_light=range(len(catalog.ids))))

    class WithFactor(Workspace):
        def catalog(self):
            return with_factor

    table = space_table.table(WithFactor(copied, opened.dataset, opened.folder, opened.state), "resnet18")
    assert table.column("tags").to_pylist()[0] == ["to look at"]
    same = [sha256 == catalog.hashes[0] for sha256 in catalog.hashes]
    assert [bool(names) for names in table.column("tags").to_pylist()] == same
    assert table.column("factor_light").to_pylist() == list(range(len(catalog.ids)))


def test_an_array_has_its_ids_and_provenance_beside_it(opened: Workspace, tmp_path: Path) -> None:
    document = space_files.export(opened, "resnet18", tmp_path / "r.npy")
    assert [Path(name).name for name in document["files"]] == ["r.npy", "r.ids.csv", "r.json"]
    assert np.array_equal(np.load(tmp_path / "r.npy", allow_pickle=False), opened.vectors("resnet18").values)
    beside = pd.read_csv(tmp_path / "r.ids.csv")
    assert list(beside["id"]) == opened.catalog().ids and list(beside.columns) == document["columns"]
    origin = json.loads((tmp_path / "r.json").read_text())
    assert origin["space_fingerprint"] == opened.space("resnet18")["fingerprint"]


@pytest.mark.parametrize("ending", [".tsv", ".zip"])
def test_the_projector_gets_vectors_labels_and_a_sprite(opened: Workspace, tmp_path: Path, ending: str) -> None:
    document = space_files.export(opened, "resnet18", tmp_path / f"vectors{ending}")
    folder = tmp_path
    if ending == ".zip":
        folder = tmp_path / "unpacked"
        zipfile.ZipFile(tmp_path / "vectors.zip").extractall(folder)
    config = (folder / projector.CONFIG).read_text()
    named = [line.split('"')[1] for line in config.splitlines() if "path:" in line]
    assert named == ["vectors.tsv", "vectors.metadata.tsv", "vectors.sprite.png"]
    stored = opened.vectors("resnet18").values
    assert np.array_equal(np.loadtxt(folder / named[0], delimiter="\t", dtype=np.float32), stored)
    with (folder / named[1]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [row["id"] for row in rows] == opened.catalog().ids and list(rows[0]) == document["columns"]
    sprite = Image.open(folder / named[2])
    tile = projector.sprite_tile(len(stored))
    assert sprite.size == (8 * tile, 8 * tile)  # 61 photos
    assert f"single_image_dim: {tile}" in config
    assert json.loads(sprite.text["Provenance"])["space"] == "resnet18"
    # The tile of a photo shows that photo: its middle has the photo's colour.
    catalog = opened.catalog()
    for row in (0, 9, len(stored) - 1):
        left, top = row % 8 * tile, row // 8 * tile
        shown = np.asarray(sprite.crop((left, top, left + tile, top + tile)), dtype=float)
        photo = catalog.open(row)
        photo.thumbnail((tile, tile))
        start = [(tile - side) // 2 for side in photo.size]
        part = shown[start[1] : start[1] + photo.height, start[0] : start[0] + photo.width]
        assert np.abs(part - np.asarray(photo, dtype=float)).mean() < 12


def test_a_sprite_is_never_too_large_for_a_texture() -> None:
    for n in (1, 2, 61, 4_064, 29_241, 29_242, 100_000, 1_000_000):
        across, tile = int(np.ceil(np.sqrt(n))), projector.sprite_tile(n)
        assert 4 <= tile <= projector.TILE and across * tile <= projector.MOST_SIDE, n
    assert projector.sprite_tile(10_000_000) == 0


def test_labels_with_tabs_and_line_breaks_stay_in_their_cell() -> None:
    assert "\t" not in projector._cell("a\tb\nc") and "\n" not in projector._cell("a\tb\nc")


def test_text_is_refused_for_very_many_numbers(opened: Workspace, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(projector, "MOST_NUMBERS", 1000)
    with pytest.raises(QueryError, match=r"61 vectors of 512 are 31,232 numbers.*write \.parquet or \.npy"):
        space_files.export(opened, "resnet18", tmp_path / "a.tsv")
    assert not list(tmp_path.iterdir())


def test_a_configuration_of_another_program_is_kept(opened: Workspace, tmp_path: Path) -> None:
    (tmp_path / projector.CONFIG).write_text("embeddings {}\n")
    with pytest.raises(QueryError, match="is of another program"):
        space_files.export(opened, "resnet18", tmp_path / "a.tsv")
    assert [file.name for file in tmp_path.iterdir()] == [projector.CONFIG]
    (tmp_path / projector.CONFIG).unlink()
    space_files.export(opened, "resnet18", tmp_path / "a.tsv")
    space_files.export(opened, "resnet18", tmp_path / "a.tsv")  # its own one is replaced


@pytest.mark.parametrize(
    ("name", "sentence"), [("a.xlsx", "must end in .parquet, .npy, .tsv or .zip"), ("a", "must end in")]
)
def test_another_ending_is_refused(opened: Workspace, tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(QueryError, match=sentence):
        space_files.export(opened, "resnet18", tmp_path / name)


def test_a_folder_is_refused(opened: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.npy").mkdir()
    with pytest.raises(QueryError, match="is a folder"):
        space_files.export(opened, "resnet18", tmp_path / "a.npy")


def test_a_space_that_is_not_prepared_is_named(opened: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="scratch"):
        space_files.export(opened, "scratch", tmp_path / "a.npy")


@pytest.mark.parametrize("ending", [".parquet", ".npy", ".tsv", ".zip"])
def test_a_write_that_fails_leaves_the_old_file(opened: Workspace, tmp_path: Path, monkeypatch, ending: str) -> None:
    target = tmp_path / f"a{ending}"
    target.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts, "_flush", full)
    with pytest.raises(PetalscopeError, match="full"):
        space_files.export(opened, "resnet18", target)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == hashlib.sha256(b"old").hexdigest()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(artifacts.TEMPORARY)]
