"""The command `features`: its document is that of the contract, and what cannot be shown is one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lib.commands import cli
from lib.prepare.workspace import Workspace
from lib.settings import Settings


def run(capsys: pytest.CaptureFixture[str], settings: Settings, *words: str) -> tuple[int, str, str]:
    place = ("--data", str(settings.data), "--artifacts", str(settings.artifacts), "--weights", "bundled")
    capsys.readouterr()
    status = cli.main(["features", *words, *place], offline=True, store_wait_s=0.0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_every_dimension_has_an_entry(
    prepared: Settings, opened: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, prepared, "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["space"] == "resnet18"
    vectors, ids = opened.vectors("resnet18").values, opened.catalog().ids
    assert [entry["dimension"] for entry in document["dimensions"]] == list(range(512))
    for entry in document["dimensions"]:
        assert {"dimension", "selectivity", "class", "mean", "dead", "top"} <= entry.keys()
        column = vectors[:, entry["dimension"]].astype(np.float64)
        assert entry["mean"] == pytest.approx(column.mean(), abs=1e-9)
        assert [photo["value"] for photo in entry["top"]] == sorted(photo["value"] for photo in entry["top"])[::-1]
        assert all(column[ids.index(photo["id"])] == photo["value"] for photo in entry["top"])
        assert entry["dead"] == (not entry["top"])


def test_one_dimension_and_a_table(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, prepared, "--dimension", "217", "--json")
    assert status == 0
    (entry,) = json.loads(out)["dimensions"]
    assert entry["dimension"] == 217
    status, out, _ = run(capsys, prepared, "--dimension", "217")
    assert status == 0
    assert out.startswith("resnet18: 1 feature over 61 images")
    assert f"{entry['selectivity']:.3f}" in out and entry["top"][0]["id"] in out
    status, out, _ = run(capsys, prepared)
    assert status == 0 and "… and 492 more" in out


def test_pixels_have_dimensions_too(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, prepared, "--space", "pixels", "--dimension", "5", "--json")
    document = json.loads(out)
    assert status == 0 and document["redundant_above"] is None
    assert 0 < document["dimensions"][0]["mean"] < 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--dimension", "512"], "resnet18 has no dimension 512; its dimensions are 0 to 511."),
        (["--space", "nowhere"], "There is no space called 'nowhere'"),
        (["--space", "scratch"], "The space scratch of drawn flowers is not prepared yet"),
    ],
)
def test_what_is_not_there_is_one_line(
    prepared: Settings, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    status, out, err = run(capsys, prepared, *words)
    assert (status, out) == (1, "")
    assert err.startswith(f"petalscope: {problem}") and err.count("\n") == 1


@pytest.mark.parametrize("number", ["-1", "two", "1.5"])
def test_a_dimension_is_a_whole_number(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["features", "--dimension", number])
    assert ended.value.code == 2
    assert "--dimension" in capsys.readouterr().err
