"""The audit finds copies, near copies and contradicting labels, and does not see them where there are none."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lib.data import audit as audits
from lib.data import catalog as catalogs
from lib.data.audit import audit
from lib.data.catalog import Catalog
from tests.helpers.image_files import encoded, folder, scene, write


def build_catalog(root: Path) -> Catalog:
    return catalogs.build("photos", root, seed=0)


def duplicates(root: Path, kind: str) -> list[tuple[list[str], bool]]:
    """Ids and conflict of every group of this kind."""
    groups = audit(build_catalog(root))["duplicates"]
    return [(group["ids"], group["conflict"]) for group in groups if group["kind"] == kind]


def photo(seed: int, width: int = 300, height: int = 220) -> Image.Image:
    """Something with more detail than a scene: shapes on a smooth ground."""
    rng = np.random.default_rng(seed)
    picture = scene(seed, width, height)
    pen = ImageDraw.Draw(picture)
    for _ in range(25):
        x, y, r = (int(value) for value in rng.integers((0, 0, 8), (width, height, 50)))
        pen.ellipse([x, y, x + r, y + r // 2], fill=tuple(int(value) for value in rng.integers(0, 256, 3)))
    return picture


def again(image: Image.Image, share: float, quality: int) -> bytes:
    """`image` at this share of its size as a JPEG of this quality."""
    size = (round(image.width * share), round(image.height * share))
    return encoded(image.resize(size, Image.Resampling.LANCZOS), "JPEG", quality=quality)


# --- Exact -----------------------------------------------------------------------------------------------------------


def test_copies_are_found_byte_by_byte_and_pixel_by_pixel(tmp_path: Path) -> None:
    folder(tmp_path, rose=3)
    write(tmp_path / "rose" / "same bytes.png", scene(0))
    write(tmp_path / "rose" / "other format.bmp", scene(0), "BMP")
    write(tmp_path / "tulip" / "other class.webp", scene(1), "WEBP", lossless=True)
    document = audit(build_catalog(tmp_path))
    assert document["images"] == 6
    assert [group for group in document["duplicates"] if group["kind"] == "exact"] == [
        {
            "ids": ["rose/000.png", "rose/other format.bmp", "rose/same bytes.png"],
            "labels": ["rose"] * 3,
            "conflict": False,
            "kind": "exact",
            "distance": 0,
        },
        {
            "ids": ["rose/001.png", "tulip/other class.webp"],
            "labels": ["rose", "tulip"],
            "conflict": True,
            "kind": "exact",
            "distance": 0,
        },
    ]


def test_one_pixel_makes_them_near_and_not_exact(tmp_path: Path) -> None:
    picture = photo(0)
    write(tmp_path / "rose" / "a.png", picture)
    red, green, blue = picture.getpixel((5, 5))
    picture.putpixel((5, 5), (red ^ 1, green, blue))
    write(tmp_path / "rose" / "b.png", picture)
    assert duplicates(tmp_path, "exact") == []
    assert duplicates(tmp_path, "near") == [(["rose/a.png", "rose/b.png"], False)]


def test_an_exact_copy_is_not_listed_as_near_too(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / "rose" / f"{name}.png", photo(0))
    write(tmp_path / "tulip" / "near.jpg", again(photo(0), 1, 90))
    assert duplicates(tmp_path, "exact") == [(["rose/a.png", "rose/b.png", "rose/c.png"], False)]
    assert duplicates(tmp_path, "near") == [(["rose/a.png", "tulip/near.jpg"], True)]


def test_a_folder_without_any(tmp_path: Path) -> None:
    folder(tmp_path, rose=20, tulip=20)
    write(tmp_path / "rose" / "bad.jpg", b"")
    document = audit(build_catalog(tmp_path))
    assert document == {
        "duplicates": [],
        "corrupt": [{"id": "rose/bad.jpg", "reason": "is empty (0 bytes)"}],
        "images": 40,
    }


# --- Near ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "quality"), [(1, 90), (1, 40), (0.97, 75), (0.5, 60), (0.5, 20), (1.4, 85)])
def test_near_copies_are_found(tmp_path: Path, share: float, quality: int) -> None:
    for seed in range(12):
        write(tmp_path / "rose" / f"{seed:02}.png", photo(seed))
        write(tmp_path / ("tulip" if seed % 3 == 0 else "rose") / f"{seed:02}.jpg", again(photo(seed), share, quality))
    expected = []
    for seed in range(12):
        other = "tulip" if seed % 3 == 0 else "rose"
        expected.append((sorted([f"rose/{seed:02}.png", f"{other}/{seed:02}.jpg"]), seed % 3 == 0))
    assert sorted(duplicates(tmp_path, "near")) == sorted(expected)


def test_the_distance_is_in_bits_of_the_hash(tmp_path: Path) -> None:
    write(tmp_path / "rose" / "a.png", photo(0))
    write(tmp_path / "rose" / "b.jpg", again(photo(0), 0.5, 20))
    (group,) = audit(build_catalog(tmp_path))["duplicates"]
    one, other = (audits.difference_hash(audits.grey_copy(Image.open(tmp_path / id_))) for id_ in group["ids"])
    assert 0 < group["distance"] == np.unpackbits(one ^ other).sum() <= audits.NEAR_BITS


def test_the_hash_is_what_its_definition_says() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (16, 17), dtype=np.uint8)
    bits = [int(grey[y, x] < grey[y, x + 1]) for y in range(16) for x in range(16)]
    assert np.unpackbits(audits.difference_hash(grey)).tolist() == bits


def plain_pictures() -> list[Image.Image]:
    """Flat, dark, smooth and white pictures that have nothing to do with each other, most as a camera gives them."""
    result = []
    y, x = np.mgrid[:180, :240]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        result.append(Image.new("RGB", (200 + seed, 150), tuple(int(value) for value in 90 + rng.integers(0, 5, 3))))
        result.append(Image.fromarray(rng.integers(0, 4, (180, 240, 3), dtype=np.uint8)))
        result.append(Image.fromarray(rng.integers(0, 14, (180, 240, 3), dtype=np.uint8)))
        sky = (150 + seed % 3 + y / 3)[..., None].repeat(3, axis=2)
        result.append(Image.fromarray(sky.astype(np.uint8)))
        result.append(Image.fromarray((sky + rng.normal(0, 1, sky.shape)).astype(np.uint8)))
        cx, cy = rng.integers(20, 220), rng.integers(20, 160)
        lamp = 160 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 400)
        night = rng.normal(6, 2, (180, 240, 3)) + lamp[..., None]
        result.append(Image.fromarray(night.clip(0, 255).astype(np.uint8)))
        paper = np.full((180, 240, 3), 250.0) + rng.normal(0, 1, (180, 240, 3))
        for line in range(4, 14):
            paper[line * 12 : line * 12 + 6, 20 : int(rng.integers(60, 220))] = 20
        result.append(Image.fromarray(paper.clip(0, 255).astype(np.uint8)))
    return result


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_flat_dark_and_smooth_pictures_are_not_near_because_of_that(tmp_path: Path, kind: str) -> None:
    for number, picture in enumerate(plain_pictures()):
        write(tmp_path / "rose" / f"{number:03}", picture, kind)
    assert duplicates(tmp_path, "near") == []


def test_another_colour_or_brightness_is_another_picture(tmp_path: Path) -> None:
    picture = photo(0)
    red, green, blue = picture.split()
    write(tmp_path / "rose" / "a.png", picture)
    write(tmp_path / "rose" / "b.png", Image.merge("RGB", (blue, red, green)))
    write(tmp_path / "rose" / "c.png", picture.point(lambda value: value // 2))
    write(tmp_path / "rose" / "d.png", picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert duplicates(tmp_path, "near") == []


def test_the_order_of_pairs_and_of_ids_is_that_of_the_catalog(tmp_path: Path) -> None:
    for name in ("z", "a", "m"):
        write(tmp_path / "rose" / f"{name}1.png", photo(ord(name)))
        write(tmp_path / "rose" / f"{name}0.jpg", again(photo(ord(name)), 0.8, 80))
    assert [ids for ids, _ in duplicates(tmp_path, "near")] == [[f"rose/{n}0.jpg", f"rose/{n}1.png"] for n in "amz"]


def test_a_photo_that_is_gone_is_left_out(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / "rose" / f"{name}.jpg", again(photo(0), 1, 50 + 10 * ord(name) % 40))
    catalog = build_catalog(tmp_path)
    (tmp_path / "rose" / "b.jpg").unlink()
    write(tmp_path / "rose" / "c.jpg", b"broken")
    assert audit(catalog)["duplicates"] == []


def test_a_film_does_not_make_a_pair_of_every_two_frames(tmp_path: Path) -> None:
    frames = audits.CANDIDATES * 4
    base = np.asarray(photo(0))
    for number in range(frames):
        frame = base.copy()
        frame[0, 0] = number
        write(tmp_path / "rose" / f"{number:04}.bmp", Image.fromarray(frame), "BMP")
    pairs = [ids for ids, _ in duplicates(tmp_path, "near")]
    assert len(pairs) <= frames * audits.CANDIDATES
    assert {name for ids in pairs for name in ids} == set(build_catalog(tmp_path).ids)


def test_progress_counts_every_picture_once(tmp_path: Path) -> None:
    folder(tmp_path, rose=5)
    write(tmp_path / "rose" / "copy.png", scene(0))
    calls: list[tuple[int, int | None]] = []
    audit(build_catalog(tmp_path), lambda done, total: calls.append((done, total)))
    assert calls == [(done, 5) for done in range(1, 6)]


def test_many_pictures_need_little_memory() -> None:
    # All against all would be 64 MB even with one byte a pair.
    n = 8_000
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (n, 16, 17), dtype=np.uint8)
    grey[n // 2] = grey[5] ^ 1
    prints = audits.Prints(
        np.arange(n),
        np.stack([audits.difference_hash(one) for one in grey]),
        grey.reshape(n, -1),
        np.zeros((n, 192), np.uint8),
    )
    tracemalloc.start()
    pairs = audits.pairs_of(prints)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(low, high) for low, high, _ in pairs] == [(5, n // 2)]
    assert peak < 25_000_000


# --- Real photos -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_flowers_hold_what_eyes_found_in_them(photos: Path) -> None:
    document = audit(build_catalog(photos))
    if document["images"] != 4064:
        pytest.skip("these are other photos")
    exact, near = ([group for group in document["duplicates"] if group["kind"] == kind] for kind in ("exact", "near"))
    assert [group["conflict"] for group in exact].count(True) == 4
    assert len(exact) == 6
    # Looked at one by one: all twelve are the same photo twice.
    assert len(near) == 12
    assert not any(group["conflict"] for group in near)
    assert document["corrupt"] == []


def test_real_photos_are_found_again_after_loss(photos: Path, tmp_path: Path) -> None:
    names = sorted(path for path in photos.glob("*/*.jpg"))[::80][:60]
    for number, name in enumerate(names):
        with Image.open(name) as picture:
            rgb = picture.convert("RGB")
        write(tmp_path / "a" / f"{number:02}.png", rgb)
        write(tmp_path / "b" / f"{number:02}.jpg", again(rgb, 0.5, 30))
    pairs = {tuple(ids) for ids, _ in duplicates(tmp_path, "near")}
    hits = {(f"a/{number:02}.png", f"b/{number:02}.jpg") for number in range(len(names))}
    assert len(hits & pairs) >= 0.95 * len(names)
    assert not pairs - hits


def test_the_original_and_its_copy_may_differ_in_nothing_but_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "holiday"
    buffer = io.BytesIO()
    photo(0).save(buffer, "JPEG", quality=90)
    write(tmp_path / "rose" / "a.jpg", buffer.getvalue())
    write(tmp_path / "tulip" / "b.jpg", encoded(photo(0), "JPEG", quality=90, exif=exif, comment=b"mine"))
    assert duplicates(tmp_path, "exact") == [(["rose/a.jpg", "tulip/b.jpg"], True)]
