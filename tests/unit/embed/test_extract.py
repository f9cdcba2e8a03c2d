"""lib.embed.extract: every row belongs to its picture, nothing is embedded twice, nothing half-made is left."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.data import catalog as catalogs
from lib.data import images
from lib.data.catalog import Catalog
from lib.embed import embedder, extract, spaces
from lib.embed.embedder import Embedder
from lib.embed.extract import BATCH
from lib.embed.space import Space
from lib.errors import ArtifactError, DataError, WeightsError
from lib.learn import backbone
from lib.learn.backbone import Weights
from lib.learn.preprocess import Preprocess
from tests.conftest import COPY, COPY_OF, draw_photos, draw_picture

PIXELS, RESNET18 = spaces.get("pixels"), spaces.get("resnet18")
WEIGHTS = backbone.random(1)


class Counting:
    """Stands for the network: the mean colour in the first three places, and a record of what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []

    def make(self, space: Space, weights: Weights | None) -> Embedder:
        def embed(pictures: Sequence[Image.Image]) -> np.ndarray:
            self.batches.append([picture.tobytes() for picture in pictures])
            embedded = np.zeros((len(pictures), space.dim), space.dtype)
            embedded[:, :3] = [np.asarray(picture).reshape(-1, 3).mean(axis=0) for picture in pictures]
            return embedded

        return Embedder(lambda picture: picture, embed)

    @property
    def seen(self) -> set[bytes]:
        """Pixels of the different pictures that were embedded."""
        return {pixels for batch in self.batches for pixels in batch}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", per_class=4)


def build(root: Path) -> Catalog:
    return catalogs.build("photos", root, seed=0)


def run(catalog: Catalog, target: Path, previous: Path | None = None, weights: Weights = WEIGHTS) -> Counting:
    counting = Counting()
    extract.extract(
        RESNET18,
        catalog,
        weights,
        target,
        previous=extract.load(previous) if previous else None,
        make_embedder=counting.make,
    )
    return counting


def expected(catalog: Catalog) -> np.ndarray:
    means = [np.asarray(images.open_rgb(catalog.path(name))).reshape(-1, 3).mean(axis=0) for name in catalog.ids]
    return np.array(means, dtype=np.float32)


def stored(folder: Path) -> extract.Vectors:
    loaded = extract.load(folder)
    assert loaded is not None
    return loaded


# -- what is stored -------------------------------------------------------------------------------------------------


def test_rows_belong_to_the_catalog(root: Path, tmp_path: Path) -> None:
    catalog = build(root)
    counting = run(catalog, tmp_path / "made")
    vectors = stored(tmp_path / "made")
    np.testing.assert_allclose(vectors.values[:, :3], expected(catalog))
    assert vectors.belong_to(catalog)
    assert vectors.fingerprint == spaces.fingerprint(RESNET18, catalog.fingerprint, WEIGHTS)
    assert vectors.meta["space"]["weights"]["name"] == "random"
    assert isinstance(vectors.values, np.memmap)
    assert {len(batch) for batch in counting.batches} == {BATCH}  # 20 pictures: the last batch is filled up
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "photos"]


