"""Everything written or printed as JSON is strict JSON."""

from __future__ import annotations

import ast
import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from lib import artifacts, documents
from lib.commands import cli
from lib.learn import runs
from lib.prepare import workspace
from lib.settings import PROJECT, Settings

NAN, INF = float("nan"), float("inf")
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def strict(text: str) -> Any:
    """The document in `text`. Fails on NaN, Infinity and -Infinity, which Python's parser accepts."""

    def fail(word: str) -> NoReturn:
        raise AssertionError(f"{word} is no JSON: {text[:200]}")

    return json.loads(text, parse_constant=fail)


def _finite(value: Any) -> Any:
    """A plain reference."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and (math.isnan(value) or math.isinf(value)) else value


@given(VALUES)
def test_any_value_is_strict_json_and_comes_back(value: Any) -> None:
    assert strict(documents.json_text(value)) == _finite(value)
    assert strict(documents.json_text(value, indent=1, sort_keys=True, ascii=False)) == _finite(value)


def test_numpy_numbers_tuples_and_odd_names_are_strict_too() -> None:
    value = {"a": np.float64("nan"), "b": (1.5, -INF), NAN: {"c": [INF]}}
    assert strict(documents.json_text(value)) == {"a": None, "b": [1.5, None], "nan": {"c": [None]}}
    with pytest.raises(TypeError):
        documents.json_text({"a": object()})


def test_artifacts_are_strict_and_read_back(tmp_path: Path) -> None:
    artifacts.write_json(tmp_path / "a.json", {"a": NAN, "b": [1.0, INF]})
    assert strict((tmp_path / "a.json").read_text(encoding="utf-8")) == {"a": None, "b": [1.0, None]}
    assert artifacts.read_json(tmp_path / "a.json") == {"a": None, "b": [1.0, None]}
    assert strict(artifacts.to_json([NAN])) == [None]


def test_a_record_of_before_is_printed_as_strict_json(
    prepared: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = {
        "id": "ran-away", "regime": "scratch", "weights": "random", "seed": 0, "best_epoch": 1, "test_accuracy": NAN,
        "epochs": [{"epoch": 1, "train_loss": INF, "val_loss": NAN, "train_accuracy": 0.2}], "dataset": {},
    }  # fmt: skip
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "ran-away.json").write_text(json.dumps(record), encoding="utf-8")
    assert cli.main(["runs", "--json", "--artifacts", str(tmp_path), "--data", str(prepared.data)]) == 0
    (printed,) = [run for run in strict(capsys.readouterr().out)["runs"] if run["id"] == "ran-away"]
    assert printed["test_accuracy"] is None
    assert printed["epochs"][0] == {"epoch": 1, "train_loss": None, "val_loss": None, "train_accuracy": 0.2}
    assert runs.read(tmp_path / "runs" / "ran-away.json")["test_accuracy"] is None


OF_ARTIFACTS = [
    "audit", "search rose/00.jpg", "compare rose/00.jpg --a l1 --b ncc", "evaluate", "evaluate --queries all",
    "runs", "embed", "map --n-neighbors 4", "doctor",
]  # fmt: skip
OF_THE_STORE = ["inspect", "search rose/00.jpg --engine milvus --metric l1", "prepare", "doctor"]


def _printed(command: str, settings: Settings, capsys: pytest.CaptureFixture[str]) -> Any:
    where = ["--data", str(settings.data), "--artifacts", str(settings.artifacts), "--json"]
    weights = ["--weights", "bundled"] if re.match("search|compare|evaluate|prepare|embed|map", command) else []
    assert cli.main([*command.split(), *where, *weights]) == 0
    return strict(capsys.readouterr().out)


@pytest.mark.parametrize("command", OF_ARTIFACTS)
def test_what_a_command_prints_is_strict_json(
    copied: Settings, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert isinstance(_printed(command, copied, capsys), dict)


@pytest.mark.parametrize("command", OF_THE_STORE)
def test_what_a_command_prints_of_the_store_is_strict_json(
    prepared: Settings, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert isinstance(_printed(command, prepared, capsys), dict)


def test_every_artifact_of_prepare_is_strict_json(prepared: Settings) -> None:
    files = [path for path in prepared.artifacts.rglob("*.json") if ".db" not in str(path)]
    assert len(files) > 2
    for path in files:
        strict(path.read_text(encoding="utf-8"))
    for path in workspace.open_workspace(prepared).folder.rglob("*.npz"):
        with np.load(path) as stored:
            strict(str(stored["facts"]))


def test_json_is_written_in_one_place() -> None:
    """Other callers of `json.dumps`: hashes, messages between our processes, a Milvus expression, columns of points."""
    allowed = {
        "artifacts.py",
        "documents/__init__.py",
        "export/point_columns.py",
        "store/filters.py",
        "store/lite_owner.py",
        "synthetic_flowers/dataset.py",
    }
    callers = set()
    for path in (PROJECT / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"dumps", "dump"} and ast.unparse(node.value) == "json":
                callers.add(path.relative_to(PROJECT / "lib").as_posix())
    assert callers <= allowed, callers - allowed
