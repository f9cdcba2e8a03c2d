"""Files that are left out are counted by the kind of their reason, and the first of each kind is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib.commands import prepare as prepare_commands
from lib.data import catalog as catalogs
from lib.data import catalog_file, formats, images, own_folders, skipped_files
from lib.data.scanning import ALREADY_SCANNED, skipped_file
from lib.errors import DataError
from lib.prepare import catalog_step, doctor, pipeline
from lib.progress import Reporter
from lib.settings import Settings
from tests.helpers import icc_profiles, image_files
from tests.helpers.image_files import encoded, scene, write

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)


def entries(**reasons: str) -> list[dict[str, str]]:
    return [skipped_file(f"a/{name}.jpg", reason) for name, reason in reasons.items()]


def test_kinds_are_counted_and_the_first_is_named() -> None:
    skipped = entries(
        b="is damaged: x",
        c="is damaged: image file is truncated",
        d="is empty (0 bytes)",
        e="is damaged: y",
        f=f"is an AVIF file, not a {formats.READ}",
    )
    assert skipped_files.summary(skipped) == (
        "5 files left out: 3 are damaged (first: a/b.jpg), 1 is empty (a/d.jpg), 1 is an AVIF file (a/f.jpg)"
    )


def test_hidden_and_own_folders_are_no_files_that_somebody_misses() -> None:
    skipped = entries(b="is a hidden folder", c=own_folders.ARTIFACTS, d=ALREADY_SCANNED, e="is empty (0 bytes)")
    assert skipped_files.summary(skipped) == "1 file left out: 1 is empty (a/e.jpg)"
    assert skipped_files.summary(skipped[:3]) == skipped_files.summary([]) == ""


@pytest.mark.parametrize(
    ("reason", "one", "several"),
    [
        ("lies in no class folder", "lies in no class folder", "lie in no class folder"),
        ("cannot be opened: Permission denied", "cannot be opened (Permission denied)", ""),
        ("is a link that leads nowhere", "is a link that leads nowhere", "are links that lead nowhere"),
        (images.IS_PREVIEW, "is a camera raw file or a preview", "are camera raw files or previews"),
        (images.IS_32_BIT, "has 32 bits a channel", "have 32 bits a channel"),
        (formats.IS_LFS_POINTER, "is a Git LFS pointer", "are Git LFS pointers (git lfs pull fetches them)"),
        (f"is not a {formats.READ}", "is no picture", "are no pictures"),
        ("has 9000 × 9000 = 81 megapixels; the limit is 64", "is too large (megapixels)", "are too large (megapixels)"),
        ("has 300 MB; the limit is 200 MB", "is too large (MB)", "are too large (MB)"),
        ("is not a regular file", "is not a regular file", "are not a regular file"),
        ("has a name that is not valid UTF-8; rename it", "has a name that is not valid UTF-8", ""),
    ],
)
def test_one_and_several_are_natural_english(reason: str, one: str, several: str) -> None:
    assert skipped_files.by_kind(entries(b=reason)) == f"1 {one} (a/b.jpg)"
    if several:
        assert skipped_files.by_kind(entries(b=reason, c=reason)) == f"2 {several} (first: a/b.jpg)"


def test_rare_kinds_are_counted_together() -> None:
    skipped = entries(b="is empty (0 bytes)", c="is empty (0 bytes)", d="x y", e="z w")
    assert skipped_files.summary(skipped, most=1) == (
        "4 files left out: 2 are empty (first: a/b.jpg), 2 for other reasons"
    )


def test_a_hostile_name_is_made_printable() -> None:
    found = skipped_files.summary([skipped_file("a/\x1b[2J\n.jpg", "is empty (0 bytes)")])
    assert found.isprintable()


def test_every_surface_counts_alike(tmp_path: Path) -> None:
    photos = image_files.folder(tmp_path / "photos", rose=4, tulip=4)
    for number in range(3):
        write(photos / "rose" / f"IMG_{number}.HEIC", HEIC)
    write(photos / "tulip" / "empty.jpg", b"")
    (photos / ".git").mkdir()
    settings = Settings(data=photos, artifacts=tmp_path / "artifacts", offline=True)
    said: list[str] = []
    document = pipeline.prepare(settings, names=["pixels"], reporter=Reporter(say=said.append))
    clause = "4 files left out: 3 are HEIC files (first: rose/IMG_0.HEIC), 1 is empty (tulip/empty.jpg)"
    clause += f"; {skipped_files.ADVICE_ON_HEIC}"
    assert f"{clause}." in said
    assert "8 images of 2 classes, 4 files skipped" in prepare_commands.show_prepare(document)
    checks = {check["name"]: check for check in doctor.examine(settings, look_into_store=False)["checks"]}
    assert checks["catalog"]["detail"].startswith(f"8 images, {clause}")
    assert clause in prepare_commands.show_audit(pipeline.audit(settings)).splitlines()


def test_a_folder_of_which_nothing_is_readable_says_what_is_in_it(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path / ("rose" if number % 2 else "tulip") / f"{number:02}.heic", HEIC)
    expected = "12 files in 2 class folders, none readable: 12 are HEIC files (first: rose/01.heic)"
    with pytest.raises(DataError, match=re.escape(expected)):
        catalogs.build("x", tmp_path, seed=0)


# --- Photos that an earlier version read otherwise --------------------------------------------------------------------


def earlier_photos(tmp_path: Path) -> tuple[Path, catalogs.Catalog]:
    """Photos, and their catalog as the version before colour profiles wrote it."""
    root = image_files.folder(tmp_path / "photos", rose=3)
    wide = encoded(scene(7), icc_profile=icc_profiles.rgb(icc_profiles.P3))
    write(root / "rose" / "wide.png", wide)
    now = catalogs.build("x", root, seed=0)
    hashes = now.frame["sha256"].where(now.frame["id"] != "rose/wide.png", images.pixel_hash(scene(7)))
    frame = now.frame.assign(sha256=hashes)
    return root, catalogs.Catalog("x", root, frame, [], "earlier", 0, None, decoder=1)


def test_only_photos_with_another_colour_space_are_read_again(tmp_path: Path) -> None:
    root, earlier = earlier_photos(tmp_path)
    decoded: list[str] = []

    def decode(path: Path):  # type: ignore[no-untyped-def]
        decoded.append(path.name)
        return images.open_rgb(path)

    now = catalogs.build("x", root, seed=0, previous=earlier, decode=decode)
    assert decoded == ["wide.png"]
    assert now.decoder == images.DECODER
    assert (now.frame["sha256"] != earlier.frame["sha256"]).sum() == 1
    assert catalogs.build("x", root, seed=0, previous=now, decode=decode).frame.equals(now.frame)
    assert decoded == ["wide.png"]
    assert catalog_file.changes(earlier) == {"added": 0, "removed": 0, "changed": 1}
    assert catalog_file.changes(now) == {"added": 0, "removed": 0, "changed": 0}


def test_an_earlier_catalog_opens_and_says_why_a_photo_differs(tmp_path: Path) -> None:
    _, earlier = earlier_photos(tmp_path)
    assert earlier.open(0).size == (60, 40)
    with pytest.raises(DataError, match=catalogs.OTHER_COLOURS):
        earlier.open(3)


def test_prepare_reads_such_photos_again_and_says_so(tmp_path: Path) -> None:
    root, earlier = earlier_photos(tmp_path)
    settings = Settings(data=root, artifacts=tmp_path / "artifacts", offline=True)
    pipeline.prepare(settings, names=["pixels"])
    (state,) = (tmp_path / "artifacts" / "sets").glob("*/catalog-*.parquet")
    catalog_file.save(earlier, state)
    said: list[str] = []
    pipeline.prepare(settings, names=["pixels"], reporter=Reporter(say=said.append))
    assert catalog_step.recoloured(1) in said
    said.clear()
    pipeline.prepare(settings, names=["pixels"], reporter=Reporter(say=said.append))
    assert said == []


def test_a_catalog_without_such_photos_is_marked_as_read_by_this_version(tmp_path: Path) -> None:
    root = image_files.folder(tmp_path / "photos", rose=3)
    path = tmp_path / "catalog.parquet"
    now = catalogs.build("x", root, seed=0)
    catalog_file.save(now, path)
    loaded = catalog_file.load(path)
    assert loaded is not None and loaded.decoder == images.DECODER