def test_pixels_are_stretched_and_flattened(root: Path, tmp_path: Path) -> None:
    catalog = build(root)
    extract.extract(PIXELS, catalog, None, tmp_path / "pixels")
    vectors = stored(tmp_path / "pixels")
    assert (vectors.values.shape, vectors.values.dtype) == ((20, 49_152), np.uint8)
    for row, name in enumerate(catalog.ids):
        picture = images.open_rgb(catalog.path(name)).resize((128, 128), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(vectors.values[row].reshape(128, 128, 3), np.asarray(picture))


def test_progress_ends_at_the_total(root: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    extract.extract(PIXELS, build(root), None, tmp_path / "p", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(16, 20), (20, 20)]


# -- nothing is embedded twice --------------------------------------------------------------------------------------


def test_copies_are_embedded_once(root: Path, tmp_path: Path) -> None:
    for number in range(3):
        Image.open(root / "rose" / "03.png").save(root / "tulip" / f"copy {number}.bmp")
    catalog = build(root)
    counting = run(catalog, tmp_path / "made")
    assert len(catalog.frame) == 23
    assert len(counting.seen) == 20
    np.testing.assert_allclose(stored(tmp_path / "made").values[:, :3], expected(catalog))


def test_one_changed_photo_is_the_only_one_that_is_embedded_again(root: Path, tmp_path: Path) -> None:
    run(build(root), tmp_path / "one")
    draw_picture(4, 99).save(root / "rose" / "03.png")
    changed = build(root)
    counting = run(changed, tmp_path / "two", previous=tmp_path / "one")
    assert counting.seen == {images.open_rgb(root / "rose" / "03.png").tobytes()}
    np.testing.assert_allclose(stored(tmp_path / "two").values[:, :3], expected(changed))


def test_renamed_moved_and_removed_photos_need_no_network(root: Path, tmp_path: Path) -> None:
    run(build(root), tmp_path / "one")
    (root / "rose" / "03.png").rename(root / "daisy" / "zz.png")
    (root / "tulip" / "00.jpg").unlink()
    moved = build(root)
    counting = run(moved, tmp_path / "two", previous=tmp_path / "one")
    assert counting.batches == []
    assert len(moved.frame) == 19
    np.testing.assert_allclose(stored(tmp_path / "two").values[:, :3], expected(moved))


@pytest.mark.parametrize(
    "other",
    [replace(WEIGHTS, sha256="0" * 64), replace(WEIGHTS, preprocess=Preprocess(resize=(64, 64), crop=None))],
)
def test_vectors_of_other_weights_are_not_reused(root: Path, tmp_path: Path, other: Weights) -> None:
    run(build(root), tmp_path / "one")
    assert len(run(build(root), tmp_path / "two", previous=tmp_path / "one", weights=other).seen) == 20


# -- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_photo_that_changed_meanwhile_stops_it(root: Path, tmp_path: Path) -> None:
    catalog = build(root)
    draw_picture(4, 99).save(root / "rose" / "03.png")
    with pytest.raises(DataError, match=r"rose/03\.png changed while it was being read; run the command again"):
        run(catalog, tmp_path / "made")
    (root / "rose" / "03.png").unlink()
    with pytest.raises(DataError, match=r"rose/03\.png cannot be opened: No such file"):
        run(catalog, tmp_path / "made")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_workers_side_by_side_give_the_vectors_of_one_in_order(root: Path, tmp_path: Path) -> None:
    def embedded(workers: int, threads: set[str]) -> np.ndarray:
        def embed(pictures: Sequence[np.ndarray]) -> np.ndarray:
            threads.add(threading.current_thread().name)
            time.sleep(0.02 if float(pictures[0].mean()) > 127 else 0.005)  # later batches may be done first
            return np.stack([np.resize(picture.mean(axis=(0, 1)), RESNET18.dim) for picture in pictures])

        def embedder(space: Space, weights: Weights | None) -> Embedder:
            return Embedder(np.asarray, embed, batch=2, workers=workers)

        target = tmp_path / f"by {workers}"
        extract.extract(RESNET18, build(root), WEIGHTS, target, make_embedder=embedder)
        return np.load(target / "vectors.npy")

    one, three = set[str](), set[str]()
    np.testing.assert_array_equal(embedded(1, one), embedded(3, three))
    assert (len(one), len(three)) == (1, 3)


def test_an_answer_with_nan_stops_it_early(root: Path, tmp_path: Path) -> None:
    batch_sizes = []

    def broken(space: Space, weights: Weights | None) -> Embedder:
        def embed(pictures: Sequence[Image.Image]) -> np.ndarray:
            batch_sizes.append(len(pictures))
            return np.full((len(pictures), space.dim), np.nan, np.float32)

        return Embedder(lambda picture: picture, embed, batch=1)

    catalog = build(root)
    with pytest.raises(WeightsError, match="NaN"):
        extract.extract(RESNET18, catalog, WEIGHTS, tmp_path / "made", make_embedder=broken)
    # One was at work and two waited.
    assert 1 <= len(batch_sizes) <= 3 < len(catalog.frame)
    assert not (tmp_path / "made").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_a_sentence_and_not_a_crash(root: Path, small_disk: Path) -> None:
    # 20 rows of 48 KB fit, 40 do not; a map written beyond the end of the disk would end the process by SIGBUS.
    catalog = build(root)
    extract.extract(PIXELS, catalog, None, small_disk / "fits")
    with pytest.raises(ArtifactError, match=r"The disk that holds .* is full"):
        extract.extract(PIXELS, catalog, None, small_disk / "too much")
    assert [path.name for path in small_disk.iterdir()] == ["fits"]


def test_a_disk_that_fills_up_meanwhile_is_a_sentence(root: Path, tmp_path: Path) -> None:
    def full(space: Space, weights: Weights | None) -> Embedder:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ArtifactError, match="is full; free some space"):
        extract.extract(PIXELS, build(root), None, tmp_path / "made", make_embedder=full)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


# -- reading back ---------------------------------------------------------------------------------------------------


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def garbage(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY\xff\xff garbage")


def pickled(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([{}], dtype=object), allow_pickle=True)


def flat(path: Path) -> None:
    if path.suffix == ".npy":
        np.save(path, np.zeros(20, np.float32))
    else:
        path.write_text("[1]")


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("file", ["vectors.npy", "pictures.npy", "meta.json"])
@pytest.mark.parametrize("damage", [empty, cut, garbage, pickled, flat, gone])
def test_damaged_vectors_are_named(root: Path, tmp_path: Path, file: str, damage: Callable[[Path], None]) -> None:
    run(build(root), tmp_path / "made")
    damage(tmp_path / "made" / file)
    if damage is flat and file == "pictures.npy":
        return  # twenty numbers instead of twenty hashes can be read; `of` says that they fit no catalog
    with pytest.raises(ArtifactError, match="cannot be read; delete it and run `python -m lib prepare`"):
        extract.load(tmp_path / "made")


def test_vectors_of_other_pictures_are_told_apart(root: Path, tmp_path: Path) -> None:
    run(build(root), tmp_path / "made")
    np.save(tmp_path / "made" / "pictures.npy", np.zeros(20, np.float32))
    assert not stored(tmp_path / "made").belong_to(build(root))
    shutil.rmtree(tmp_path / "made")
    assert extract.load(tmp_path / "made") is None


# -- with the real network ------------------------------------------------------------------------------------------


def test_a_picture_alone_has_the_features_that_it_has_in_a_batch(pictures: Path, tmp_path: Path) -> None:
    weights = backbone.bundled()
    catalog = build(pictures)
    extract.extract(RESNET18, catalog, weights, tmp_path / "made")
    vectors = stored(tmp_path / "made").values
    embed = embedder.embedder(RESNET18, weights)
    for row in (0, 17, len(catalog.frame) - 1):
        alone = embedder.query_vector(embed, images.open_rgb(catalog.path(catalog.ids[row])))
        assert alone.shape == (512,)
        np.testing.assert_allclose(alone, vectors[row], rtol=1e-5, atol=1e-5 * np.abs(vectors[row]).max())
    row, other = (catalog.row(name) for name in (COPY_OF, COPY))
    np.testing.assert_array_equal(vectors[row], vectors[other])

    # Embedded among other pictures, a picture keeps its very bits: a run over one changed photo gives what a whole
    # run would give.
    part = replace(catalog, frame=catalog.frame.iloc[5:9].reset_index(drop=True))
    extract.extract(RESNET18, part, weights, tmp_path / "part")
    np.testing.assert_array_equal(stored(tmp_path / "part").values, vectors[5:9])
