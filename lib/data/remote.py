"""Published files: their addresses, sizes and checksums."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Remote:
    """A published file: address, local file name, size in bytes, and SHA-256 (64 hex digits).

    Where only the first digits of the hash and a rounded size are published, `sha256` has these digits, and the size
    may differ by `slack` bytes.
    """

    url: str
    filename: str
    bytes: int
    sha256: str
    slack: int = 0

    def has_size(self, size: int) -> bool:
        """Whether a file of `size` bytes may be the published one."""
        return abs(size - self.bytes) <= self.slack


# TensorFlow Datasets publishes the size and the checksum.
FLOWER_PHOTOS = Remote(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    filename="flower_photos.tgz",
    bytes=228_813_984,
    sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
)
# The file's name contains the first 8 digits, which torchvision checks. Independent users recorded the other digits and
# the size.
IMAGENET_RESNET18 = Remote(
    url="https://download.pytorch.org/models/resnet18-f37072fd.pth",
    filename="resnet18-f37072fd.pth",
    bytes=46_830_571,
    sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
)


def is_sound(path: Path, remote: Remote) -> bool:
    """Whether `path` is the published file, byte for byte."""
    try:
        if not remote.has_size(path.stat().st_size):
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest().startswith(remote.sha256)
    except OSError:
        return False
