"""lib.measure.traits: columns row for row with the catalog, each by its own definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lib.data.catalog import Catalog
from lib.measure import traits
from lib.search import neighbourhoods
from lib.search.neighbourhoods import Neighbourhoods

IDS = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]


def catalog(**columns: list[object]) -> Catalog:
    frame = pd.DataFrame(
        {
            "id": IDS,
            "label": ["a", "a", "b", "b"],
            "split": ["train", "test", "val", "train"],
            "width": [10, 20, 30, 40],
            "height": [40, 30, 20, 10],
            "sha256": list("wxyz"),
            "bytes": [500, 600, 700, 800],
            "changed_ns": [1, 2, 3, 4],
            **columns,
        }
    )
    return Catalog("two", Path("/two"), frame, [], "f00d", 0, None)


def near() -> Neighbourhoods:
    vectors = np.array([[1, 0], [1, 0.1], [1, 0.2], [-1, 1]], np.float32)
    return neighbourhoods.k_nearest(vectors, [[row] for row in range(4)])


def run(**changed: Any) -> dict[str, Any]:
    predictions = [{"id": "a/2.jpg", "label": "a", "predicted": "b", "confidence": 0.75}]
    return {
        "id": "transfer-1",
        "regime": "transfer",
        "val_accuracy": 0.5,
        "dataset": {"fingerprint": "f00d"},
        "predictions": predictions,
    } | changed


def test_traits_of_the_neighbours() -> None:
    result = traits.traits(catalog(), "pixels", near())
    assert result["label"].values.tolist() == ["a", "a", "b", "b"]
    # The three neighbours of each are all the others.
    assert result["predicted"].values.tolist() == ["b", "b", "a", "a"]
    assert result["right"].values.tolist() == ["wrong"] * 4
    assert result["confidence"].values.tolist() == pytest.approx([2 / 3] * 4)
    assert result["purity"].values.tolist() == pytest.approx([1 / 3] * 4)
    assert result["disagreement"].values.tolist() == [0] * 4
    assert result["hubness"].values.tolist() == [3] * 4
    assert result["remoteness"].values.argmax() == 3
    assert "network" not in result


def test_the_network_s_predictions_are_of_test_images_only() -> None:
    better = run(id="transfer-2", val_accuracy=0.6)
    others = [run(dataset={"fingerprint": "beef"}, val_accuracy=1.0), run(regime="init", val_accuracy=1.0)]
    result = traits.traits(catalog(), "resnet18", near(), [run(predictions=[]), better, *others])
    assert result["network"].values.tolist() == ["", "b", "", ""]
    assert result["network_right"].values.tolist() == ["", "wrong", "", ""]
    assert result["network_confidence"].values.tolist() == pytest.approx([np.nan, 0.75, np.nan, np.nan], nan_ok=True)
    assert "transfer-2" in result["network"].about
    assert "network" not in traits.traits(catalog(), "pixels", near(), [run()])
    assert "network" in traits.traits(catalog(), "init", near(), others)


def test_factors_are_numbers_or_categories() -> None:
    many = [f"word {i}" for i in range(4)]
    result = traits.traits(
        catalog(
            factor_light=["soft", None, "hard", "soft"],
            factor_tilt=[0.5, np.nan, 1.5, 9.0],
            factor_flag=[True, False, True, True],
            factor_same=["x"] * 4,
            factor_names=many,
        ),
        "pixels",
        near(),
    )
    assert result["factor_light"].values.tolist() == ["soft", "", "hard", "soft"]
    assert (result["factor_light"].kind, result["factor_light"].title) == ("category", "Light")
    assert (result["factor_tilt"].kind, result["factor_tilt"].low) == ("number", 0.5)
    assert result["factor_tilt"].high > 1.5
    assert result["factor_flag"].kind == "category"
    assert "factor_same" not in result
    assert result["factor_names"].kind == "category"
    assert not {"id", "sha256", "changed_ns"} & set(result)
    assert result["width"].values.tolist() == [10, 20, 30, 40]


def test_a_column_of_too_many_words_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traits, "MOST_VALUES", 3)
    assert "factor_names" not in traits.traits(catalog(factor_names=list("pqrs")), "pixels", near())


def test_the_traits_of_a_single_image_are_unknown() -> None:
    one = catalog()
    alone = Catalog(one.name, one.root, one.frame[:1], [], one.fingerprint, 0, None)
    nearest = traits.traits(alone, "pixels", neighbourhoods.k_nearest(np.ones((1, 3), np.float32), [[0]]))
    assert nearest["predicted"].values.tolist() == nearest["right"].values.tolist() == [""]
    assert np.isnan(nearest["purity"].values).all()
    assert all(np.isfinite([trait.low, trait.high]).all() and trait.low < trait.high for trait in nearest.values())
