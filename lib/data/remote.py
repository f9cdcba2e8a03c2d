"""Published files: where they are, and how to tell that bytes are theirs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Remote:
    """One published file: `bytes` is its size if known, `sha256` its digest (hex) or the first 8 or more digits."""

    url: str
    filename: str
    bytes: int | None
    sha256: str

    def __post_init__(self) -> None:
        if self.filename != Path(self.filename).name or self.filename in {"", ".", ".."}:
            raise ValueError(f"not a bare file name: {self.filename!r}")
        if not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise ValueError(f"not a SHA-256 or its beginning: {self.sha256!r}")


# TensorFlow Datasets publishes the size and the checksum.
FLOWER_PHOTOS = Remote(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    filename="flower_photos.tgz",
    bytes=228_813_984,
    sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
)
# The file's name vouches for the first 8 digits; the rest and the size as independent users recorded them.
IMAGENET_RESNET18 = Remote(
    url="https://download.pytorch.org/models/resnet18-f37072fd.pth",
    filename="resnet18-f37072fd.pth",
    bytes=46_830_571,
    sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
)


def defect_of(path: Path, remote: Remote) -> str | None:
    """What is wrong with the bytes at `path`, or None if they are the published ones."""
    try:
        size = path.stat().st_size
        if remote.bytes is not None and size != remote.bytes:
            return f"it has {size:,} bytes instead of {remote.bytes:,}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if digest.startswith(remote.sha256):
        return None
    return f"its SHA-256 begins with {digest[:8]} instead of {remote.sha256[:8]}"


def is_sound(path: Path, remote: Remote) -> bool:
    """Whether the published file lies at `path`, byte for byte."""
    return path.is_file() and defect_of(path, remote) is None
