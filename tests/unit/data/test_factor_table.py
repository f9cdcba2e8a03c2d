"""Factor tables are joined to the photos however they are written, and a bad one never stops a catalog."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.commands import prepare as prepare_commands
from lib.data import catalog as catalogs
from lib.data import catalog_file, factor_table
from lib.data.catalog import Catalog
from lib.measure import factors as measured
from lib.prepare import doctor, pipeline, workspace
from lib.progress import Reporter
from lib.settings import Settings
from tests.helpers.image_files import encoded, folder, scene, write


def built(root: Path, table: bytes | str, encoding: str = "utf-8") -> Catalog:
    """The catalog of `root` with this factor table."""
    write(root / "factors.csv", table if isinstance(table, bytes) else table.encode(encoding))
    return catalogs.build("x", root, seed=0)


def test_factors_are_joined_by_id(tmp_path: Path) -> None:
    folder(tmp_path, rose=3)
    write(tmp_path / "rose" / "line\nbreak.png", scene(8))
    table = pd.DataFrame(
        {
            "id": ["rose/002.png", "rose/000.png", "rose/gone.png", "rose/line\nbreak.png"],
            "light": [0.5, 1.5, 9.0, 2.5],
            "colour": ["red", "blue", "gone", "a,b"],
        }
    )
    catalog = built(tmp_path, table.to_csv(index=False))
    frame = catalog.frame.set_index("id")
    assert list(frame.columns[-2:]) == ["factor_light", "factor_colour"]
    assert frame.loc["rose/000.png", "factor_light"] == 1.5
    assert frame.loc["rose/002.png", "factor_colour"] == "red"
    assert frame.loc["rose/line\nbreak.png", "factor_colour"] == "a,b"
    assert pd.isna(frame.loc["rose/001.png", "factor_light"])
    assert len(frame) == 4
    assert catalog.factors == "factors.csv: 3 of 4 ids match; there is no photo 'rose/gone.png'"


# --- Dialects --------------------------------------------------------------------------------------------------------

TEXT = "id,größe\nrose/000.png,0.5\nrose/001.png,1.5\n"
DIALECTS = {
    "commas": TEXT.encode(),
    "semicolons": TEXT.replace(",", ";").encode(),
    "tabs": TEXT.replace(",", "\t").encode(),
    "bars": TEXT.replace(",", "|").encode(),
    "UTF-8 with a mark": TEXT.encode("utf-8-sig"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 big-endian without a mark": TEXT.encode("utf-16-be"),
    "a European Excel": TEXT.replace(",", ";").replace(".5", ",5").encode("cp1252"),
    "Unicode text of Excel": TEXT.replace(",", "\t").encode("utf-16"),
    "Windows lines": TEXT.replace("\n", "\r\n").encode(),
    "old Mac lines": TEXT.replace("\n", "\r").encode(),
    "quotes everywhere": '"id","größe"\n"rose/000.png","0.5"\n"rose/001.png","1.5"\n'.encode(),
    "spaces after commas": TEXT.replace(",", ", ").encode(),
    "empty lines": TEXT.replace("\n", "\n\n").encode(),
    "an index of pandas": b",id,gr\xc3\xb6\xc3\x9fe\n0,rose/000.png,0.5\n1,rose/001.png,1.5\n",
}


@pytest.mark.parametrize("kind", DIALECTS)
def test_tables_of_every_dialect_give_the_same_numbers(kind: str, tmp_path: Path) -> None:
    catalog = built(folder(tmp_path, rose=2), DIALECTS[kind])
    assert catalog.frame["factor_größe"].tolist() == [0.5, 1.5]
    assert catalog.factors == "factors.csv: 2 of 2 ids match"


# --- Ids -------------------------------------------------------------------------------------------------------------

SPELLINGS = {
    "posix": ["rose/000.png", "tulip/001.png"],
    "windows": ["rose\\000.png", "tulip\\001.png"],
    "below the data folder": ["./rose/000.png", "./tulip/001.png"],
    "absolute": ["/home/me/flowers/rose/000.png", "/home/me/flowers/tulip/001.png"],
    "absolute on windows": ["C:\\data\\flowers\\rose\\000.png", "C:\\data\\flowers\\tulip\\001.png"],
    "other case": ["Rose/000.PNG", "TULIP/001.png"],
    "spaces around": [" rose/000.png ", "tulip/001.png\t"],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_ids_match_in_any_spelling_of_a_path(spelling: str, tmp_path: Path) -> None:
    folder(tmp_path, rose=2, tulip=2)
    lines = [f"{image_id},{light}" for image_id, light in zip(SPELLINGS[spelling], ("dim", "bright"), strict=True)]
    catalog = built(tmp_path, "\n".join(["id,light", *lines]))
    assert catalog.factors == "factors.csv: 2 of 2 ids match"
    found = catalog.frame.set_index("id")["factor_light"].dropna().to_dict()
    assert found == {"rose/000.png": "dim", "tulip/001.png": "bright"}


@pytest.mark.parametrize("ending", [".png", ""])
def test_bare_file_names_match_where_they_are_unique(ending: str, tmp_path: Path) -> None:
    folder(tmp_path, rose=2, tulip=2)
    write(tmp_path / "tulip" / "alone.png", scene(9))
    catalog = built(tmp_path, f"filename,x\nalone{ending},1\n000{ending},2\n")
    assert catalog.factors == f"factors.csv: 1 of 2 ids match; there is no photo '000{ending}'"
    assert catalog.frame.set_index("id")["factor_x"].dropna().to_dict() == {"tulip/alone.png": 1}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_match_in_either_form(form: str, tmp_path: Path) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    name = "été/violète.png"
    write(tmp_path / unicodedata.normalize(form, name), scene())
    catalog = built(tmp_path, f"id,x\n{unicodedata.normalize(other, name)},1\n")
    assert catalog.factors == "factors.csv: 1 of 1 id matches"


def test_another_folders_file_of_the_same_name_is_another_photo(tmp_path: Path) -> None:
    catalog = built(folder(tmp_path, rose=2), "id,x\nelsewhere/000.png,1\n")
    assert list(catalog.frame.columns) == catalogs.COLUMNS
    assert catalog.factors == "factors.csv: 0 of 1 id matches; there is no photo 'elsewhere/000.png'"


def test_the_column_of_ids_is_found_by_its_values(tmp_path: Path) -> None:
    catalog = built(folder(tmp_path, rose=2), "light,id,aufnahme\ndim,7,rose/000.png\nbright,8,rose/001.png\n")
    assert catalog.factors == "factors.csv: 2 of 2 ids match"
    assert catalog.frame["factor_id"].tolist() == [7, 8]


def test_the_first_row_of_a_photo_counts(tmp_path: Path) -> None:
    catalog = built(folder(tmp_path, rose=2), "id,x\nrose/000.png,1\nrose\\000.png,2\nrose/001.png,3\n")
    assert catalog.frame["factor_x"].tolist() == [1, 3]
    assert catalog.factors == "factors.csv: 3 of 3 ids match; 1 row for a photo that has one already"


# --- Values ----------------------------------------------------------------------------------------------------------

TEXTS = [
    ["001", "002"],
    ["1e5", "red"],
    ["NA", "red"],
    ["None", "nan", "x"],
    ["1,234", "5,678"],
    ["1.5", "1,5"],
    ["True", "False"],
    ["2024-01-02", "2024-01-03"],
    ["1e999", "1"],
    ["inf", "1"],
    ["0x10", "1"],
    ["1_000", "1"],
]


@pytest.mark.parametrize("cells", TEXTS)
def test_text_stays_text(cells: list[str]) -> None:
    column = factor_table.typed_column(cells)
    assert column is not None
    assert list(column) == cells


def test_numbers_are_numbers() -> None:
    numbers: list[tuple[list[str], list[float]]] = [
        (["1", "-2"], [1, -2]),
        (["1.5", "NA", ""], [1.5, np.nan, np.nan]),
        (["1e5", "None"], [1e5, np.nan]),
        (["0,5", "1,25", "3"], [0.5, 1.25, 3]),
        (["0,500", "1,5"], [0.5, 1.5]),
        ([".5", "-0.5", "+2."], [0.5, -0.5, 2]),
        (["-99999999999999999999999", "18446744073709551615"], [-1e23, 2.0**64]),
    ]
    for cells, expected in numbers:
        column = factor_table.typed_column(cells)
        assert isinstance(column, np.ndarray), cells
        np.testing.assert_array_equal(column, np.array(expected))
    assert factor_table.typed_column(["", " "]) is None


def test_empty_cells_in_text_are_missing(tmp_path: Path) -> None:
    catalog = built(folder(tmp_path, rose=3), "id,pose\nrose/000.png,left\nrose/001.png,\n")
    assert catalog.frame["factor_pose"].isna().tolist() == [False, True, True]
    assert measured.groups(catalog.frame["factor_pose"]) == ["left", "", ""]


# --- Tables that are none --------------------------------------------------------------------------------------------

BAD = {
    "empty": b"",
    "one column": b"id\nrose/000.png\n",
    "no ids": b"light,pose\n1,2\n3,4\n",
    "longer rows": b"id,light\nrose/000.png,1,2\n",
    "open quote": b'id,light\n"rose/000.png,1\n',
    "a picture": encoded(scene(), "JPEG"),
    "NUL bytes": b"id,x\n" + bytes(4000),
    "a huge cell": b"id,x\nrose/000.png," + b"y" * 200_000 + b"\n",
    "half a character of UTF-16": TEXT.encode("utf-16")[:-1],
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_table_is_said_and_blocks_nothing(kind: str, tmp_path: Path) -> None:
    catalog = built(folder(tmp_path / "photos", rose=2), BAD[kind])
    assert list(catalog.frame.columns) == catalogs.COLUMNS
    assert catalog.factors.startswith(("factors.csv is not used: it ", "factors.csv: 0 of "))
    assert catalog.factors.isprintable()
    catalog_file.save(catalog, tmp_path / "catalog.parquet")
    loaded = catalog_file.load(tmp_path / "catalog.parquet")
    assert loaded is not None and loaded.factors == catalog.factors


ODD_TABLES = {
    "numbers and words": b"id,x\nrose/000.png,1\nrose/001.png,red\n",
    "yes or nothing": b"id,x\nrose/000.png,True\nrose/001.png,\n",
    "short rows": b"id,x,y\nrose/000.png,1\nrose/001.png,1,2\n",
    "names of our columns": b"id,label,split,x\nrose/000.png,tulip,test,1\n",
    "nameless columns": b"id,x,,\nrose/000.png,1,2,3\n",
    "one name twice": b"id,x,x\nrose/000.png,1,2\n",
    "a foreign alphabet in cp1252": "id;x;größe\nrose/000.png;süß;1\n".encode("cp1252"),
}


@pytest.mark.parametrize("kind", ODD_TABLES)
def test_odd_tables_are_kept(tmp_path: Path, kind: str) -> None:
    catalog = built(folder(tmp_path / "photos", rose=2), ODD_TABLES[kind])
    assert set(catalog.frame["label"]) == {"rose"}
    assert not pd.isna(catalog.frame["factor_x"].iloc[0])
    catalog_file.save(catalog, tmp_path / "catalog.parquet")
    loaded = catalog_file.load(tmp_path / "catalog.parquet")
    assert loaded is not None
    assert loaded.frame.equals(catalog.frame)


def test_a_table_that_is_too_large_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factor_table, "MAX_BYTES", 10)
    assert "more than" in built(folder(tmp_path, rose=2), "id,x\nrose/000.png,1\n").factors


def test_a_table_of_many_columns_is_cut(tmp_path: Path) -> None:
    names = ",".join(f"c{place}" for place in range(300))
    catalog = built(folder(tmp_path, rose=2), f"id,{names}\nrose/000.png,{','.join(['1'] * 300)}\n")
    assert len(catalog.frame.columns) == len(catalogs.COLUMNS) + factor_table.MAX_COLUMNS
    assert "only the first 200 of 300 columns" in catalog.factors


# --- Where it is said ------------------------------------------------------------------------------------------------


def test_every_surface_says_how_many_ids_match(tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", rose=3, tulip=3)
    settings = Settings(data=photos, artifacts=tmp_path / "a", offline=True)
    pipeline.prepare(settings, names=["pixels"])
    for table, note in (
        ("id,x\nnowhere.png,1\n", "factors.csv: 0 of 1 id matches; there is no photo 'nowhere.png'"),
        ("id,x\nrose/000.png,1\ntulip/000.png,2\n", "factors.csv: 2 of 2 ids match"),
    ):
        write(photos / "factors.csv", table.encode())
        said: list[str] = []
        document = pipeline.prepare(settings, names=["pixels"], reporter=Reporter(say=said.append))
        assert f"{note}." in said
        assert document["dataset"]["factors"] == note
        assert prepare_commands.show_prepare(document)
        checks = {check["name"]: check for check in doctor.examine(settings, look_into_store=False)["checks"]}
        assert f"; {note}" in checks["catalog"]["detail"]
        assert workspace.open_workspace(settings).catalog().factors == note
