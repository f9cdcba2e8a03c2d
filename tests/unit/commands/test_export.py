"""The commands `export` and `export-map`: their documents, their text, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.commands import cli
from lib.settings import Settings


def _run(prepared: Settings, *words: str) -> int:
    return cli.main([*words, "--data", str(prepared.data), "--artifacts", str(prepared.artifacts)])


@pytest.mark.parametrize("ending", ["parquet", "npy", "tsv", "zip"])
def test_export_prints_what_it_wrote(prepared: Settings, tmp_path: Path, capsys, ending: str) -> None:
    target = tmp_path / f"space.{ending}"
    assert _run(prepared, "export", "resnet18", str(target), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["space"], document["file"], document["rows"], document["dim"]) == (
        "resnet18", str(target), 61, 512,
    )  # fmt: skip
    assert {Path(name) for name in document["files"]} == set(tmp_path.iterdir())
    assert document["bytes"] == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert _run(prepared, "export", "resnet18", str(target)) == 0
    assert f"wrote {target}" in capsys.readouterr().out


def test_another_name_of_a_space_is_its_space(prepared: Settings, tmp_path: Path, capsys) -> None:
    assert _run(prepared, "export", "transfer", str(tmp_path / "a.npy"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["space"] == "resnet18"


def test_export_map_prints_what_it_wrote(prepared: Settings, tmp_path: Path, capsys) -> None:
    target = tmp_path / "map.html"
    words = ("export-map", str(target), "--space", "pixels", "--photos", "7")
    assert _run(prepared, *words, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["space"], document["points"], document["photos"], document["left_out"]) == ("pixels", 61, 7, 0)
    assert document["bytes"] == target.stat().st_size
    assert _run(prepared, *words) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"pixels: 61 points, 7 with a thumbnail, {document['bytes'] / 1e6:,.1f} MB",
        f"wrote {target}",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("export", "resnet18", "a.xlsx"),
        ("export", "scratch", "a.npy"),
        ("export", "no such space", "a.npy"),
        ("export-map", "a.pdf"),
        ("export-map", "a.html", "--space", "scratch"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(
    prepared: Settings, tmp_path: Path, capsys, monkeypatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(prepared, *words) == 1
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.strip().splitlines()) == 1 and said.err.startswith("petalscope: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("export", "resnet18"), ("export-map",), ("export-map", "a.html", "--photos", "-1")])
def test_a_line_that_does_not_parse_is_a_usage_error(prepared: Settings, capsys, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as left:
        _run(prepared, *words)
    assert left.value.code == 2
