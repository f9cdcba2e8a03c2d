"""lib.measure.space_diagnosis: every figure is that of the plain functions on the same photos, made once, and kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.measure import space_diagnosis as diagnosis
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.search import space_geometry
from lib.search.cka import linear_cka, linear_cka_interval, unbiased_linear_cka
from lib.settings import Settings
from tests.conftest import COPY


@pytest.fixture
def fresh(copied: Settings) -> Workspace:
    """The prepared pictures, of which nothing is diagnosed."""
    return workspace.open_workspace(copied)


def files(opened: Workspace) -> list[Path]:
    return sorted((opened.folder / diagnosis.FOLDER).glob("*"))


def test_every_figure_is_that_of_the_stored_vectors(fresh: Workspace) -> None:
    catalog = fresh.catalog()
    reports: list[tuple[int, int | None]] = []
    document = diagnosis.measure_all(fresh, catalog, lambda done, total: reports.append((done, total)))
    assert reports[-1] == (3, 3)
    by_name = {space["name"]: space for space in document["spaces"]}
    assert list(by_name) == ["pixels", "resnet18"]
    rows = np.array([row for row, image_id in enumerate(catalog.ids) if image_id != COPY])  # of two copies one
    if catalog.ids.index(COPY) < catalog.ids.index(COPY.replace(" again.bmp", ".png")):
        rows = np.array([row for row, name in enumerate(catalog.ids) if name != COPY.replace(" again.bmp", ".png")])
    codes = np.unique(catalog.frame["label"].to_numpy(dtype=str)[rows], return_inverse=True)[1]
    vectors = {name: fresh.vectors(name).values[rows].astype(np.float64) for name in by_name}
    for name, found in by_name.items():
        gram = space_geometry.cosines(vectors[name])
        assert (found["images"], found["sample"], found["dim"]) == (61, 60, vectors[name].shape[1])
        for figure, expected in (
            ("effective_rank", space_geometry.effective_rank(vectors[name])),
            ("hubness_skewness", space_geometry.hubness_skewness(fresh.neighbourhoods(name).rows["cosine"], 10)),
            ("mean_cosine", space_geometry.mean_cosine(gram)),
            ("alignment", space_geometry.alignment(gram, codes)),
            ("uniformity", space_geometry.uniformity(gram)),
            ("silhouette", space_geometry.silhouette(gram, codes)),
        ):
            assert expected is not None
            assert found[figure] == pytest.approx(expected.value, rel=1e-5), figure  # type: ignore[literal-required]
            assert found["ci95"][figure] == pytest.approx(expected.ci95, rel=1e-4), figure  # type: ignore[literal-required]
        assert found["intrinsic_dimension"] is not None and found["neighbours"] == "exact"
        assert found["lone"] == 0 and found["undefined"] == 0
    (pair,) = document["pairs"]
    x, y = vectors["pixels"], vectors["resnet18"]
    assert (pair["a"], pair["b"], pair["sample"], pair["images"]) == ("pixels", "resnet18", 60, 61)
    assert pair["cka"] == pytest.approx(linear_cka(x, y))
    assert pair["cka_unbiased"] == pytest.approx(unbiased_linear_cka(x, y))
    # Σσ of YᵀX, which would be 512 × 49,152, is Σ√λ of XXᵀYYᵀ.
    grams = [(each - each.mean(axis=0)) @ (each - each.mean(axis=0)).T for each in (x, y)]
    strengths = np.sqrt(np.maximum(np.linalg.eigvals(grams[0] @ grams[1]).real, 0)).sum()
    residual = 1 - strengths**2 / (np.trace(grams[0]) * np.trace(grams[1]))
    assert pair["procrustes"] == pytest.approx(residual, abs=1e-6)
    for measure in ("cka", "cka_unbiased", "mutual_knn", "procrustes"):
        low, high = pair["ci95"][measure]  # type: ignore[literal-required]
        assert low < pair[measure] < high  # type: ignore[literal-required]
    assert pair["ci95"]["cka"] == pytest.approx(linear_cka_interval(x, y))
    near = [fresh.neighbourhoods(name).rows["cosine"][:, :10] for name in ("pixels", "resnet18")]
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(near[0].tolist(), near[1].tolist(), strict=True)]
    assert pair["mutual_knn"] == pytest.approx(np.mean(shared))
    assert pair["chance"]["mutual_knn"] == pytest.approx(10 / 59)
    assert pair["chance"]["cka"] is not None and pair["chance"]["cka"] < (pair["cka"] or 0)


def test_it_is_measured_once_and_damaged_files_anew(fresh: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = fresh.catalog()
    assert diagnosis.stored(fresh, catalog) is None
    document = diagnosis.measure_all(fresh, catalog)
    kept = files(fresh)
    assert len(kept) == 3
    folders = {Path(fresh.space(name)["folder"]).name for name in fresh.spaces}
    assert all(any(file.name.startswith(f"{name}-") for name in folders) for file in kept)  # prepare sweeps by them
    assert all("made" in str(json.loads(file.read_text(encoding="utf-8"))["provenance"]) for file in kept)
    with monkeypatch.context() as patch:
        patch.setattr(diagnosis, "_sample", lambda *_: pytest.fail("measured again"))
        assert diagnosis.measure_all(fresh, catalog) == document == diagnosis.stored(fresh, catalog)
    for damaged in ("{", "{}", '{"diagnosis": {}}'):
        kept[0].write_text(damaged, encoding="utf-8")
        assert diagnosis.stored(fresh, catalog) is None
    again = diagnosis.measure_all(fresh, catalog)
    assert [{**space, "seconds": 0} for space in again["spaces"]] == [
        {**space, "seconds": 0} for space in document["spaces"]
    ]


def test_other_labels_are_other_figures(fresh: Workspace) -> None:
    catalog = fresh.catalog()
    diagnosis.measure_all(fresh, catalog)
    relabelled = replace(catalog, frame=catalog.frame.assign(label=["one", *catalog.labels[1:]]))
    assert diagnosis.stored(fresh, relabelled) is None


def test_the_sample_is_the_same_for_every_space_and_holds_no_picture_twice(opened: Workspace) -> None:
    catalog = opened.catalog()
    rows = diagnosis.sampled_rows(catalog, most=20)
    assert rows.tolist() == diagnosis.sampled_rows(catalog, most=20).tolist() == sorted(set(rows.tolist()))
    assert len(rows) == 20
    hashes = [catalog.hashes[row] for row in diagnosis.sampled_rows(catalog)]
    assert len(hashes) == len(set(hashes)) == 60
