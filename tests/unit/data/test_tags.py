"""Tags: names for selections, kept by picture, and what they filter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.data import tags
from lib.errors import ArtifactError, QueryError
from lib.measure import traits
from lib.prepare.workspace import Workspace
from lib.retrieval import search
from lib.retrieval.query import find_query
from lib.retrieval.tag_filter import tag_filter
from tests.conftest import COPY, COPY_OF


def test_a_tag_is_kept_by_picture_and_survives_a_move(opened: Workspace, tmp_path: Path) -> None:
    photos = opened.catalog()
    row = photos.row(COPY_OF)
    assert row is not None
    tags.put(tmp_path, "  blurred \n roses ", {photos.hashes[row], "of a photo that is gone"})
    kept = tags.read(tmp_path)
    assert kept.names == ["blurred roses"]
    assert [photos.ids[each] for each in kept.rows("blurred roses", photos)] == sorted([COPY, COPY_OF])
    moved = replace(photos, frame=photos.frame.assign(id=[f"moved/{name}" for name in photos.ids]))
    assert [moved.ids[each] for each in kept.rows("blurred roses", moved)] == [f"moved/{COPY}", f"moved/{COPY_OF}"]
    assert kept.of(photos.hashes[row]) == ["blurred roses"] and kept.of("other") == []


def test_a_name_is_replaced_and_the_last_tag_leaves_no_file(tmp_path: Path) -> None:
    tags.put(tmp_path, "10", {"a"})
    tags.put(tmp_path, "9", {"a", "b"})
    assert tags.put(tmp_path, "9", {"c"}).names == ["9", "10"]
    assert tags.read(tmp_path).pictures["9"] == {"c"}
    tags.delete(tmp_path, "9")
    tags.delete(tmp_path, "not there")
    tags.delete(tmp_path, "10")
    assert not (tmp_path / tags.NAME).exists() and tags.read(tmp_path).names == []


@pytest.mark.parametrize(
    ("name", "pictures", "sentence"),
    [
        (" ", {"a"}, "needs a name"),
        ("x" * 61, {"a"}, "61 characters; at most 60"),
        ("empty", set(), "Nothing is selected"),
    ],
)
def test_a_bad_tag_is_refused_in_a_sentence(tmp_path: Path, name: str, pictures: set[str], sentence: str) -> None:
    with pytest.raises(QueryError, match=sentence):
        tags.put(tmp_path, name, pictures)
    assert not (tmp_path / tags.NAME).exists()


def test_damaged_tags_are_said_and_never_overwritten(tmp_path: Path) -> None:
    for text in ("{", '{"schema": 9, "tags": {}}', '{"schema": 1, "tags": []}', '{"schema": 1, "tags": {"": ["a"]}}'):
        (tmp_path / tags.NAME).write_text(text)
        with pytest.raises(ArtifactError, match="cannot be read"):
            tags.put(tmp_path, "new", {"a"})
        assert (tmp_path / tags.NAME).read_text() == text


def test_a_tag_filters_results_and_is_a_property_of_the_map(opened: Workspace, loaded, tmp_path: Path) -> None:
    photos = opened.catalog()
    rows = [photos.row(name) for name in ("tulip/02.jpg", "tulip/04.jpg", "daisy/03.png")]
    kept = tags.put(tmp_path, "mine", {photos.hashes[row] for row in rows if row is not None})
    chosen = tag_filter(photos, kept, [], [], ["mine"])
    found = search.search(
        opened, loaded("resnet18"), find_query(photos, "rose/00.jpg"), metric_name="cosine", k=9,
        answer_filter=chosen,
    )  # fmt: skip
    assert {result["id"] for result in found["results"]} == {"tulip/02.jpg", "tulip/04.jpg", "daisy/03.png"}
    assert "daisy/03.png" in chosen.expression() and chosen.expression().startswith("id in [")
    both = tag_filter(photos, kept, ["tulip"], [], ["mine"]).rows(photos)
    assert both is not None and [photos.labels[row] for row in both] == ["tulip", "tulip"]
    with pytest.raises(QueryError, match="There is no tag other; the tags are mine"):
        tag_filter(photos, kept, [], [], ["other"])
    with pytest.raises(QueryError, match="No image passes the filter rose and mine"):
        tag_filter(photos, kept, ["rose"], [], ["mine"]).rows(photos)

    (trait,) = traits.tag_traits(photos, kept).values()
    np.testing.assert_array_equal(np.nonzero(trait.values == "yes")[0], sorted(row for row in rows if row is not None))
    again = tags.put(tmp_path, "mine", {photos.hashes[0], photos.hashes[1], photos.hashes[2]})
    (other,) = traits.tag_traits(photos, again).values()
    assert other.name == trait.name and other.about != trait.about  # what is cached by the sentence is made anew


def test_every_tag_is_a_trait(opened: Workspace) -> None:
    photos = opened.catalog()
    kept = tags.Tags({f"tag {i}": frozenset(photos.hashes[i : i + 2]) for i in range(20)})
    found = traits.tag_traits(photos, kept)
    assert [trait.title for trait in found.values()] == [f"Tag {name}" for name in kept.names]
    for trait, name in zip(found.values(), kept.names, strict=True):
        assert np.nonzero(trait.values == "yes")[0].tolist() == kept.rows(name, photos)
