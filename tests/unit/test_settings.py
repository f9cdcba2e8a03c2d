"""lib.settings: the environment, what wins over it, and what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.settings import PROJECT, Settings, arguments, from_environment

NAMES = ("TORCH_HOME", "XDG_CACHE_HOME")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = from_environment()
    assert settings.data is None
    assert settings.artifacts == PROJECT / "artifacts"
    assert settings.store_uri == str(PROJECT / "artifacts" / "petalscope.db")
    assert settings.torch_home == Path("~/.cache/torch").expanduser()
    assert (settings.weights, settings.seed, settings.offline, settings.milvus_token) == (None, None, False, "")
    assert settings.store_wait_s == 10.0


def test_variables_that_are_set_to_nothing_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = from_environment()
    for name in ("PETALSCOPE_DATA", "PETALSCOPE_ARTIFACTS", "PETALSCOPE_OFFLINE", "MILVUS_URI", "MILVUS_TOKEN", *NAMES):
        monkeypatch.setenv(name, "")
    assert from_environment() == plain


def test_the_environment_is_read_and_arguments_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PETALSCOPE_DATA", str(tmp_path / "a"))
    monkeypatch.setenv("PETALSCOPE_ARTIFACTS", str(tmp_path / "b"))
    monkeypatch.setenv("MILVUS_URI", "http://one:19530")
    monkeypatch.setenv("MILVUS_TOKEN", "secret")
    settings = from_environment()
    assert (settings.data, settings.artifacts) == (tmp_path / "a", tmp_path / "b")
    assert (settings.store_uri, settings.milvus_token) == ("http://one:19530", "secret")

    overridden = from_environment(data=tmp_path / "c", milvus_uri="https://two", seed=4, weights=None)
    assert (overridden.data, overridden.artifacts, overridden.store_uri, overridden.seed) == (
        tmp_path / "c",
        tmp_path / "b",
        "https://two",
        4,
    )
    # An empty address on the command line goes back to the own store, whatever the environment says.
    assert from_environment(milvus_uri="").store_uri == str(tmp_path / "b" / "petalscope.db")


@pytest.mark.parametrize(
    ("text", "offline"), [("1", True), ("true", True), (" Yes ", True), ("on", True), ("0", False), ("no", False)]
)
def test_offline(monkeypatch: pytest.MonkeyPatch, text: str, offline: bool) -> None:
    monkeypatch.setenv("PETALSCOPE_OFFLINE", text)
    assert from_environment().offline is offline


def test_paths_do_not_move_with_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    settings = from_environment(data=Path("photos"), artifacts=Path("made"), milvus_uri="my.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert settings.data == tmp_path / "photos"
    assert settings.artifacts == tmp_path / "made"
    # The same store by another spelling is the same address, so that its collections are found again.
    assert settings.store_uri == str(tmp_path / "my.db")
    assert settings.lite_path == tmp_path / "my.db"


def test_a_home_is_expanded_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert from_environment(data=Path("~/photos")).data == tmp_path / "photos"
    assert from_environment(milvus_uri="~/x.db").store_uri == str(tmp_path / "x.db")
    assert from_environment(data=Path("~nobody-of-this-name/photos")).data == tmp_path / "~nobody-of-this-name/photos"


def test_torch_home_is_where_torch_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert from_environment().torch_home == tmp_path / ".cache" / "torch"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert from_environment().torch_home == tmp_path / "cache" / "torch"
    monkeypatch.setenv("TORCH_HOME", "~/torch")
    assert from_environment().torch_home == tmp_path / "torch"


@pytest.mark.parametrize("uri", ["http://localhost:19530", "https://host/db", "unix:/run/milvus.db", "nonsense"])
def test_addresses_of_servers_are_left_as_they_are(uri: str) -> None:
    assert from_environment(milvus_uri=uri).store_uri == uri


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://anna:p4ss@host:19530/db", "https://host:19530/db"),
        ("https://anna:p@ss/word@host", "https://host"),
        ("https://tok3n@host", "https://host"),
        ("http://host:19530", "http://host:19530"),
        ("/data/my@home.db", "/data/my@home.db"),
    ],
)
def test_secrets_are_not_shown(uri: str, shown: str) -> None:
    settings = from_environment(milvus_uri=uri, milvus_token="very-secret")
    assert settings.store_address == shown
    for text in (repr(settings), str(settings), settings.prepare_command, f"{settings}"):
        assert "very-secret" not in text
        for part in ("p4ss", "p@ss", "word@", "tok3n"):
            assert part not in text


def test_the_command_that_prepares_names_what_is_not_the_default(tmp_path: Path) -> None:
    assert Settings().prepare_command == "python -m lib prepare"
    moved = Settings(data=tmp_path / "my photos", artifacts=tmp_path / "a", milvus_uri="http://h:1")
    assert moved.prepare_command == (
        f"python -m lib prepare --data '{tmp_path}/my photos' --artifacts {tmp_path}/a --milvus-uri http://h:1"
    )
    assert moved.command_to_prepare(spaces="init") == f"{moved.prepare_command} --spaces init"


def test_options_of_a_command_are_those_of_its_parser() -> None:
    assert arguments(resume=True, batch_size=8, seeds="0,1", limit=None, json=False) == [
        "--resume", "--batch-size", "8", "--seeds", "0,1",
    ]  # fmt: skip
    assert Settings().command("train", regime="init", preset="quick") == (
        "python -m lib train --regime init --preset quick"
    )
