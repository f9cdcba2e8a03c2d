"""lib.measure.clusters: clusters against scikit-learn's measures, their names and exemplars, and what is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from lib.errors import QueryError
from lib.measure import clusters, reproduction, traits
from lib.measure.clusters import Clusters
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.search import centrality
from lib.search.clustering import HDBSCAN, KMEANS, METHODS, NOISE, Method
from lib.settings import Settings


@pytest.fixture
def fresh(copied: Settings) -> Workspace:
    """The prepared pictures without any clusters."""
    return workspace.open_workspace(copied)


@pytest.mark.parametrize(("space", "method"), [("resnet18", KMEANS), ("pixels", KMEANS), ("resnet18", HDBSCAN)])
def test_the_document_describes_its_own_assignments(fresh: Workspace, space: str, method: str) -> None:
    catalog = fresh.catalog()
    found = clusters.find(fresh, space, catalog, method)
    document = found.document
    numbers = np.array([document["assignments"][image_id] for image_id in catalog.ids])
    np.testing.assert_array_equal(numbers, found.numbers)
    labels = catalog.frame["label"].to_numpy(dtype=str)
    assert document["nmi"] == pytest.approx(normalized_mutual_info_score(labels, numbers))
    assert document["ari"] == pytest.approx(adjusted_rand_score(labels, numbers))
    assert document["noise"] == int((numbers == NOISE).sum())
    assert [each["cluster"] for each in document["clusters"]] == list(range(1, len(document["clusters"]) + 1))
    assert ("principal components" in document["points"]) == (space == "pixels")
    for each in document["clusters"]:
        inside = labels[numbers == each["cluster"]]
        assert each["size"] == len(inside)
        assert each["purity"] == pytest.approx((inside == each["label"]).mean())
        assert each["purity"] == max((inside == label).mean() for label in set(inside))
        assert all(document["assignments"][image_id] == each["cluster"] for image_id in each["exemplars"])
    if method == KMEANS:
        assert (document["k"], len(document["clusters"])) == (5, 5)
        assert document["ci95"]["ari"] is not None


def test_the_first_exemplar_of_features_is_the_medoid_under_cosine(fresh: Workspace) -> None:
    catalog = fresh.catalog()
    found = clusters.find(fresh, "resnet18", catalog)
    vectors = fresh.vectors("resnet18").values
    for each in found.document["clusters"]:
        rows = found.rows(each["cluster"])
        means = centrality.mean_cosines(vectors, rows)
        first = means[np.flatnonzero(rows == catalog.row(each["exemplars"][0]))[0]]
        assert first == pytest.approx(means.max(), abs=1e-6)


def test_clusters_are_found_once_and_damaged_files_anew(fresh: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = fresh.catalog()
    before = clusters.version(fresh, "resnet18")
    assert clusters.stored(fresh, "resnet18", catalog) == []
    made = [clusters.find(fresh, "resnet18", catalog, KMEANS, k) for k in (None, 3)]
    assert clusters.version(fresh, "resnet18") != before
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "_make", lambda *_: pytest.fail("clustered again"))
        assert clusters.find(fresh, "resnet18", catalog).document == made[0].document
        stored = clusters.stored(fresh, "resnet18", catalog)
    assert [each.document["k"] for each in stored] == [5, 3]
    clusters.file(fresh, "resnet18", catalog, KMEANS, 3).write_bytes(b"broken")
    assert [each.document["k"] for each in clusters.stored(fresh, "resnet18", catalog)] == [5]
    again = clusters.find(fresh, "resnet18", catalog, KMEANS, 3)
    assert {**again.document, "seconds": 0} == {**made[1].document, "seconds": 0}


@pytest.mark.parametrize(
    ("method", "k", "words"),
    [(KMEANS, 0, "from 1 to 100"), (KMEANS, 101, "from 1 to 100"), (KMEANS, 62, "62 clusters"), (HDBSCAN, 3, "itself")],
)
def test_what_cannot_be_clustered_is_said(opened: Workspace, method: str, k: int, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        clusters.check(opened.catalog(), method, k)


def test_very_many_photos_are_too_many_for_hdbscan(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, HDBSCAN, replace(METHODS[HDBSCAN], most=60))
    with pytest.raises(QueryError, match=r"61 are more than 60"):
        clusters.check(opened.catalog(), HDBSCAN, None)
    assert clusters.check(opened.catalog(), KMEANS, None) == 5


def made(numbers: list[int], *, noise: int, ari: float | None, k: int | None = 2) -> Clusters:
    document = {
        "space": "resnet18", "method": KMEANS if k else HDBSCAN, "k": k, "seed": 0, "points": "the vectors",
        "images": len(numbers), "noise": noise, "nmi": ari, "ari": ari,
        "ci95": {"nmi": None, "ari": None if ari is None else [ari - 0.1, ari + 0.1]},
        "clusters": [
            {"cluster": 1, "size": 3, "label": "rose", "purity": 2 / 3, "name": "1 rose 67%", "exemplars": []},
            {"cluster": 2, "size": 1, "label": "tulip", "purity": 1.0, "name": "2 tulip 100%", "exemplars": []},
        ],
        "assignments": {}, "seconds": 0.0,
    }  # fmt: skip
    return Clusters(document, np.array(numbers))  # type: ignore[arg-type]


def test_all_noise_is_said() -> None:
    found = made([NOISE] * 4, noise=4, ari=0.0, k=None)
    found.document["clusters"].clear()
    assert clusters.verdict(found, 5).text.startswith("No cluster: all of 4 photos are noise")
    assert clusters.trait(found, 5).values.tolist() == [clusters.NOISE_NAME] * 4


def test_the_trait_names_each_photo_s_cluster_and_noise() -> None:
    trait = clusters.trait(made([1, 2, 1, 1, NOISE], noise=1, ari=0.5, k=None), default=2)
    assert trait.values.tolist() == ["1 rose 67%", "2 tulip 100%", "1 rose 67%", "1 rose 67%", clusters.NOISE_NAME]
    assert (trait.name, trait.title) == ("cluster_hdbscan", "Cluster (HDBSCAN)")
    assert trait.name.startswith(traits.CLUSTER)
    assert trait.classes == {"1 rose 67%": "rose", "2 tulip 100%": "tulip"}
    assert clusters.trait(made([1, 2, 1, 1], noise=0, ari=0.5), default=2).name == "cluster_kmeans"
    other = clusters.trait(made([1, 2, 1, 1], noise=0, ari=0.5), default=5)
    assert (other.name, other.title) == ("cluster_kmeans_2", "Cluster (k-means, k = 2)")


@pytest.mark.parametrize(
    ("ari", "noise", "words"),
    [
        (0.9, 0, "2 clusters are nearly the 5 classes: ARI 0.90 [0.80, 1.00], NMI 0.90, 4 photos."),
        (0.5, 0, "partly match"),
        (0.1, 1, "2 clusters and 25% noise loosely match the 5 classes"),
        (0.01, 0, "do not follow"),
        (None, 0, "nothing to agree with"),
    ],
)
def test_the_verdict_says_how_far_they_are_the_classes(ari: float | None, noise: int, words: str) -> None:
    assert words in clusters.verdict(made([1, 2, 1, 1], noise=noise, ari=ari), classes=5).text


def test_another_method_is_one_entry(fresh: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def halves(points: np.ndarray, k: int | None) -> np.ndarray:
        assert k is None
        return np.where(np.arange(len(points)) < 20, 7, np.where(np.arange(len(points)) < 60, 3, NOISE))

    monkeypatch.setitem(METHODS, "halves", Method("Halves", "by the row", takes_k=False, find=halves))
    catalog = fresh.catalog()
    found = clusters.find(fresh, "resnet18", catalog, "halves")
    assert [found.document["clusters"][place]["size"] for place in (0, 1)] == [40, 20]
    assert (found.document["noise"], found.document["k"]) == (1, None)
    assert clusters.trait(found, 5).title == "Cluster (Halves)"
    assert found.document in [each.document for each in clusters.stored(fresh, "resnet18", catalog)]
    program = reproduction.clusters(fresh, "resnet18", catalog, "halves", None).program
    assert "METHODS['halves'].find(x[has_length], None)" in program
    with pytest.raises(QueryError, match="Halves finds the number of clusters itself"):
        clusters.check(catalog, "halves", 4)
