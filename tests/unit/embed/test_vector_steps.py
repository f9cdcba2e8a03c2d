"""Steps of derived spaces against plain float64 formulas; what they learn comes from the training rows alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.embed import vector_steps
from lib.errors import QueryError

ROWS, DIM, TRAINING = 60, 12, np.arange(0, 40)


def _vectors(seed: int = 0, rows: int = ROWS, dim: int = DIM) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, dim)) @ rng.normal(size=(dim, dim)) + 3).astype(np.float32)


def _by_numpy(step: str, x: np.ndarray, training: np.ndarray) -> np.ndarray:
    """The formulas of docs/derived.md, in float64, on whole arrays."""
    learned = x[training]
    mean = learned.mean(axis=0)
    if step == "l2":
        return x / np.linalg.norm(x, axis=1, keepdims=True)
    if step == "centre":
        return x - mean
    if step == "int8":
        return np.clip(np.rint(x * 127 / np.abs(learned).max()), -127, 127)
    if step == "binary":
        return (x > mean).astype(float)
    if step == "power0.5":
        return np.sign(x) * np.sqrt(np.abs(x))
    _, singular, axes = np.linalg.svd(learned - mean, full_matrices=False)
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    if step == "pca4":
        return (x - mean) @ axes[:4].T
    variance = singular**2 / (len(learned) - 1)
    shrunk = 0.99 * variance + 0.01 * variance.sum() / x.shape[1]
    return (x - mean) @ axes.T / np.sqrt(shrunk)


@pytest.mark.parametrize(
    "chain",
    [
        ["l2"],
        ["centre", "power0.5"],
        ["pca4"],
        ["whiten"],
        ["whiten", "pca4"],
        ["l2", "centre", "pca4", "l2"],
        ["power0.5", "l2", "whiten"],
    ],
)
def test_a_chain_is_the_formulas_one_after_the_other(chain: list[str]) -> None:
    x = _vectors()
    expected = x.astype(np.float64)
    for step in chain:
        expected = _by_numpy(step, expected, TRAINING)
    made, learned = vector_steps.fit([vector_steps.parse(step) for step in chain], x, TRAINING)
    assert made == pytest.approx(expected, rel=1e-3, abs=2e-4)
    # Vectors from elsewhere become what they would be among the photos, and nothing is overwritten.
    again = vector_steps.apply([vector_steps.parse(step) for step in chain], x[50:], learned)
    assert again == pytest.approx(made[50:], abs=1e-5)
    assert np.array_equal(x, _vectors())


@pytest.mark.parametrize("step", ["int8", "binary"])
def test_compression_rounds_as_the_formula_does(step: str) -> None:
    x = _vectors(1)
    made, _ = vector_steps.fit([vector_steps.parse(step)], x, TRAINING)
    wanted = _by_numpy(step, x.astype(np.float64), TRAINING)
    # float32 may round a value in the middle between two codes to the other side.
    assert (made == wanted).mean() > 0.99
    assert np.abs(made - wanted).max() <= 1
    assert np.array_equal(made, np.rint(made))
    assert np.abs(made).max() <= 127


def test_the_l1_distance_of_bits_is_their_hamming_distance() -> None:
    bits, _ = vector_steps.fit([vector_steps.parse("binary")], _vectors(2), TRAINING)
    packed = np.packbits(bits.astype(bool), axis=1)
    assert packed.shape[1] == vector_steps.parse("binary").stored_bytes(DIM)
    hamming = np.unpackbits(packed[0] ^ packed[1]).sum()
    assert np.abs(bits[0] - bits[1]).sum() == hamming


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["centre", "pca3", "whiten", "int8", "binary"]))
def test_other_photos_than_those_of_training_change_nothing_that_is_learned(seed: int, name: str) -> None:
    x = _vectors(seed)
    other = x.copy()
    other[len(TRAINING) :] = np.random.default_rng(seed).normal(size=(ROWS - len(TRAINING), DIM)) * 100
    step = vector_steps.parse(name)
    a, b = (vector_steps.fit([step], each, TRAINING) for each in (x, other))
    assert all(np.array_equal(a[1][0][key], b[1][0][key]) for key in a[1][0])
    assert np.array_equal(a[0][TRAINING], b[0][TRAINING])


def test_whitened_training_vectors_have_the_identity_as_covariance() -> None:
    made, _ = vector_steps.fit([vector_steps.parse("whiten0.000000001")], _vectors(3), TRAINING)
    assert np.cov(made[TRAINING].T) == pytest.approx(np.eye(DIM), abs=1e-3)
    shrunk, _ = vector_steps.fit([vector_steps.parse("whiten0.5")], _vectors(3), TRAINING)
    variances = np.var(shrunk[TRAINING], axis=0, ddof=1)
    assert (np.diff(variances) <= 1e-4).all()
    assert variances.max() > 1 > variances.min()


def test_components_are_the_same_by_photos_and_by_dimensions() -> None:
    """Where photos are fewer than dimensions, their products give the components, of raw pixels, too."""
    pixels = np.random.default_rng(0).integers(0, 256, size=(30, 2000), dtype=np.uint8)
    training = np.arange(20)
    made, learned = vector_steps.fit([vector_steps.parse("pca5")], pixels, training)
    x = pixels.astype(np.float64) / 255
    x -= x[training].mean(axis=0)
    _, _, axes = np.linalg.svd(x[training], full_matrices=False)
    axes = axes[:5] * np.sign(axes[np.arange(5), np.abs(axes[:5]).argmax(axis=1)])[:, None]
    assert made == pytest.approx(x @ axes.T, abs=1e-3)
    assert learned[0]["directions"].dtype == made.dtype == np.float32
    tall = _vectors(4, 200, 6)
    by_dimensions = vector_steps.principal_axes(tall, np.arange(200), 6)
    _, _, axes = np.linalg.svd(tall - tall.mean(axis=0, dtype=np.float64), full_matrices=False)
    assert np.abs(by_dimensions.directions @ axes.T) == pytest.approx(np.eye(6), abs=1e-4)


def test_vectors_without_a_direction_stay_finite() -> None:
    x = np.zeros((10, 3), dtype=np.float32)
    for step in ("l2", "centre", "power0.5", "int8", "binary"):
        assert np.array_equal(vector_steps.fit([vector_steps.parse(step)], x, np.arange(8))[0], x)
    with pytest.raises(QueryError, match="nothing to whiten"):
        vector_steps.fit([vector_steps.parse("whiten")], x, np.arange(8))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("foo", "no step called 'foo'"),
        ("", "no step called ''"),
        ("pca", "no number of principal components"),
        ("pca0", "no number of principal components"),
        ("pca2.5", "no number of principal components"),
        ("pca9999999", "no number of principal components"),
        ("power0", "is no power"),
        ("power-1", "is no power"),
        ("power1e3", "is no power"),
        ("powernan", "is no power"),
        ("whiten1", "no number between 0 and 1"),
    ],
)
def test_a_step_that_does_not_exist_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(QueryError, match=sentence):
        vector_steps.parse(text)


def test_more_components_than_the_training_photos_determine_are_refused() -> None:
    with pytest.raises(QueryError, match=r"5 training photos .* determine 4; write at most \+pca4"):
        vector_steps.fit([vector_steps.parse("pca9")], _vectors(), np.arange(5))
    with pytest.raises(QueryError, match="No photo is in the training split"):
        vector_steps.fit([vector_steps.parse("centre")], _vectors(), np.arange(0))
