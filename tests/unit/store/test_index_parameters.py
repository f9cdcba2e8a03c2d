"""lib.store.index_parameters and lite_files: every parameter has a value, a source and a meaning, whatever is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lib.store import index_types, lite_files
from lib.store.connection import open_store
from lib.store.index_parameters import (
    ABSENT,
    AT_CREATION,
    DEFAULT,
    NOT_EXPOSED,
    PER_SEARCH,
    REPORTED,
    IndexParameter,
    index_parameters,
)


def of(raw: dict[str, Any], *, lite: bool = True, **options: Any) -> dict[str, IndexParameter]:
    described = {"field_name": "v", "index_name": "v", "metric_type": "COSINE", "state": "Finished", **raw}
    return {
        each.name: each
        for each in index_parameters(index_types.index_document(described, lite=lite), lite=lite, **options)
    }


def test_hnsw_tells_its_links_and_has_no_cells() -> None:
    found = of({"index_type": "HNSW", "params": {"M": 32, "efConstruction": 111}}, searched_with={"ef": 128})
    assert (found["M"].value, found["M"].source) == ("32", REPORTED)
    assert (found["efConstruction"].value, found["efConstruction"].source) == ("111", REPORTED)
    assert (found["ef"].value, found["ef"].source) == ("128 or more in Petalscope's searches", PER_SEARCH)
    assert (found["nlist, nprobe"].value, found["nlist, nprobe"].source) == ("none", ABSENT)
    assert found["state"].about == index_types.LITE_STATE_NOTE  # Finished is no measurement there
    assert all(each.about for each in found.values())


def test_ivf_tells_its_cells_and_has_no_links() -> None:
    found = of({"index_type": "IVF_FLAT"})
    assert (found["nlist"].value, found["nlist"].source) == ("128", DEFAULT)
    assert found["nprobe"].source == PER_SEARCH
    assert found["M, efConstruction, ef"].source == ABSENT
    assert "M" not in found


def test_a_server_that_tells_nothing_is_not_filled_with_guesses() -> None:
    raw = {"index_type": "HNSW", "params": {}, "state": ""}
    found = of(raw, lite=False)
    assert {found[name].source for name in ("M", "efConstruction", "state")} == {NOT_EXPOSED}
    assert found["M"].value == NOT_EXPOSED
    ours = of(raw, lite=False, made_here=True)
    assert (ours["M"].value, ours["M"].source) == ("16", AT_CREATION)
    assert of({**raw, "index_type": "IVF_FLAT"}, lite=False, made_here=True)["nlist"].source == NOT_EXPOSED


@pytest.mark.parametrize("kind", ["FLAT", "IVF_PQ"])
def test_without_a_structure_there_is_nothing_to_set(kind: str) -> None:
    """FLAT has none; IVF_PQ is only a name on Milvus Lite."""
    found = of({"index_type": kind})
    assert not {"ef", "nprobe"} & set(found)
    assert found["M, efConstruction, ef, nlist, nprobe"].source == ABSENT
    assert "compares all rows" in found["index_type"].about


def test_a_scalar_index_has_no_parameters_of_vectors() -> None:
    assert set(of({"index_type": "INVERTED", "metric_type": ""})) == {"index_type", "state"}


@pytest.mark.parametrize("kind", sorted(index_types.BUILD_PARAMS))
@pytest.mark.parametrize("lite", [True, False])
def test_every_known_parameter_is_explained(kind: str, lite: bool) -> None:
    found = of({"index_type": kind}, lite=lite)
    assert set(index_types.BUILD_PARAMS[kind]) <= set(found) or kind == "FLAT"
    assert not [name for name, each in found.items() if each.about.startswith("Not a parameter")]


def test_the_size_on_disk_is_that_of_the_files(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    with open_store(path) as store:
        store.client.create_collection("petals", dimension=4, timeout=20)
    folder = tmp_path / "x.db" / "collections" / "petals"
    (folder / "more").mkdir()
    (folder / "more" / "a").write_bytes(b"12345")
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert lite_files.disk_bytes(path, "petals") == sum(file.stat().st_size for file in files) > 5
    (folder / "more" / "b").symlink_to(tmp_path)  # is not followed
    assert lite_files.disk_bytes(path, "petals") == sum(file.stat().st_size for file in files)


@pytest.mark.parametrize("name", ["..", "", "gone", "../collections/petals", "/etc"])
def test_a_name_that_leads_elsewhere_has_no_size(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.db" / "collections" / "petals").mkdir(parents=True)
    assert lite_files.disk_bytes(str(tmp_path / "x.db"), name) is None
    assert lite_files.disk_bytes("http://127.0.0.1:1", "petals") is None
