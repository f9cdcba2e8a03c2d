"""lib.view.figures.spotlight: photos stay as they are in the light, and are dark where nothing was found."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lib.view.figures import spotlight

WHOLE = (0.0, 0.0, 100.0, 100.0)


def brightness(levels: list[list[float]], box: tuple[float, float, float, float] = WHOLE) -> np.ndarray:
    """The kept share of a white photo, (60, 80)."""
    lit = spotlight.lit(Image.new("RGB", (80, 60), "white"), np.array(levels), box)
    assert lit.size == (80, 60)
    return np.asarray(lit)[..., 0] / 255


def test_full_light_keeps_the_photo_and_none_leaves_it_dark() -> None:
    assert np.allclose(brightness([[1.0]]), 1)
    assert np.allclose(brightness([[0.0, 0.0], [0.0, 0.0]]), spotlight.DARK, atol=0.01)


def test_light_lies_at_its_position() -> None:
    values = brightness([[0.0, 1.0], [0.0, 0.0]])
    assert values[:10, -10:].min() > 0.9
    assert values[-10:].max() < 0.3 and values[:, :10].max() < 0.3


def test_what_the_network_did_not_see_is_dark() -> None:
    values = brightness([[1.0]], box=(25.0, 0.0, 75.0, 100.0))
    assert np.allclose(values[:, 20:60], 1)
    assert values[:, :20].max() == values[:, 60:].max() == pytest.approx(spotlight.DARK, abs=0.01)
    assert np.allclose(brightness([[1.0]], box=(50.0, 50.0, 50.0, 50.0)), spotlight.DARK, atol=0.01)
