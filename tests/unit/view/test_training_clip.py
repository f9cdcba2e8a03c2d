"""lib.view.figures.training_clip: a GIF that other programs decode."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lib.view.figures import training_clip
from lib.view.figures.training_clip import Clip


def clip(epochs: int, n: int = 30) -> Clip:
    rng = np.random.default_rng(0)
    planes = {epoch: rng.normal(size=(n, 2)).astype(np.float32) for epoch in range(epochs)}
    shares = dict.fromkeys(planes, 0.5)
    return Clip(
        planes,
        [("rose", "花 <b>")[i % 2] for i in range(n)],
        {"rose": "#0072B2", "花 <b>": "#E69F00"},
        shares,
        shares,
        "Initialisation, seed 0, 92.6% test",
        "30 validation photos",
        json.dumps({"run": "init-quick-s0"}),
    )


def decoded(data: bytes) -> Any:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("epochs", [1, 2, 5, 100])
@pytest.mark.parametrize("dark", [False, True])
def test_a_clip_has_its_size_frames_length_and_comment(epochs: int, dark: bool) -> None:
    image = decoded(training_clip.gif(clip(epochs), dark=dark))
    assert (image.format, image.size) == ("GIF", training_clip.SIZE)
    assert json.loads(image.info["comment"]) == {"run": "init-quick-s0"}
    steps = max(1, min(training_clip.STEPS, training_clip.MOST_FRAMES // max(1, epochs - 1)))
    assert image.n_frames == (epochs - 1) * steps + 1
    milliseconds = 0
    for frame in range(image.n_frames):
        image.seek(frame)
        milliseconds += image.info.get("duration", 0)
    if epochs > 1:
        hold = training_clip.HOLD_MS if epochs <= 12 else 2 * training_clip.STEP_MS
        least = (epochs - 1) * (hold + (steps - 1) * training_clip.STEP_MS) + training_clip.LAST_MS
        assert milliseconds == pytest.approx(least, abs=10 * image.n_frames)  # GIF counts hundredths of a second


def test_points_are_drawn_in_the_colours_of_their_classes_on_the_chosen_ground() -> None:
    for dark, ground in ((False, (255, 255, 255)), (True, (22, 19, 26))):
        image = decoded(training_clip.gif(clip(2), dark=dark)).convert("RGB")
        colours = [colour for _, colour in image.getcolors(1 << 20)]
        for wanted in (ground, (0, 114, 178), (230, 159, 0)):
            assert min(max(abs(a - b) for a, b in zip(wanted, colour, strict=True)) for colour in colours) <= 8


def test_a_plane_without_extent_is_drawn() -> None:
    flat = Clip({0: np.zeros((2, 2), np.float32)}, ["a", "b"], {"a": "#000000"}, {}, {}, "", "", "")
    assert decoded(training_clip.gif(flat, dark=False)).n_frames == 1
