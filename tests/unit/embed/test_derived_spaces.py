"""Names of derived spaces, joined spaces, and what the state file keeps of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.embed import derived_spaces, spaces
from lib.errors import ArtifactError, QueryError


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("resnet18+whiten+pca128", "resnet18+whiten+pca128"),
        ("resnet18+pca0064", "resnet18+pca64"),
        ("transfer+center", "resnet18+centre"),
        ("resnet18+power.5", None),
        ("resnet18+power0.50", "resnet18+power0.5"),
        ("resnet18+whiten0.01", "resnet18+whiten"),
        ("resnet18~transfer", "resnet18~resnet18"),
        ("resnet18+l2~init~pixels+pca3", "resnet18+l2~init~pixels+pca3"),
    ],
)
def test_a_name_has_one_spelling(name: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(QueryError):
            spaces.get(name)
        return
    space = spaces.get(name)
    assert space.name == canonical
    assert spaces.get(space.name).definition == space.definition
    assert space.group == "derived"
    assert set(space.bases) <= spaces.SPACES.keys()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet18+foo", "no step called 'foo'"),
        ("nothing+l2", "no space called 'nothing'"),
        ("resnet18~nothing", "no space called 'nothing'"),
        ("resnet18++l2", "nothing before or after"),
        ("+l2", "nothing before or after"),
        ("resnet18~", "nothing before or after"),
        ("resnet18" + "+l2" * 40, "at most 120 letters|at most 8 steps"),
        ("resnet18" + "+l2" * 9, "at most 8 steps, not 9"),
        ("x" * 5000 + "+l2", "at most 120 letters, not 5,003"),
    ],
)
def test_a_name_that_describes_nothing_is_refused_in_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(QueryError, match=sentence):
        spaces.get(name)


def test_joined_vectors_have_length_one_and_the_mean_of_the_cosines() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 8)).astype(np.float32), rng.normal(size=(20, 3)).astype(np.float32) * 50
    both = derived_spaces.joined([a, b])
    assert np.linalg.norm(both, axis=1) == pytest.approx(1, abs=1e-5)

    def cosines(x: np.ndarray) -> np.ndarray:
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        return unit @ unit.T

    assert both @ both.T == pytest.approx((cosines(a) + cosines(b)) / 2, abs=1e-5)
    pixels = rng.integers(0, 256, size=(20, 8), dtype=np.uint8)
    assert derived_spaces.joined([pixels, b]) == pytest.approx(
        derived_spaces.joined([pixels.astype(np.float32) / 255, b]), abs=1e-6
    )


def test_what_is_learned_stays_apart_before_and_after_a_join() -> None:
    rng = np.random.default_rng(1)
    vectors = {"resnet18": rng.normal(size=(30, 6)).astype(np.float32), "init": rng.normal(size=(30, 4)).astype("f4")}
    parts = derived_spaces._parts("resnet18+centre+pca3~init+centre+int8")
    made, learned = derived_spaces._fit(parts, vectors, np.arange(20))
    assert made.shape == (30, 7)
    rest = {name: values[25:] for name, values in vectors.items()}
    assert derived_spaces._apply(parts, rest, learned) == pytest.approx(made[25:], abs=1)
    assert {key.rsplit(".", 1)[0] for key in learned} == {"0.0", "0.1", "1.0", "1.1"}


def test_the_definition_in_the_state_file_makes_the_space_again_or_is_refused() -> None:
    space = spaces.get("resnet18+pca8")
    definition = {**(space.definition or {}), "dim": 8}
    again = spaces.defined(space.name, definition, Path())
    assert (again.dim, again.bases, again.title) == (8, ("resnet18",), space.title)
    for damaged in ({**definition, "dim": 0}, {**definition, "chain": ["init", "+pca8"]}, {"kind": "derived"}):
        with pytest.raises(ArtifactError, match="do not belong together"):
            spaces.defined(space.name, damaged, Path())
    with pytest.raises(ArtifactError, match="describes no derived space"):
        spaces.defined("resnet18+foo", definition, Path())


@pytest.mark.parametrize(
    ("name", "dim", "size"),
    [
        ("resnet18", 512, 2048),
        ("pixels", 10, 10),
        ("resnet18+pca100", 100, 400),
        ("resnet18+pca100+int8", 100, 100),
        ("resnet18+binary", 509, 64),
        ("resnet18+int8+l2", 512, 2048),
        ("resnet18+int8~init", 1024, 4096),
    ],
)
def test_bytes_of_a_vector_are_those_of_a_packed_store(name: str, dim: int, size: int) -> None:
    assert derived_spaces.stored_bytes(spaces.get(name), dim) == size


def test_a_derived_space_loads_the_network_of_its_base() -> None:
    assert spaces.loads_network(spaces.get("resnet18+l2"))
    assert spaces.loads_network(spaces.get("pixels~resnet18"))
    assert not spaces.loads_network(spaces.get("pixels+pca8"))
    assert not spaces.loads_network(replace(spaces.get("resnet18+l2"), of_query=None))
