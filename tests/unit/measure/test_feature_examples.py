"""lib.measure.feature_examples: photos, classes, dead and redundant features against plain formulas in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lib.errors import QueryError
from lib.measure import feature_examples
from lib.measure.feature_examples import DEAD, TOP, FeatureExamples, FeatureFacts
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.settings import Settings

LABELS = np.array(["daisy"] * 40 + ["rose"] * 30 + ["tulip"] * 20, dtype=object)


def facts(*classes: str) -> FeatureFacts:
    return {
        "space": "resnet18", "space_fingerprint": "", "data_fingerprint": "", "weights": None, "split_seed": 0,
        "libraries": {}, "made": "", "classes": list(classes), "images": len(LABELS), "schema": 1,
    }  # fmt: skip


def of(vectors: np.ndarray, labels: np.ndarray = LABELS) -> FeatureExamples:
    return feature_examples.compute(vectors, labels, facts(*sorted(set(labels))))


@pytest.fixture
def vectors() -> np.ndarray:
    """(90, 12) float32, some values 0, as behind a ReLU."""
    drawn = np.random.default_rng(0).normal(0.3, 1.0, (90, 12))
    drawn[LABELS == "rose", 4] += 2
    return np.maximum(drawn, 0).astype(np.float32)


def test_selectivity_is_the_formula_of_morcos(vectors: np.ndarray) -> None:
    found = of(vectors)
    for dimension in range(vectors.shape[1]):
        means = {name: vectors[name == LABELS, dimension].astype(float).mean() for name in set(LABELS)}
        best = max(means, key=lambda name: means[name])
        top, rest = means[best], np.mean([mean for name, mean in means.items() if name != best])
        assert found.selectivity[dimension] == pytest.approx((top - rest) / (top + rest), abs=1e-12)
        assert found.classes[dimension] == best
        assert found.means[dimension] == pytest.approx(vectors[:, dimension].astype(float).mean())
    assert found.classes[4] == "rose"
    assert found.selectivity.argmax() == 4
    assert found.chance.max() < 0.2 < found.selectivity[4]  # shuffled labels leave little of it


def test_the_interval_is_as_wide_as_that_of_a_bootstrap(vectors: np.ndarray) -> None:
    found, rng = of(vectors), np.random.default_rng(1)
    groups = {name: vectors[name == LABELS, 4].astype(float) for name in set(LABELS)}
    drawn = []
    for _ in range(2_000):
        means = {name: rng.choice(values, len(values)).mean() for name, values in groups.items()}
        rest = (means["daisy"] + means["tulip"]) / 2
        drawn.append((means["rose"] - rest) / (means["rose"] + rest))
    np.testing.assert_allclose(found.intervals[4], np.percentile(drawn, [2.5, 97.5]), atol=0.03)


def test_an_interval_is_never_without_width(vectors: np.ndarray) -> None:
    vectors[:, 2] = np.where(LABELS == "rose", 1.0, 0.0)
    found = of(vectors)
    assert found.selectivity[2] == 1
    # Of 40 daisies and 20 tulips that leave it at 0, up to 8.8 and 16.1 % may be unlike them: Wilson.
    assert found.intervals[2, 1] == 1
    assert found.intervals[2, 0] == pytest.approx(1 - np.hypot(0.0876, 0.1611), abs=0.01)


def test_the_top_photos_have_the_largest_values_and_equal_ones_keep_their_order(vectors: np.ndarray) -> None:
    vectors[[7, 50, 80], 2] = 9.0
    vectors[:, 3] = 0
    vectors[[5, 60], 3] = [1.0, 2.0]
    found = of(vectors)
    assert [row for row, _ in found.top(2)][:3] == [7, 50, 80]
    assert found.top(3) == [(60, 2.0), (5, 1.0)]  # a photo that leaves it at 0 is no example
    for dimension in range(vectors.shape[1]):
        expected = np.sort(vectors[:, dimension])[::-1][:TOP]
        assert [value for _, value in found.top(dimension)] == expected[expected > DEAD].tolist()
        assert all(vectors[row, dimension] == np.float32(value) for row, value in found.top(dimension))


def test_blocks_change_nothing(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of(vectors)
    monkeypatch.setattr(feature_examples, "_BLOCK", 7)
    parts = of(vectors)
    assert np.array_equal(parts.top_rows, whole.top_rows)
    for name in ("means", "class_means", "class_errors", "chance", "correlations", "smallest", "largest"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-12)


def test_dead_redundant_and_constant_features_are_told_apart(vectors: np.ndarray) -> None:
    vectors[:, 0] = 0
    vectors[:, 1] = DEAD / 2
    vectors[:, 5] = 4 - vectors[:, 6]  # mirrored: as redundant as a copy
    vectors[:, 7] = 0.5
    found = of(vectors)
    assert found.dead.nonzero()[0].tolist() == [0, 1]
    assert found.redundant.nonzero()[0].tolist() == [5, 6]
    assert (found.partners[5], found.partners[6]) == (6, 5)
    assert found.correlations[5] == pytest.approx(-1)
    assert found.partners[7] == -1 and np.isnan(found.correlations[7])
    assert found.selectivity[7] == 0 and np.isnan(found.selectivity[0])
    assert found.top(0) == []
    r = np.corrcoef(vectors[:, 2:5].astype(float), vectors[:, 8:].astype(float), rowvar=False)
    others = np.abs(r[0, 1:])
    assert abs(found.correlations[2]) >= others.max() - 1e-9


def test_selectivity_is_undefined_for_signed_features_and_one_class(vectors: np.ndarray) -> None:
    signed = vectors.copy()
    signed[3, 0] = -0.1
    found = of(signed)
    assert np.isnan(found.selectivity[0]) and found.classes[0] == "" and np.isnan(found.intervals[0]).all()
    assert len(found.top(0)) == TOP  # they still have their largest values
    alone = of(vectors, np.array(["rose"] * 90, dtype=object))
    assert np.isnan(alone.selectivity).all() and np.isnan(alone.chance).all()
    entry = feature_examples.document(alone, [f"{row}" for row in range(90)], 4)["dimensions"][0]
    assert (entry["selectivity"], entry["class"], entry["ci95"], entry["chance"]) == (None, None, None, None)


def test_pixels_count_from_0_to_1() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (90, 9)).astype(np.uint8)
    found = of(pixels)
    np.testing.assert_allclose(found.means, pixels.mean(axis=0) / 255)
    assert found.largest.max() <= 1


def test_wide_spaces_are_not_compared(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_examples, "WIDEST", 5)
    found = of(vectors)
    assert not found.compared and (found.partners == -1).all() and not found.redundant.any()
    assert feature_examples.document(found, ["photo"] * 90)["redundant_above"] is None


def test_a_dimension_that_is_not_there_is_one_sentence(opened: Workspace) -> None:
    found = feature_examples.find(opened, "resnet18")
    with pytest.raises(QueryError, match=r"^resnet18 has no dimension 512; its dimensions are 0 to 511\.$"):
        feature_examples.document(found, opened.catalog().ids, 512)


def test_examples_are_stored_once_and_made_anew_when_damaged(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    target = feature_examples.file(opened, "resnet18", opened.catalog())
    first = feature_examples.find(opened, "resnet18")
    stamp = target.stat().st_mtime_ns
    again = feature_examples.find(opened, "transfer")  # another name of the same space
    assert target.stat().st_mtime_ns == stamp and again.facts == first.facts
    for name in feature_examples._ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    assert again.facts["space_fingerprint"] == opened.space("resnet18")["fingerprint"]
    for damage in (b"", b"PK", target.read_bytes()[:-40]):
        target.write_bytes(damage)
        assert np.array_equal(feature_examples.find(opened, "resnet18").means, first.means)
    assert _names(target.parent) == [target.name]


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if "-features-" in path.name or path.name.startswith(".tmp")]
