"""lib.open_workspace: cheap to import, and its figures are those of the commands; docs/notebook.md runs as it is."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lib
from lib.commands import cli
from lib.errors import ArtifactError, QueryError
from lib.notebook import OpenWorkspace
from lib.settings import PROJECT, Settings
from tests.conftest import environment

HEAVY = ("torch", "torchvision", "umap", "pymilvus", "sklearn", "streamlit", "plotly", "numpy", "pandas", "pyarrow")


@pytest.fixture(scope="module")
def space(prepared: Settings) -> OpenWorkspace:
    return lib.open_workspace(prepared.data, prepared.artifacts)


def _command(prepared: Settings, capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    line = [*words, "--data", str(prepared.data), "--artifacts", str(prepared.artifacts), "--json"]
    assert cli.main(line) == 0
    return json.loads(capsys.readouterr().out)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, lib; lib.open_workspace; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_catalog_and_vectors_belong_together(space: OpenWorkspace) -> None:
    frame, vectors = space.catalog(), space.vectors()
    assert len(frame) == len(vectors) == 61 and vectors.shape[1] == 512
    assert list(frame["id"]) == space.workspace.catalog().ids
    assert frame.attrs["provenance"]["data_fingerprint"] == space.workspace.state["dataset"]["fingerprint"]
    frame["label"] = "changed"
    assert set(space.catalog()["label"]) != {"changed"}


@pytest.mark.parametrize(("in_space", "metric"), [("resnet18", "cosine"), ("pixels", "l1")])
def test_search_is_the_command(space: OpenWorkspace, prepared: Settings, capsys, in_space: str, metric: str) -> None:
    image = space.catalog()["id"][3]
    frame = space.search(image, space=in_space, metric=metric, k=5)
    printed = _command(prepared, capsys, "search", image, "--space", in_space, "--metric", metric, "--k", "5")
    assert frame.to_dict("records") == [
        {**row, "gap": row["gap"] if row["gap"] is not None else pytest.approx(float("nan"), nan_ok=True)}
        for row in printed["results"]
    ]


def test_a_query_is_an_id_a_file_or_a_picture(space: OpenWorkspace, prepared: Settings) -> None:
    image = space.catalog()["id"][3]
    assert prepared.data is not None
    by_id = space.search(image, k=4)
    assert space.search(prepared.data / image, k=4).equals(by_id)
    assert space.search(Image.open(prepared.data / image), k=4).equals(by_id)


def test_evaluate_is_the_command(space: OpenWorkspace, prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    frame = space.evaluate(queries="all", k=3)
    rows = _command(prepared, capsys, "evaluate", "--queries", "all", "--k", "3")["rows"]
    assert list(zip(frame["space"], frame["metric"], strict=True)) == [(row["space"], row["metric"]) for row in rows]
    for name, value in (
        ("mAP", lambda row: row["map"]),
        ("P@3", lambda row: row["precision"]["3"]),
        ("R@10", lambda row: row["recall"]["10"]),
        ("nDCG@10", lambda row: row["ndcg"]["10"]),
        ("mAP low", lambda row: row["ci95"]["map"][0]),
        ("mAP without leaks", lambda row: row["without_leaks"]["map"]),
    ):
        assert list(frame[name]) == [value(row) for row in rows], name


def test_explain_is_the_command(space: OpenWorkspace, prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    query, answer = space.catalog()["id"][[3, 20]]
    found = space.explain(query, answer, metric="l1")
    printed = _command(prepared, capsys, "explain", query, answer, "--metric", "l1")
    assert found.value == printed["value"] and found.document["parts"] == printed["parts"]
    assert np.isclose(found.query.sum() + found.answer.sum(), found.sum)
    assert found.dimensions.to_dict("records") == printed["dimensions"]


def test_what_is_wrong_is_said_in_a_sentence(space: OpenWorkspace, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="neither an image id"):
        space.search("no such photo")
    with pytest.raises(ArtifactError, match="not prepared"):
        space.vectors("scratch")
    with pytest.raises(ArtifactError, match="not prepared yet"):
        lib.open_workspace(PROJECT / "docs", tmp_path)


def test_the_example_of_the_documentation_runs(prepared: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(prepared).items():
        monkeypatch.setenv(name, value)
    text = (PROJECT / "docs" / "notebook.md").read_text(encoding="utf-8")
    example = doctest.DocTestParser().get_doctest(text.replace("```", ""), {}, "notebook.md", "docs/notebook.md", 0)
    assert len(example.examples) >= 10
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert runner.run(example, out=told.append).failed == 0, "".join(told)
