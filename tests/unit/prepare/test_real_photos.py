"""The promises about real photos, kept on real photos: skipped where PETALSCOPE_DATA names none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.measure.evaluation import evaluate
from lib.prepare import pipeline, workspace
from lib.prepare.workspace import Workspace
from lib.retrieval import search
from lib.retrieval.query import query_row
from lib.search.metrics import METRICS
from lib.settings import Settings
from lib.store import collections, connection, vector_search

pytestmark = pytest.mark.slow

# Enough for an index to be one, few enough for two cores.
PHOTOS = 1_000
QUERIES = 40


@pytest.fixture(scope="module")
def opened_photos(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    settings = Settings(
        data=photos, artifacts=tmp_path_factory.mktemp("photos") / "artifacts", weights="bundled", offline=True
    )
    pipeline.prepare(settings, limit=PHOTOS)
    return workspace.open_workspace(settings)


@pytest.fixture(scope="module")
def photo_store(opened_photos: Workspace) -> Iterator[connection.Store]:
    with connection.open_store(opened_photos.settings.store_uri, role="test") as store:
        yield store


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["mse", "l2", "cosine", "ncc"])
def test_milvus_finds_what_the_full_scan_finds(
    opened_photos: Workspace, photo_store: connection.Store, metric: str
) -> None:
    loaded = search.load_space(opened_photos, "resnet18")
    rows = np.random.default_rng(0).permutation(len(loaded.catalog.frame))[:QUERIES]
    recalls = []
    for row in rows:
        query = query_row(loaded.catalog, int(row))
        answers = {
            engine: search.search(
                opened_photos, loaded, query, metric_name=metric, k=10, engine=engine, store=photo_store
            )
            for engine in ("exact", "milvus")
        }
        recalls.append(answers["milvus"]["recall"])
        exact = {entry["id"]: entry["value"] for entry in answers["exact"]["results"]}
        for entry in answers["milvus"]["results"]:
            if entry["id"] in exact:  # in the metric's own unit
                assert entry["value"] == pytest.approx(exact[entry["id"]], rel=2e-3, abs=1e-4)
    assert np.mean(recalls) >= 0.99


@pytest.mark.slow
def test_l1_says_how_much_its_candidates_miss(opened_photos: Workspace, photo_store: connection.Store) -> None:
    loaded = search.load_space(opened_photos, "resnet18")
    query = query_row(loaded.catalog, 0)
    exact = search.search(opened_photos, loaded, query, metric_name="l1", k=10)
    result = search.search(opened_photos, loaded, query, metric_name="l1", k=10, engine="milvus", store=photo_store)
    shared = {entry["id"] for entry in exact["results"]} & {entry["id"] for entry in result["results"]}
    assert result["recall"] == len(shared) / 10
    assert result["recall"] >= 0.8


@pytest.mark.slow
def test_features_beat_pixels_clearly(opened_photos: Workspace) -> None:
    scores = {space: {row["metric"]: row for row in evaluate(opened_photos, space)} for space in ("pixels", "resnet18")}
    for metric in METRICS:
        pixels, features = scores["pixels"][metric], scores["resnet18"][metric]
        assert features["precision"]["10"] > pixels["precision"]["10"] + 0.15
        assert features["ci95"]["map"][0] > pixels["ci95"]["map"][1]


@pytest.mark.slow
def test_the_collection_holds_the_stored_vectors(opened_photos: Workspace, photo_store: connection.Store) -> None:
    base = opened_photos.collection("resnet18")
    vectors = opened_photos.vectors("resnet18").values
    catalog = opened_photos.catalog()
    for suffix, (_, centred) in collections.SIBLINGS.items():
        assert collections.count_rows(photo_store, base + suffix) == len(catalog.frame)
        results = vector_search.search_vectors(
            photo_store,
            base + suffix,
            np.asarray(collections.centre(vectors[:1]) if centred else vectors[:1]),
            1,
            search_params={"ef": 128},
            output_fields=["label", "split"],
        )[0][0]
        row = catalog.row(results["id"])
        assert row is not None
        assert catalog.frame["sha256"].iloc[row] == catalog.frame["sha256"].iloc[0]
        assert (results["label"], results["split"]) == tuple(catalog.frame[["label", "split"]].iloc[row])


@pytest.mark.slow
def test_audit_finds_every_equal_picture(photos: Path, tmp_path: Path) -> None:
    """Against a plain loop over all files with Pillow alone."""
    seen: dict[str, set[str]] = {}
    for path in sorted(photos.glob("*/*")):
        with Image.open(path) as image:
            pixels = image.convert("RGB")
        key = hashlib.sha256(f"{pixels.size}".encode() + pixels.tobytes()).hexdigest()
        seen.setdefault(key, set()).add(path.relative_to(photos).as_posix())
    expected = {frozenset(ids) for ids in seen.values() if len(ids) > 1}
    document = pipeline.audit(Settings(data=photos, artifacts=tmp_path, offline=True))
    exact = [group for group in document["duplicates"] if group["kind"] == "exact"]
    assert {frozenset(group["ids"]) for group in exact} == expected
    for group in exact:
        assert group["conflict"] == (len({image_id.split("/")[0] for image_id in group["ids"]}) > 1)
