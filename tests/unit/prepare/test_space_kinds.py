"""A kind of spaces that Petalscope lacks, added as `docs/architecture.md` says: prepared, searched, made anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lib.embed import spaces
from lib.embed.embedder import query_vector
from lib.errors import QueryError
from lib.prepare import pipeline, workspace
from lib.settings import Settings
from tests.unit.test_worked_examples import block


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spaces, "KINDS", dict(spaces.KINDS))
    monkeypatch.setattr(spaces, "_DEFINED", dict(spaces._DEFINED))
    module: dict[str, Any] = {}
    exec(compile(block("Add a kind of spaces"), "the worked example of a kind", "exec"), module)
    spaces.register_kind(module["KIND"])


def test_a_space_of_a_new_kind_is_prepared_and_takes_queries(copied: Settings, turned: None) -> None:
    document = pipeline.prepare(copied, names=["resnet18+turned"])
    assert [space["name"] for space in document["spaces"]] == ["resnet18", "resnet18+turned"]
    assert {row["space"] for row in document["milvus"]["collections"]} == {"resnet18", "resnet18+turned"}
    spaces._DEFINED.clear()
    opened = workspace.open_workspace(copied)
    assert opened.spaces == ["pixels", "resnet18", "resnet18+turned"]
    values, before = opened.vectors("resnet18+turned").values, opened.vectors("resnet18").values
    # An orthogonal basis keeps distances and angles, and so the neighbours, but for L1.
    assert values @ values.T == pytest.approx(before @ before.T, rel=1e-4, abs=1e-3)
    assert np.linalg.norm(values[0] - values[1]) == pytest.approx(np.linalg.norm(before[0] - before[1]), rel=1e-4)
    photo = opened.catalog().open(3)
    assert query_vector(opened.embedder("resnet18+turned"), photo) == pytest.approx(values[3], abs=1e-3)
    # A second run computes nothing, and what the space was made from is recorded.
    again = pipeline.prepare(copied, names=["resnet18+turned"])
    assert all(space["cached"] for space in again["spaces"])
    entry = opened.space("resnet18+turned")
    assert entry["bases"] == {"resnet18": opened.space("resnet18")["fingerprint"]}


def test_a_made_space_follows_its_base(copied: Settings, turned: None) -> None:
    pipeline.prepare(copied, names=["resnet18+turned"])
    other = replace(copied, weights="random")
    pipeline.prepare(other, names=["resnet18"])
    opened = workspace.open_workspace(other)
    assert opened.space("resnet18+turned")["bases"] == {"resnet18": opened.space("resnet18")["fingerprint"]}
    values, base = opened.vectors("resnet18+turned").values, opened.vectors("resnet18").values
    assert values @ values.T == pytest.approx(base @ base.T, rel=1e-4, abs=1e-3)


def test_a_space_that_takes_no_photos_from_elsewhere_says_why(copied: Settings, turned: None) -> None:
    pipeline.prepare(copied, names=["resnet18+turned"])
    opened = workspace.open_workspace(copied)
    spaces.define(replace(spaces.get("resnet18+turned"), of_query=None, refusal="It was drawn by lot."))
    with pytest.raises(QueryError, match="It was drawn by lot"):
        opened.embedder("resnet18+turned")
