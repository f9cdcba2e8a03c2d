"""lib.measure.robustness against plain float64 rankings."""

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


@pytest.mark.parametrize("name_of_space", ["pixels", "resnet18"])
def test_ranks_equal_the_reference(loaded: Load, name_of_space: str) -> None:
    space = loaded(name_of_space)
    rng = np.random.default_rng(0)
    rows = [0, 17, space.catalog.row(COPY_OF) or 0]
    vectors = np.stack([space.gallery.vectors[rng.integers(len(space.gallery))] for _ in rows])
    copy = space.catalog.row(COPY)
    for row, vector, by_metric in zip(rows, vectors, robustness.rank_originals(space, rows, vectors, 5), strict=True):
        others = [each for each in range(len(space.gallery)) if each != copy or row != rows[2]]
        for name, result in by_metric.items():
            values = reference(name, vector, np.asarray(space.gallery.vectors))
            sign = -1 if METRICS[name].higher_is_closer else 1
            ranking = [each for _, each in sorted((sign * values[each], each) for each in others)]
            assert result.rank == ranking.index(row) + 1
            assert result.gallery == len(others)
            assert [each for each, _ in result.results] == ranking[:5]
            assert result.value == pytest.approx(values[row])


def test_the_stored_vector_finds_its_own_photo_first(loaded: Load) -> None:
    space = loaded("resnet18")
    row = space.catalog.row(COPY_OF)
    assert row is not None
    by_metric = robustness.rank_originals(space, [row], space.gallery.vectors[[row]], 3)[0]
    assert {result.rank for result in by_metric.values()} == {1}
    assert all(
        result.results[0][0] == row and result.results[1][0] != space.catalog.row(COPY) for result in by_metric.values()
    )


def test_a_sweep_aggregates_the_ranks_of_single_images(loaded: Load) -> None:
    space = loaded("pixels")
    kind, rows = DISTORTIONS["crop"], [2, 9, 30]
    embed = embedder.embedder(spaces.get("pixels"), None)
    progress: list[int] = []
    result = robustness.sweep(space, kind, embed, rows, lambda done, total: progress.append(done))
    assert progress == [1, 2, 3]
    assert len(result) == len(METRICS) * (1 + len(kind.levels))
    labels = space.catalog.frame["label"].to_numpy()
    for line in result:
        ranks = []
        for row in rows:
            picture = distorted(space.catalog.open(row), {kind.name: line["level"]})
            vector = embedder.query_vector(embed, picture)
            ranks.append(robustness.rank_originals(space, [row], vector[None], robustness.K + 1)[0][line["metric"]])
        assert line["first"] == pytest.approx(np.mean([ranked.rank == 1 for ranked in ranks]))
        assert line["rank"] == np.median([ranked.rank for ranked in ranks])
        others = [[at for at, _ in ranked.results if at != row][:10] for ranked, row in zip(ranks, rows, strict=True)]
        precision = [np.mean(labels[each] == labels[row]) for each, row in zip(others, rows, strict=True)]
        assert line["precision"] == pytest.approx(np.mean(precision))
        if line["level"] == kind.neutral:
            assert (line["first"], line["kept"]) == (1.0, 1.0)
    with pytest.raises(QueryError, match=robustness.NO_IMAGES):
        robustness.sweep(space, kind, embed, [])


def test_a_sweep_is_stored_with_its_provenance(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    space = search.load_space(opened, "pixels")
    kind = DISTORTIONS["flip"]
    embed = embedder.embedder(spaces.get("pixels"), None)
    first = robustness.measure(opened, space, kind, lambda: embed)
    assert first["space_fingerprint"] == opened.space("pixels")["fingerprint"]
    assert first["queries"] == len(robustness.sample(space))

    def refuse() -> embedder.Embedder:
        raise AssertionError("measured again")

    assert robustness.measure(opened, space, kind, refuse) == first
    path = robustness.sweep_file(opened, "pixels", kind, space.catalog.contents, space.catalog.seed)
    assert json.loads(path.read_text()) == first
    other = space.catalog.reseeded(5)
    assert robustness.sweep_file(opened, "pixels", kind, other.contents, other.seed) != path
    path.write_text("{ not json")
    with pytest.raises(ArtifactError, match="cannot be read"):
        robustness.measure(opened, space, kind, refuse)


def test_the_sample_is_of_test_photos_if_any(loaded: Load) -> None:
    space = loaded("pixels")
    splits = space.catalog.frame["split"].to_numpy()
    rows = robustness.sample(space)
    assert rows == sorted(set(rows)) and set(splits[rows]) == {"test"}
    untested = replace(space.catalog, frame=space.catalog.frame.assign(split="train"))
    assert len(robustness.sample(replace(space, catalog=untested), 8)) == 8
