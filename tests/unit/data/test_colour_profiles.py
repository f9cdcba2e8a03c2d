"""Pictures with an ICC profile come in as sRGB; without one, and with sRGB's own, they keep their very pixels."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from lib.data import colour_profiles, images
from lib.data.images import open_pixels, open_rgb
from tests.helpers import icc_profiles
from tests.helpers.icc_profiles import ADOBE, P3, SRGB
from tests.helpers.image_files import encoded, rows, scene, write

LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {"compression": "tiff_lzw"}}
LIB_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def muted(seed: int = 0, width: int = 60, height: int = 40) -> Image.Image:
    """A picture whose colours every space can show."""
    return Image.fromarray((rows(scene(seed, width, height)) * 0.6 + 60).astype(np.uint8))


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("version", [2, 4])
def test_one_photo_in_two_spaces_is_one_photo(kind: str, version: int) -> None:
    wide = Image.fromarray(icc_profiles.in_space(rows(muted()), P3))
    assert apart(rows(wide), rows(muted())) > 2
    data = encoded(wide, kind, icc_profile=icc_profiles.rgb(P3, version=version), **LOSSLESS[kind])
    assert apart(rows(open_rgb(data)), rows(muted())) < 0.5


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_lossy_photos_in_a_wide_space(kind: str) -> None:
    wide = Image.fromarray(icc_profiles.in_space(rows(muted(3)), P3))
    with_profile, without = (encoded(wide, kind, quality=97, **extra) for extra in ({"icc_profile": P3_PROFILE}, {}))
    assert apart(rows(open_rgb(with_profile)), rows(muted(3))) < 2 < apart(rows(open_rgb(without)), rows(muted(3)))


P3_PROFILE = icc_profiles.rgb(P3)


def test_another_curve_is_followed() -> None:
    dark = Image.new("RGB", (5, 5), (64, 64, 64))
    converted = rows(open_rgb(encoded(dark, icc_profile=icc_profiles.rgb(SRGB, icc_profiles.gamma(1.0)))))
    assert np.abs(converted.astype(int) - int(icc_profiles.encode(np.array(64 / 255)))).max() <= 1
    # Adobe RGB's green lies outside sRGB: it becomes sRGB's most saturated green, and not a paler one.
    adobe = icc_profiles.rgb(ADOBE, icc_profiles.gamma(2.19921875))
    assert rows(open_rgb(encoded(Image.new("RGB", (2, 2), (0, 255, 0)), icc_profile=adobe)))[0, 0].tolist()[:2] == [
        0,
        255,
    ]


@pytest.mark.parametrize(
    "profile",
    [LIB_SRGB, icc_profiles.rgb(SRGB), icc_profiles.rgb(SRGB, version=4), icc_profiles.rgb(SRGB + 0.0004)],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_srgb_by_any_name_changes_no_pixel(kind: str, profile: bytes) -> None:
    plain = encoded(scene(), kind)
    named = encoded(scene(), kind, icc_profile=profile)
    assert named != plain
    assert np.array_equal(rows(open_rgb(named)), rows(open_rgb(plain)))
    assert not colour_profiles.converts(profile, "RGB")


def test_ordinary_jpegs_stay_arrays_with_srgbs_profile_and_without() -> None:
    for extra in ({}, {"icc_profile": LIB_SRGB}):
        assert isinstance(open_pixels(encoded(scene(), "JPEG", **extra)), np.ndarray)
    wide = encoded(scene(), "JPEG", icc_profile=P3_PROFILE)
    assert np.array_equal(np.asarray(open_pixels(wide)), rows(open_rgb(wide)))


def test_a_photo_decoded_at_a_part_of_its_size_has_its_colours_converted() -> None:
    large = muted(1, 1600, 1200)
    wide = Image.fromarray(icc_profiles.in_space(rows(large), P3))
    data = encoded(wide, "JPEG", quality=95, icc_profile=P3_PROFILE)
    small = open_rgb(data, 64)
    assert small.size == (200, 150)
    assert apart(rows(small), rows(large.resize((200, 150), Image.Resampling.BOX))) < 2


def damaged() -> dict[str, bytes]:
    noise = np.random.default_rng(0)
    return {
        "empty": b"",
        "text": b"sRGB, trust me",
        "noise": noise.bytes(600),
        "half": P3_PROFILE[: len(P3_PROFILE) // 2],
        "head only": P3_PROFILE[:128],
        "tags point outside": P3_PROFILE[:132] + b"\xff" * (len(P3_PROFILE) - 132),
        "a printer's for a screen": icc_profiles.cmyk({}),
        "a grey one for colours": icc_profiles.grey(1.0),
        "far too long": P3_PROFILE + bytes(colour_profiles.MAX_PROFILE_BYTES),
    }


@pytest.mark.parametrize("what", damaged())
def test_a_profile_that_says_nothing_changes_nothing(what: str) -> None:
    profile = damaged()[what]
    assert colour_profiles.to_srgb(scene(), profile) is None
    if len(profile) < 100_000:
        for kind in ("PNG", "JPEG"):
            data = encoded(scene(), kind, icc_profile=profile)
            assert np.array_equal(rows(open_rgb(data)), rows(open_rgb(encoded(scene(), kind))))


def test_whatever_stands_in_a_profiles_place_is_no_profile() -> None:
    for nonsense in (None, "sRGB", 7, ["x"]):
        assert colour_profiles.to_srgb(scene(), nonsense) is None


def test_flipped_bits_in_a_profile_never_lose_the_picture() -> None:
    noise = np.random.default_rng(1)
    for _ in range(200):
        block = bytearray(P3_PROFILE)
        for place in noise.integers(0, len(block), 3):
            block[place] ^= 1 << int(noise.integers(8))
        assert open_rgb(encoded(scene(), icc_profile=bytes(block))).size == (60, 40)


# --- Other kinds of picture ------------------------------------------------------------------------------------------


def test_grey_pictures_follow_grey_and_rgb_profiles() -> None:
    grey = muted().convert("L")
    linear = icc_profiles.encode(np.asarray(grey) / 255)
    for profile in (icc_profiles.grey(1.0), icc_profiles.rgb(SRGB, icc_profiles.gamma(1.0))):
        decoded = rows(open_rgb(encoded(grey, icc_profile=profile)))
        assert np.abs(decoded[..., 1].astype(int) - linear).max() <= 2
        deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        assert np.array_equal(rows(open_rgb(encoded(deep, icc_profile=profile))), decoded)


def test_transparent_pixels_stay_white_and_the_others_are_converted() -> None:
    wide = Image.fromarray(icc_profiles.in_space(rows(muted()), P3))
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:10] = 0
    wide.putalpha(Image.fromarray(alpha))
    decoded = rows(open_rgb(encoded(wide, icc_profile=P3_PROFILE)))
    assert decoded[:10].min() == 255
    assert apart(decoded[10:], rows(muted())[10:]) < 0.5
    veiled = muted().convert("LA")
    veiled.putalpha(Image.fromarray(alpha))
    decoded = rows(open_rgb(encoded(veiled, icc_profile=icc_profiles.grey(1.0))))
    assert decoded[:10].min() == 255
    expected = icc_profiles.encode(np.asarray(muted().convert("L")) / 255)
    assert np.abs(decoded[10:, :, 0].astype(int) - expected[10:]).max() <= 2


def test_a_palette_picture_is_converted() -> None:
    few = Image.fromarray(icc_profiles.in_space(rows(muted()), P3)).quantize(16)
    decoded = rows(open_rgb(encoded(few, icc_profile=P3_PROFILE)))
    expected = rows(open_rgb(encoded(few.convert("RGB"), icc_profile=P3_PROFILE)))
    assert np.array_equal(decoded, expected)
    assert apart(decoded, rows(few.convert("RGB"))) > 1


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_look_as_on_their_press(kind: str) -> None:
    # This press prints cyan as a dark blue, and white paper as white.
    press = icc_profiles.cmyk({(0, 0, 0, 0): (100, 0, 0), (1, 0, 0, 0): (30, 20, -60)})
    inks = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    options = {"quality": 100} if kind == "JPEG" else {}
    with_profile = rows(open_rgb(encoded(inks, kind, icc_profile=press, **options)))[8, 8].astype(int)
    without = rows(open_rgb(encoded(inks, kind, **options)))[8, 8].astype(int)
    assert np.abs(without - [0, 255, 255]).max() <= 3
    assert with_profile[2] > with_profile[0] + 40 and with_profile[1] < 110
    paper = rows(open_rgb(encoded(Image.new("CMYK", (16, 16)), kind, icc_profile=press, **options)))
    assert paper.min() >= 250


def test_lab_pictures_are_read() -> None:
    lab = ImageCms.profileToProfile(
        muted(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    assert apart(rows(open_rgb(encoded(lab, "TIFF"))), rows(muted())) < 3


# --- Which photos of an earlier catalog are read again ----------------------------------------------------------------


def test_photos_whose_profile_matters_are_told_by_their_header(tmp_path: Path) -> None:
    matters = {
        "wide.jpg": encoded(scene(), "JPEG", icc_profile=P3_PROFILE),
        "wide.png": encoded(scene(), icc_profile=P3_PROFILE),
        "grey.png": encoded(scene().convert("L"), icc_profile=icc_profiles.grey(1.0)),
    }
    same = {
        "plain.jpg": encoded(scene(), "JPEG"),
        "srgb.jpg": encoded(scene(), "JPEG", icc_profile=LIB_SRGB),
        "odd.png": encoded(scene(), icc_profile=b"noise"),
        "notes.txt": b"notes",
    }
    for name, data in {**matters, **same}.items():
        assert images.has_foreign_colours(write(tmp_path / name, data)) == (name in matters), name
    assert not images.has_foreign_colours(tmp_path / "gone.jpg")


def test_threads_share_a_conversion() -> None:
    data = encoded(muted(), icc_profile=P3_PROFILE)
    expected = rows(open_rgb(data))
    results: list[bool] = []

    def read() -> None:
        results.extend(np.array_equal(rows(open_rgb(data)), expected) for _ in range(50))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200 and all(results)
