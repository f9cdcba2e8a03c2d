"""What a changed photo is taken for, against plain float64 rankings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lib.data.distortions import DISTORTIONS, distorted
from lib.embed import embedder, spaces
from lib.errors import ArtifactError, QueryError
from lib.measure import robustness
from lib.prepare import workspace
from lib.retrieval import search
from lib.retrieval.search import SearchableSpace
from lib.search.metrics import METRICS, reference
from lib.settings import Settings
from tests.conftest import COPY, COPY_OF

Load = Callable[[str], SearchableSpace]


@pytest.mark.parametrize("space", ["pixels", "resnet18"])
def test_ranks_equal_the_reference(loaded: Load, space: str) -> None:
    there = loaded(space)
    rng = np.random.default_rng(0)
    rows = [0, 17, there.catalog.row(COPY_OF) or 0]
    vectors = np.stack([there.gallery.vectors[rng.integers(len(there.gallery))] for _ in rows])
    copy = there.catalog.row(COPY)
    for row, vector, seen in zip(rows, vectors, robustness.rank_originals(there, rows, vectors, 5), strict=True):
        others = [each for each in range(len(there.gallery)) if each != copy or row != rows[2]]
        for name, found in seen.items():
            values = reference(name, vector, np.asarray(there.gallery.vectors))
            sign = -1 if METRICS[name].higher_is_closer else 1
            ranking = [each for _, each in sorted((sign * values[each], each) for each in others)]
            assert found.rank == ranking.index(row) + 1
            assert found.gallery == len(others)
            assert [each for each, _ in found.answers] == ranking[:5]
            assert found.value == pytest.approx(values[row])


def test_the_stored_vector_finds_its_own_photo_first(loaded: Load) -> None:
    there = loaded("resnet18")
    row = there.catalog.row(COPY_OF)
    assert row is not None
    seen = robustness.rank_originals(there, [row], there.gallery.vectors[[row]], 3)[0]
    assert {found.rank for found in seen.values()} == {1}
    assert all(found.answers[0][0] == row and found.answers[1][0] != there.catalog.row(COPY) for found in seen.values())


def test_a_sweep_is_what_single_looks_say(loaded: Load) -> None:
    there = loaded("pixels")
    kind, rows = DISTORTIONS["crop"], [2, 9, 30]
    embed = embedder.embedder(spaces.get("pixels"), None)
    told: list[int] = []
    found = robustness.sweep(there, kind, embed, rows, lambda done, total: told.append(done))
    assert told == [1, 2, 3]
    assert len(found) == len(METRICS) * (1 + len(kind.levels))
    labels = there.catalog.frame["label"].to_numpy()
    for line in found:
        looks = []
        for row in rows:
            picture = distorted(there.catalog.open(row), {kind.name: line["level"]})
            vector = embedder.query_vector(embed, picture)
            looks.append(robustness.rank_originals(there, [row], vector[None], robustness.K + 1)[0][line["metric"]])
        assert line["first"] == pytest.approx(np.mean([look.rank == 1 for look in looks]))
        assert line["rank"] == np.median([look.rank for look in looks])
        others = [[at for at, _ in look.answers if at != row][:10] for look, row in zip(looks, rows, strict=True)]
        right = [np.mean(labels[each] == labels[row]) for each, row in zip(others, rows, strict=True)]
        assert line["precision"] == pytest.approx(np.mean(right))
        if line["level"] == kind.neutral:
            assert (line["first"], line["kept"]) == (1.0, 1.0)
    with pytest.raises(QueryError, match="no image to change"):
        robustness.sweep(there, kind, embed, [])


def test_a_sweep_is_kept_with_where_it_comes_from(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    there = search.load_space(opened, "pixels")
    kind = DISTORTIONS["flip"]
    embed = embedder.embedder(spaces.get("pixels"), None)
    first = robustness.measure(opened, there, kind, lambda: embed)
    assert first["space_fingerprint"] == opened.space("pixels")["fingerprint"]
    assert first["queries"] == len(robustness.sample(there))

    def never() -> embedder.Embedder:
        raise AssertionError("measured again")

    assert robustness.measure(opened, there, kind, never) == first
    path = robustness.path(opened, "pixels", kind, there.catalog.contents, there.catalog.seed)
    assert json.loads(path.read_text()) == first
    other = there.catalog.reseeded(5)
    assert robustness.path(opened, "pixels", kind, other.contents, other.seed) != path
    path.write_text("{ not json")
    with pytest.raises(ArtifactError, match="cannot be read"):
        robustness.measure(opened, there, kind, never)


def test_the_sample_is_of_test_photos_where_there_are_any(loaded: Load) -> None:
    there = loaded("pixels")
    splits = there.catalog.frame["split"].to_numpy()
    rows = robustness.sample(there)
    assert rows == sorted(set(rows)) and set(splits[rows]) == {"test"}
    untested = replace(there.catalog, frame=there.catalog.frame.assign(split="train"))
    assert len(robustness.sample(replace(there, catalog=untested), 8)) == 8
