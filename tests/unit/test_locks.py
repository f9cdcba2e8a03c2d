"""A lock file admits one process or thread at a time; the others wait and report it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lib import locks
from lib.errors import COMMAND_LINE, ArtifactError, DownloadError, Remedy
from lib.locks import exclusive_lock, lock_if_free


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


def test_a_lock_that_is_taken_is_not_waited_for(tmp_path: Path) -> None:
    with lock_if_free(tmp_path / "new" / ".lock") as first:
        assert first
        with lock_if_free(tmp_path / "new" / ".lock") as second:
            assert not second
        with lock_if_free(tmp_path / "new" / ".lock") as third:  # the second call has not released the first one's
            assert not third
    with lock_if_free(tmp_path / "new" / ".lock") as again:
        assert again


def test_a_lock_that_soon_becomes_free_is_waited_for(tmp_path: Path) -> None:
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive_lock(tmp_path / ".lock"):
            held.set()
            enough.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    threading.Timer(0.1, enough.set).start()
    with lock_if_free(tmp_path / ".lock", patience_s=10) as is_held:
        assert is_held
    thread.join()


def test_a_lock_in_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArtifactError, match="Cannot write to"), lock_if_free(tmp_path / "file" / ".lock"):
        pass
