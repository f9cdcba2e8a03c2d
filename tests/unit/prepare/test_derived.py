"""Derived spaces in `prepare`: made after their bases, made again with another split, gone without a trace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.embed import spaces
from lib.embed.embedder import query_vector
from lib.errors import QueryError
from lib.prepare import pipeline, workspace
from lib.progress import Reporter
from lib.retrieval import explain, search
from lib.retrieval.query import find_query
from lib.settings import Settings

NAMES = ["resnet18+whiten+pca8", "pixels+pca4", "resnet18~pixels", "resnet18+int8"]


def test_derived_spaces_are_prepared_searched_and_stored_as_any_other(copied: Settings) -> None:
    document = pipeline.prepare(copied, names=NAMES)
    assert [space["name"] for space in document["spaces"]] == [
        "resnet18", NAMES[0], "pixels", *NAMES[1:]
    ]  # fmt: skip
    stored = {row["space"] for row in document["milvus"]["collections"]}
    assert stored == {"resnet18", NAMES[0], NAMES[1], NAMES[3]}  # joined with pixels, a vector is too long for Milvus
    spaces._DEFINED.clear()
    opened = workspace.open_workspace(copied)
    photo = opened.catalog().open(3)
    for name, dim in zip(NAMES, (8, 4, 49_664, 512), strict=True):
        values = opened.vectors(name).values
        assert values.shape == (61, dim)
        assert opened.space(name)["dim"] == dim
        assert query_vector(opened.embedder(name), photo) == pytest.approx(values[3], abs=1e-3 if dim != 512 else 1)
        assert len(opened.neighbourhoods(name).rows["l1"]) == 61
        assert opened.map(name, "umap").xy.shape == (61, 2)
    assert all(space["cached"] for space in pipeline.prepare(copied, names=NAMES)["spaces"])
    loaded = search.load_space(opened, NAMES[0])
    with pytest.raises(QueryError, match="no feature maps"):
        explain.place(opened, loaded, find_query(loaded.catalog, loaded.catalog.ids[0]))


def test_another_training_split_makes_what_was_learned_anew(copied: Settings) -> None:
    pipeline.prepare(copied, names=["resnet18+pca4", "resnet18+l2"])
    opened = workspace.open_workspace(copied)
    before = {name: opened.vectors(name) for name in ("resnet18", "resnet18+pca4")}
    values = {name: np.array(vectors.values) for name, vectors in before.items()}
    said: list[str] = []
    other = replace(copied, seed=7)
    pipeline.prepare(other, names=["resnet18"], reporter=Reporter(say=lambda message: said.append(str(message))))
    after = workspace.open_workspace(other)
    assert any("resnet18+pca4" in message and "training split" in message for message in said)
    assert after.vectors("resnet18+pca4").fingerprint != before["resnet18+pca4"].fingerprint
    assert not np.allclose(after.vectors("resnet18+pca4").values, values["resnet18+pca4"])
    assert np.array_equal(after.vectors("resnet18").values, values["resnet18"])


def test_a_name_that_cannot_be_made_leaves_the_old_state(copied: Settings) -> None:
    before = workspace.open_workspace(copied).state
    for name, sentence in (("resnet18+pca500", "write at most"), ("resnet18+foo", "no step called")):
        with pytest.raises(QueryError, match=sentence):
            pipeline.prepare(copied, names=[name])
    assert workspace.open_workspace(copied).state == before
