"""Near-duplicates and leaks: planted copies are found, unrelated photos are not, and scores without them are honest."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from lib.data.catalog import Catalog
from lib.measure import leaks
from lib.prepare import pipeline, workspace
from lib.search.near_duplicates import NearDuplicates
from lib.settings import Settings

PLANTED = 50


def altered(image: Image.Image, kind: int, rng: np.random.Generator) -> Image.Image:
    """A copy as people make them: smaller, cropped, or with another brightness."""
    width, height = image.size
    if kind == 0:
        scale = rng.uniform(0.4, 1)
        return image.resize((round(width * scale), round(height * scale)))
    if kind == 1:
        w, h = (round(side * share) for side, share in zip(image.size, rng.uniform(0.65, 0.92, 2), strict=True))
        left, top = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
        return image.crop((left, top, left + w, top + h))
    return ImageEnhance.Brightness(image).enhance(float(rng.choice([0.5, 0.6, 0.7, 1.3, 1.5, 1.7])))


def plant(photos: Path, folder: Path, per_class: int, copies: int, seed: int) -> set[frozenset[str]]:
    """Copy `per_class` photos of each class into `folder`, then plant altered copies of some: the pairs of ids."""
    rng = np.random.default_rng(seed)
    ids = []
    for source in sorted(path for path in photos.iterdir() if path.is_dir()):
        files = sorted(source.iterdir())
        (folder / source.name).mkdir(parents=True)
        for number in rng.choice(len(files), min(per_class, len(files)), replace=False):
            shutil.copy(files[number], folder / source.name)
            ids.append(f"{source.name}/{files[number].name}")
    pairs = set()
    for number, chosen in enumerate(rng.choice(len(ids), copies, replace=False)):
        original = folder / ids[chosen]
        copy = original.with_name(f"{original.stem}_planted.jpg")
        kind = number % 3
        quality = int(rng.integers(15, 60)) if kind == 0 else 90
        altered(Image.open(original).convert("RGB"), kind, rng).save(copy, quality=quality)
        pairs.add(frozenset({ids[chosen], copy.relative_to(folder).as_posix()}))
    return pairs


def pairs_of(near: NearDuplicates, catalog: Catalog) -> set[frozenset[str]]:
    return {frozenset({catalog.ids[a], catalog.ids[b]}) for a, b in near.rows.tolist()}


@pytest.mark.slow
def test_planted_copies_of_real_photos_are_found(photos: Path, tmp_path: Path) -> None:
    planted = plant(photos, tmp_path / "data", 200, PLANTED, seed=1)
    settings = Settings(data=tmp_path / "data", artifacts=tmp_path / "artifacts", weights="bundled", offline=True)
    pipeline.prepare(settings)
    opened = workspace.open_workspace(settings)
    catalog = opened.catalog()
    found = pairs_of(leaks.find(opened, catalog), catalog)
    assert len(planted & found) >= 0.9 * PLANTED
    assert len(found - planted) <= 10
