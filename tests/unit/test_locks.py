"""A lock file admits one process or thread at a time; the others wait and report it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lib import locks
from lib.errors import COMMAND_LINE, ArtifactError, DownloadError, Remedy
from lib.locks import exclusive_lock


def test_a_second_caller_waits_and_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "POLL_S", 0.01)
    waited, order = threading.Event(), []

    def second() -> None:
        with exclusive_lock(tmp_path / "new" / ".lock", waiting=waited.set):
            order.append("second")

    with exclusive_lock(tmp_path / "new" / ".lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(10)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_the_lock_is_released_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="inside"), exclusive_lock(tmp_path / ".lock"):
            raise ValueError("inside")


def test_an_error_of_the_report_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "POLL_S", 0.01)

    def closed() -> None:
        raise BrokenPipeError("no reader")

    with exclusive_lock(tmp_path / ".lock"), pytest.raises(BrokenPipeError):
        with exclusive_lock(tmp_path / ".lock", waiting=closed):
            pass


@pytest.mark.parametrize(
    ("error_class", "remedy"), [(ArtifactError, Remedy.CHOOSE_ARTIFACTS), (DownloadError, Remedy.MAKE_WRITABLE)]
)
def test_a_folder_that_cannot_be_created_is_named(
    tmp_path: Path, error_class: type[ArtifactError | DownloadError], remedy: Remedy
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(error_class, match=f"Cannot write to .*; {COMMAND_LINE[remedy]}"):
        with exclusive_lock(tmp_path / "file" / ".lock", error_class=error_class):
            pass
