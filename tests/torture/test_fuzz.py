"""Random bytes, names and tables against whatever reads them: an answer or one clear sentence, and nothing else.

Hypothesis makes them, the same ones each time in `make test`; `make torture` makes many more, and new ones every time.
"""

from __future__ import annotations

import functools
import io
import os
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from lib.data import catalog as catalogs
from lib.data import catalog_file, images, thumbnails
from lib.errors import ImageError, QueryError
from lib.view import uploads
from lib.view.components import paste_field
from tests.helpers.image_files import encoded, scene, write
from tests.torture import tally
from tests.torture.test_files import MOST_MB, is_sentence

SEEDS = {
    "JPEG": encoded(scene(1), "JPEG"),
    "progressive": encoded(scene(2), "JPEG", progressive=True),
    "PNG": encoded(scene(3)),
    "palette": encoded(scene(4).quantize(16), transparency=3),
    "WebP": encoded(scene(5), "WEBP"),
    "lossless": encoded(scene(6), "WEBP", lossless=True),
    "GIF": encoded(scene(7).quantize(16), "GIF", save_all=True, append_images=[scene(8).quantize(16)]),
    "BMP": encoded(scene(9, 30, 20), "BMP"),
    "EXIF": encoded(scene(1), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
}


def many(count: Callable[[tally.Scale], int]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Hypothesis with as many executions as are asked for, which are counted as they end."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def one(*args: object, **named: object) -> None:
            test(*args, **named)
            tally.note("fuzz")

        wanted = tally.scale()
        checks = [
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.data_too_large,
            hypothesis.HealthCheck.function_scoped_fixture,
            hypothesis.HealthCheck.filter_too_much,
        ]
        return hypothesis.settings(
            max_examples=count(wanted),
            deadline=None,
            derandomize=wanted.short,
            database=None,
            suppress_health_check=checks,
        )(one)

    return decorate


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A picture file after some accidents: bytes changed, cut, moved, doubled, exchanged for those of another file."""
    data = bytearray(draw(st.sampled_from(sorted(SEEDS.values()))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        until = min(len(data), at + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["set", "cut", "drop", "double", "number", "splice", "insert"])):
            case "set":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case "cut":
                del data[at:]
            case "drop":
                del data[at:until]
            case "double":
                data[at:at] = data[at:until] * draw(st.integers(1, 50))
            case "number":
                number = draw(st.sampled_from([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]))
                data[at : at + 4] = number.to_bytes(4, draw(st.sampled_from(["big", "little"])))
            case "splice":
                other = draw(st.sampled_from(sorted(SEEDS.values())))
                data[at:] = other[draw(st.integers(0, len(other))) :]
            case "insert":
                data[at:at] = draw(st.binary(max_size=200))
    return bytes(data)


@pytest.fixture(scope="module", autouse=True)
def level() -> float:
    """The most memory that this process held before, MB: other tests may have run in it."""
    return peak()


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@hypothesis.given(data=damaged() | st.binary(max_size=300))
@many(lambda scale: 4 * scale.fuzz)
def test_the_decoder_and_the_upload_path(level: float, data: bytes) -> None:
    try:
        whole = images.open_rgb(data)
    except ImageError as error:
        assert is_sentence(str(error)), str(error)
        with pytest.raises(QueryError):
            uploads.read(data)
        return
    assert whole.mode == "RGB" and whole.info == {} and 0 < whole.width * whole.height <= images.MAX_PIXELS
    if whole.width * whole.height < 1_000_000:
        picture = uploads.read(data)
        assert images.pixel_hash(picture.whole) == images.pixel_hash(whole)
        assert thumbnails.encode(whole, 96).endswith(b"\xff\xd9")
    assert peak() - level < MOST_MB


@hypothesis.given(word=st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.hex()))
@many(lambda scale: scale.fuzz)
def test_the_field_that_takes_pasted_pictures(word: str) -> None:
    content = paste_field.decode(word)
    assert isinstance(content, bytes)
    with pytest.raises(QueryError):
        uploads.read(content)


# Names as Linux allows them: all bytes but the slash and NUL.
names = st.binary(min_size=1, max_size=60).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."}
)


@hypothesis.given(
    tree=st.lists(st.tuples(names, names, damaged() | st.just(SEEDS["PNG"])), min_size=1, max_size=4),
    content=st.text(max_size=80) | st.binary(max_size=80),
)
@many(lambda scale: scale.fuzz // 2)
def test_the_catalog_of_any_folder(tree: list[tuple[bytes, bytes, bytes]], content: str | bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        root = Path(place) / "photos"
        write(root / "known" / "good.png", SEEDS["PNG"])
        for label, name, data in tree:
            target = Path(os.fsdecode(os.fsencode(root) + b"/" + label + b"/" + name))
            if target.is_dir() or target.parent.is_file():
                continue
            write(target, data)
        (root / catalogs.FACTORS_FILE).write_bytes(
            content if isinstance(content, bytes) else b"id,x\n" + content.encode("utf-8", "surrogatepass")
        )
        loaded = catalogs.build("fuzz", root, seed=0)
        assert loaded.factors.startswith("factors.csv") and loaded.factors.isprintable(), loaded.factors
        assert "known/good.png" in loaded.ids
        assert all(is_sentence(entry["reason"]) for entry in loaded.skipped), loaded.skipped
        # Every id leads to the picture that the catalog hashed, and to nothing outside.
        for row, name in enumerate(loaded.ids):
            assert loaded.path(name).resolve().is_relative_to(root.resolve())
            assert images.pixel_hash(loaded.open(row)) == loaded.frame["sha256"].iloc[row]
            kept = thumbnails.thumbnail(loaded.path(name), loaded.frame["sha256"].iloc[row], 96, Path(place) / "small")
            assert io.BytesIO(kept).read(2) == b"\xff\xd8"
        catalog_file.save(loaded, Path(place) / "catalog.parquet")
        again = catalog_file.load(Path(place) / "catalog.parquet")
        assert again is not None and again.ids == loaded.ids and again.skipped == loaded.skipped
        assert catalog_file.changes(again) == {"added": 0, "removed": 0, "changed": 0}
