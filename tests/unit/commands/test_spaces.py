"""The commands `spaces` and `clusters`: the contract's fields, and one sentence for what cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lib.commands import cli
from lib.settings import Settings


def run(settings: Settings, capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> tuple[str, str]:
    named = ["--data", str(settings.data), "--artifacts", str(settings.artifacts)]
    assert cli.main([*words, *named], offline=True) == status
    printed = capsys.readouterr()
    return printed.out, printed.err


def document(settings: Settings, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    out, _ = run(settings, capsys, *words, "--json")
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_spaces(copied: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(copied, capsys, "spaces")
    assert set(found) == {"spaces", "pairs"}
    needed = {"name", "dim", "intrinsic_dimension", "effective_rank", "mean_cosine", "hubness_skewness", "silhouette"}
    assert [space["name"] for space in found["spaces"]] == ["pixels", "resnet18"]
    assert all(set(space) >= needed | {"alignment", "uniformity", "redundancy", "ci95"} for space in found["spaces"])
    (pair,) = found["pairs"]
    assert set(pair) >= {"a", "b", "cka", "mutual_knn", "procrustes"}
    text, _ = run(copied, capsys, "spaces")
    assert "Intrinsic dimension" in text and "pixels and resnet18" in text
    assert f"{pair['cka']:.3f}" in text


@pytest.mark.parametrize(("method", "words"), [("kmeans", ["--k", "3"]), ("kmeans", []), ("hdbscan", [])])
def test_clusters(copied: Settings, capsys: pytest.CaptureFixture[str], method: str, words: list[str]) -> None:
    found = document(copied, capsys, "clusters", "--method", method, *words)
    assert set(found) >= {"space", "method", "nmi", "ari", "clusters", "assignments"}
    assert (found["space"], found["method"]) == ("resnet18", method)
    assert len(found["assignments"]) == 61
    for cluster in found["clusters"]:
        assert set(cluster) >= {"cluster", "size", "label", "purity", "exemplars"}
        assert cluster["size"] == list(found["assignments"].values()).count(cluster["cluster"])
    text, _ = run(copied, capsys, "clusters", "--method", method, *words)
    assert f"NMI {found['nmi']:.3f}" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["clusters", "--space", "nowhere"], "There is no space called"),
        (["clusters", "--space", "scratch"], "scratch"),
        (["clusters", "--k", "500"], "k must be from 1 to 100"),
        (["clusters", "--method", "hdbscan", "--k", "3"], "HDBSCAN finds the number of clusters itself"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    prepared: Settings, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    out, err = run(prepared, capsys, *words, status=1)
    assert out == "" and sentence in err and "Traceback" not in err
