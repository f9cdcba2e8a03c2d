"""The drawn data set: deterministic, whole or absent, and the same for any number of processes."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lib.errors import DataError
from lib.synthetic_flowers.dataset import generate
from lib.synthetic_flowers.recipe_file import is_complete
from lib.synthetic_flowers.renderer import render
from lib.synthetic_flowers.scene import FACTORS, SPECIES, draw
from lib.synthetic_flowers.surfaces import Light, Surface

SIZE = 48


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "flowers"
    generate(root, per_class=2, size=SIZE, seed=3, workers=1)
    return root


@pytest.mark.parametrize("species", SPECIES)
def test_a_picture_depends_on_species_and_seed_only(species: str) -> None:
    first, factors = draw(species, 11, SIZE)
    again, same = draw(species, 11, SIZE)
    assert np.array_equal(first, again)
    assert factors == same
    assert not np.array_equal(first, draw(species, 12, SIZE)[0])


@pytest.mark.parametrize("species", SPECIES)
def test_every_species_draws_under_many_seeds(species: str) -> None:
    for seed in range(12):
        pixels, factors = draw(species, seed, SIZE)
        assert pixels.shape == (SIZE, SIZE, 3)
        assert pixels.dtype == np.uint8
        assert pixels.std() > 5, f"{species} {seed} is almost blank"
        assert set(factors) == set(FACTORS)


def square(half: float, z: float, colour: float, **kwargs: Any) -> Surface:
    """A flat square of one grey, 2 × half wide, facing the viewer."""
    side = np.linspace(-half, half, 5, dtype=np.float32)
    y, x = np.meshgrid(side, side, indexing="ij")
    points = np.stack([x, y, np.full_like(x, z)], axis=-1)[None]
    return Surface(points, lambda u, v, k: np.full((3, len(u)), colour, np.float32), gloss=0, **kwargs)


def lamp(z: float) -> Light:
    white = np.ones(3, np.float32)
    return Light(np.array([0, (1 - z * z) ** 0.5, z], np.float32), white, white * 0.2, white * 0.2)


def test_a_surface_covers_its_area_without_holes() -> None:
    layer = render([square(0.5, 0, 0.5)], [], lamp(0.9), 128)
    assert abs(layer.cover.sum() - 64 * 64) <= 2 * 64
    assert layer.cover[34:94, 34:94].all()
    assert not layer.cover[:30].any()


def test_the_nearer_surface_hides_the_further() -> None:
    for order in (1, -1):
        layer = render([square(0.5, -0.5, 0.9), square(0.25, 0.5, 0.1)][::order], [], lamp(0.9), 128)
        assert layer.colour[64, 64].mean() < 0.5 * layer.colour[40, 40].mean()
        assert layer.depth[64, 64] == pytest.approx(0.5, abs=0.01)


def test_a_cut_removes_what_it_says() -> None:
    layer = render([square(0.5, 0, 0.5, cut=lambda u, v: (v < 0) & (u < 2))], [], lamp(0.9), 128)
    assert layer.cover[64, 40] == 1
    assert layer.cover[64, 90] == 0


def test_light_from_behind_shines_through_thin_petals_only() -> None:
    thin, thick = (render([square(0.5, 0, 0.8, through=t)], [], lamp(-0.8), 64).colour[32, 32, 0] for t in (0.6, 0))
    assert thin > 1.5 * thick


def test_sizes_show_the_same_scene() -> None:
    small, large = draw("sunflower", 5, 64)[0], draw("sunflower", 5, 128)[0]
    assert large.shape == (128, 128, 3)
    halved = np.asarray(Image.fromarray(large).resize((64, 64), Image.Resampling.BOX))
    assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.7


def test_an_unknown_species_is_named() -> None:
    with pytest.raises(DataError, match="orchid"):
        draw("orchid", 0, SIZE)


def test_the_table_matches_the_pictures(small_set: Path) -> None:
    with (small_set / "factors.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    pictures = sorted(path.relative_to(small_set).as_posix() for path in small_set.rglob("*.jpg"))
    assert [row["id"] for row in rows] == pictures
    assert pictures[:2] == ["daisy/daisy_0001.jpg", "daisy/daisy_0002.jpg"]
    assert len(pictures) == 2 * len(SPECIES)
    for row in rows:
        assert row["species"] == row["id"].split("/", maxsplit=1)[0]
        with Image.open(small_set / row["id"]) as picture:
            assert (picture.size, picture.mode, picture.format) == ((SIZE, SIZE), "RGB", "JPEG")


def test_the_table_tells_how_to_draw_a_picture_again(small_set: Path) -> None:
    with (small_set / "factors.csv").open(newline="", encoding="utf-8") as lines:
        row = list(csv.DictReader(lines))[-1]
    again = draw(row["species"], int(row["seed"]), SIZE)[0].astype(int)
    with Image.open(small_set / row["id"]) as picture:
        assert np.abs(np.asarray(picture).astype(int) - again).mean() < 4  # what JPEG loses


def test_the_number_of_workers_does_not_matter(small_set: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    root = tmp_path / "two"
    generate(root, per_class=2, size=SIZE, seed=3, workers=2, progress=lambda done, total: calls.append((done, total)))
    assert files(root) == files(small_set)
    assert calls == [(number, 10) for number in range(1, 11)]


def test_another_seed_gives_other_pictures(small_set: Path, tmp_path: Path) -> None:
    root = tmp_path / "other"
    generate(root, per_class=1, size=SIZE, seed=4, workers=1)
    pictures, other_pictures = files(root), files(small_set)
    assert all(pictures[name] != other_pictures[name] for name in pictures)


def test_what_an_interrupted_run_left_is_replaced(tmp_path: Path) -> None:
    root = tmp_path / "flowers"

    def interrupt(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(root, per_class=1, size=SIZE, workers=1, progress=interrupt)
    assert not root.exists()
    assert not is_complete(root)
    (partial,) = tmp_path.iterdir()
    (partial / "daisy" / "stray.jpg").write_bytes(b"not ours")
    generate(root, per_class=1, size=SIZE, workers=1)
    assert is_complete(root)
    assert [path.name for path in tmp_path.iterdir()] == ["flowers"]
    assert not (root / "daisy" / "stray.jpg").exists()


def test_a_complete_set_is_left_alone(small_set: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_set.rglob("*")}
    generate(small_set, per_class=7, size=SIZE, seed=99, workers=1)
    assert {path: path.stat().st_mtime_ns for path in small_set.rglob("*")} == before


def test_a_folder_of_something_else_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match="neither empty nor"):
        generate(tmp_path, per_class=1, size=SIZE, workers=1)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"mine"


def test_a_set_that_lost_a_picture_is_not_complete(tmp_path: Path) -> None:
    root = tmp_path / "flowers"
    generate(root, per_class=1, size=SIZE, workers=1)
    assert is_complete(root)
    next(root.rglob("*.jpg")).unlink()
    assert not is_complete(root)


def test_a_worker_imports_nothing_heavy() -> None:
    code = (
        "import sys, lib.synthetic_flowers.dataset, lib.synthetic_flowers.scene as s; s.draw('daisy', 0, 32);"
        "print([m for m in ('torch', 'streamlit', 'plotly', 'pandas', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
