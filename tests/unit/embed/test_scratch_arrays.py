"""lib.embed.scratch_arrays: equal to the bit to what NumPy makes at once, in memory or in a file without a name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from lib.embed import scratch_arrays


def mapped() -> int:
    """Files without a name that this process has mapped."""
    return Path("/proc/self/maps").read_text().count("(deleted)")


@pytest.mark.parametrize("rows", [1, 4_096, 10_000])
def test_rows_of_length_one_are_those_of_numpy(rows: int) -> None:
    values = np.random.default_rng(0).normal(size=(rows, 17)).astype(np.float32)
    values[0] = 0
    expected = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    np.testing.assert_array_equal(scratch_arrays.unit_rows(values), expected)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="maps are counted in /proc")
def test_room_for_very_much_is_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = mapped()
    small = scratch_arrays.empty_array((10, 10), most_bytes=400)
    assert mapped() == before
    large = scratch_arrays.empty_array((10, 11), most_bytes=400)
    assert mapped() == before + 1
    large[:] = np.arange(110).reshape(10, 11)
    assert (small.dtype, large.dtype, large.sum()) == (np.float32, np.float32, 5_995)
    assert list(tmp_path.iterdir()) == []
    del large
    assert mapped() == before


def test_room_is_memory_where_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    array = scratch_arrays.empty_array((3, 4), most_bytes=0)
    array[:] = 1
    assert array.sum() == 12
