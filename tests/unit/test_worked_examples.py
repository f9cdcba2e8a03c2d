"""The worked examples of docs/architecture.md: one block of code in one file, and everything else follows.

They run in a process of their own, so that the registries of this one stay as they are.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.search.metrics import METRICS
from lib.settings import PROJECT
from lib.store import collections

pytestmark = pytest.mark.slow

K = 7
QUERY = "tulip/04.jpg"
# Pastes both blocks at the ends of their files, in effect, before anything else is imported.
DRIVER = """
import contextlib, io, json, sys
from lib.embed import spaces
from lib.search import metrics
work = json.load(sys.stdin)
exec(compile(work["space"], "the worked example of a space", "exec"), vars(spaces))
exec(compile(work["metric"], "the worked example of a metric", "exec"), vars(metrics))
from lib.commands import cli
documents = {}
for name, words in work["commands"].items():
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = cli.main([*words, "--json", *work["places"]])
    assert code == 0, (name, code)
    documents[name] = json.loads(printed.getvalue())
print(json.dumps(documents))
"""
COMMANDS = {
    "prepare": ["prepare", "--spaces", "pixels,colours"],
    "exact": ["search", QUERY, "--space", "colours", "--metric", "chebyshev", "--k", str(K)],
    "milvus": ["search", QUERY, "--space", "colours", "--metric", "chebyshev", "--k", str(K), "--engine", "milvus"],
    "pixels": ["search", QUERY, "--space", "pixels", "--metric", "chebyshev", "--k", str(K)],
    "several": ["search", QUERY, "--also", "rose/00.jpg", "--space", "colours", "--metric", "chebyshev"],
    "cosine": ["search", QUERY, "--space", "colours", "--k", str(K)],
    "crop": ["search", QUERY, "--space", "colours", "--crop", "10,10,90,90"],
    "compare": ["compare", QUERY, "--space", "colours", "--a", "chebyshev", "--b", "l1", "--b-space", "pixels"],
    "evaluate": ["evaluate"],
    "map": ["map", "--space", "colours", "--method", "pca"],
    "inspect": ["inspect"],
}


def block(heading: str) -> str:
    """The code under a heading of the page."""
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts folder of this module."""
    return tmp_path_factory.mktemp("worked examples") / "artifacts"


@pytest.fixture(scope="module")
def documents(pictures: Path, home: Path) -> dict[str, Any]:
    """The document of every command, with both examples pasted."""
    work = {
        "space": block("Add a space"),
        "metric": block("Add a metric"),
        "commands": COMMANDS,
        "places": ["--data", str(pictures), "--artifacts", str(home)],
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(work),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def vectors(home: Path, space: str) -> np.ndarray:
    """The stored vectors of a space, float64, pixels from 0 to 1."""
    (file,) = home.glob(f"sets/*/spaces/{space}-*/vectors.npy")
    values = np.load(file)
    return values / 255 if values.dtype == np.uint8 else values.astype(np.float64)


def expected(home: Path, pictures: Path, space: str) -> list[tuple[str, float]]:
    """The nearest photos by the largest difference, by id, without the query: plain NumPy."""
    ids = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.*"))
    x = vectors(home, space)
    values = np.abs(x - x[ids.index(QUERY)]).max(axis=1)
    ranking = [row for row in np.argsort(values, kind="stable") if ids[row] != QUERY]
    return [(ids[row], float(values[row])) for row in ranking[:K]]


@pytest.mark.parametrize(
    ("command", "space"), [("exact", "colours"), ("milvus", "colours"), ("pixels", "pixels")], ids=lambda name: name
)
def test_the_new_metric_is_searched_exactly(
    documents: dict[str, Any], home: Path, pictures: Path, command: str, space: str
) -> None:
    document = documents[command]
    assert (document["metric"], document["higher_is_closer"], document["space"]) == ("chebyshev", False, space)
    results = [(row["id"], row["value"]) for row in document["results"]]
    reference = expected(home, pictures, space)
    assert [image for image, _ in results] == [image for image, _ in reference]
    assert [value for _, value in results] == [value for _, value in reference]


def test_milvus_misses_nothing_of_so_few_photos(documents: dict[str, Any]) -> None:
    assert documents["milvus"]["engine"] == "milvus"
    assert documents["milvus"]["recall"] == 1


def test_both_are_compared_and_evaluated_beside_the_others(documents: dict[str, Any]) -> None:
    compared = documents["compare"]
    assert [(compared[side]["space"], compared[side]["metric"]) for side in ("a", "b")] == [
        ("colours", "chebyshev"),
        ("pixels", "l1"),
    ]
    rows = documents["evaluate"]["rows"]
    names = dict.fromkeys([*METRICS, "chebyshev"])
    assert [(row["space"], row["metric"]) for row in rows] == [
        (space, metric) for space in ("pixels", "colours") for metric in names
    ]
    assert all(0 <= row["map"] <= 1 for row in rows)
    assert documents["several"]["fusion"] == "mean rank"


def test_the_new_space_has_vectors_maps_and_collections(documents: dict[str, Any], home: Path) -> None:
    stored = vectors(home, "colours")
    assert stored.shape == (61, 512)
    np.testing.assert_allclose(stored.sum(axis=1), 1, atol=1e-6)
    entry = next(entry for entry in documents["prepare"]["spaces"] if entry["name"] == "colours")
    assert (entry["dim"], entry["count"]) == (512, 61)
    assert documents["map"]["space"] == "colours"
    names = {row["name"] for row in documents["inspect"]["collections"]}
    assert names == set(collections.collection_names("colours", entry["fingerprint"]).values())
    assert documents["cosine"]["results"][0]["value"] <= 1
    assert len(documents["crop"]["results"]) == 10
