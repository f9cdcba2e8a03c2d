"""ICC profiles made for tests (ICC.1:2010): RGB spaces by their primaries, a grey curve, and a small CMYK table."""

from __future__ import annotations

import struct

import numpy as np

# Columns of each space's matrix to XYZ, adapted to D50.
SRGB = np.array([(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]).T
P3 = np.array([(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]).T
ADOBE = np.array([(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]).T
_SRGB_CURVE = b"para\0\0\0\0\0\3\0\0" + b"".join(
    struct.pack(">i", round(value * 65536)) for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def gamma(exponent: float) -> bytes:
    """A curve tag of this exponent."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256)) + b"\0\0"


def _profile(space: bytes, kind: bytes, connection: bytes, version: int, tags: dict[bytes, bytes]) -> bytes:
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"made\0" + bytes(78)
    tags = {b"desc": name, b"cprt": b"text\0\0\0\0none\0\0\0\0", b"wtpt": _xyz(np.array([0.9642, 1, 0.8249])), **tags}
    offset, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += tag + struct.pack(">II", offset + len(body), len(data))
        body += padded
    head = struct.pack(">I", offset + len(body)) + b"made" + bytes([version, 0x10, 0, 0]) + kind + space + connection
    head += bytes(12) + b"acsp" + bytes(28) + _fixed(0.9642) + _fixed(1) + _fixed(0.8249) + bytes(48)
    return head + table + body


def rgb(matrix: np.ndarray, curve: bytes = _SRGB_CURVE, version: int = 2) -> bytes:
    """The profile of an RGB space with this matrix to XYZ (D50) and this curve for each channel."""
    columns = {b"rXYZ": 0, b"gXYZ": 1, b"bXYZ": 2}
    tags = {name: _xyz(matrix[:, column]) for name, column in columns.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _profile(b"RGB ", b"mntr", b"XYZ ", version, tags)


def grey(exponent: float) -> bytes:
    """The profile of a grey picture with this exponent."""
    return _profile(b"GRAY", b"mntr", b"XYZ ", 2, {b"kTRC": gamma(exponent)})


def cmyk(inks: dict[tuple[int, int, int, int], tuple[float, float, float]]) -> bytes:
    """The profile of a press on which each combination of full inks has this Lab colour; others are black."""
    corners = [tuple(int(bit) for bit in f"{corner:04b}") for corner in range(16)]
    values = [inks.get(corner, (0.0, 0.0, 0.0)) for corner in corners]  # type: ignore[call-overload]
    entries = bytes(round(level) for lightness, a, b in values for level in (lightness * 255 / 100, a + 128, b + 128))
    identity = b"".join(_fixed(value) for value in np.eye(3).reshape(-1))
    ramps = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramps * 4 + entries + ramps * 3
    return _profile(b"CMYK", b"prtr", b"Lab ", 2, {b"A2B0": table})


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear light 0–1 as sRGB's curve encodes it, uint8."""
    bent = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.clip(linear, 0, None) ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(bent, 0, 1) * 255 + 0.5).astype(np.uint8)


def in_space(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The sRGB pixels (h, w, 3) uint8 as the same colours in the space of `matrix` under sRGB's curve."""
    scaled = pixels / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    return encode(linear @ SRGB.T @ np.linalg.inv(matrix).T)
