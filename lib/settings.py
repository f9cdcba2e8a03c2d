"""The settings of a command or a page run. The only module that reads the environment."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

VERSION = "0.1.0"
PROJECT = Path(__file__).resolve().parent.parent
ASSETS = Path(__file__).resolve().parent / "assets"
DEFAULT_SEED = 0


@dataclass(frozen=True)
class LayoutChoice:
    """How the user wants the data folder read; None for what the user did not name.

    `kind` is one of `LAYOUTS`. `labels` is the file with the table of labels, the columns are names in it; without
    them, file and columns are found by name and contents. `split_anew` draws the split even where the folders or the
    table have one.
    """

    kind: str | None = None
    labels: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    split_anew: bool | None = None

    def named(self) -> dict[str, Any]:
        """The fields that the user named; no field for the automatic reading."""
        named = {name: value for name, value in asdict(self).items() if value is not None}
        return {} if named == {"kind": "auto"} else named

    def after(self, previous: LayoutChoice) -> LayoutChoice:
        """This choice, completed by an earlier one, unless this one names a kind: then it starts afresh."""
        return self if self.kind is not None else replace(previous, **self.named())


LAYOUTS = ("auto", "classes", "splits", "table", "unlabelled")


@dataclass(frozen=True)
class Settings:
    """The user's choices, fixed for a command or a page run.

    `data` is the folder of photos, or None for the default data set. `weights` is `imagenet`, `bundled`, `random`, a
    file, or None for the first weights that this machine has. `seed` is None for the seed that the data was prepared
    with. Fields of `layout` that the user did not name are those that the data was prepared with. `milvus_uri` is the
    path of a Lite store or the address of a server. `folders` are additional folders whose stores and photos pages may
    open. `store_wait_s` is the time in seconds to wait for a Lite store that another process owns. `launched` is true
    when `torchrun` started this process, perhaps beside others.
    """

    data: Path | None = None
    artifacts: Path = PROJECT / "artifacts"
    weights: str | None = None
    # Weights of other networks than ResNet18: pairs of a network and `imagenet`, `random` or a file.
    network_weights: tuple[tuple[str, str], ...] = ()
    seed: int | None = None
    layout: LayoutChoice = LayoutChoice()
    offline: bool = False
    # Left out of `repr`: an address may contain a password.
    milvus_uri: str = field(default="", repr=False)
    milvus_token: str = field(default="", repr=False)
    folders: tuple[Path, ...] = ()
    torch_home: Path = Path("~/.cache/torch")
    store_wait_s: float = 10.0
    launched: bool = False

    @property
    def own_store(self) -> str:
        """Path of the Milvus Lite store inside the artifacts folder."""
        return str(self.artifacts / "petalscope.db")

    @property
    def store_uri(self) -> str:
        """The Milvus address to use: `milvus_uri`, else the Lite store inside the artifacts folder."""
        return self.milvus_uri or self.own_store

    @property
    def lite_path(self) -> Path | None:
        """The path of the Lite store; None when the address is a server's."""
        return None if _is_server(self.store_uri) else Path(self.store_uri)

    @property
    def store_address(self) -> str:
        """The store's address without user name and password, fit to be stored and shown."""
        scheme, separator, rest = self.store_uri.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}" if separator else scheme

    def options(self) -> list[str]:
        """Command-line options that give another process the same photos, artifacts, weights and seed."""
        weights = [*([] if self.weights is None else [self.weights]), *map("=".join, self.network_weights)]
        return arguments(data=self.data, artifacts=self.artifacts, weights=weights, seed=self.seed)

    def weights_of(self, network: str) -> str | None:
        """The weights that the user named for a network of torchvision; None for the first that this machine has."""
        return dict(self.network_weights).get(network, self.weights if network == "resnet18" else None)

    @property
    def prepare_command(self) -> str:
        """The command line that prepares these photos into these artifacts and this store."""
        return self.command_to_prepare()

    def command_to_prepare(self, **options: object) -> str:
        """`prepare_command` with further options: see `arguments`."""
        store = None if self.store_uri == self.own_store else self.store_address
        return self.command("prepare", milvus_uri=store, **options)

    def command(self, name: str, **options: object) -> str:
        """The command line of the command `name` for these photos and artifacts; `options` as in `arguments`."""
        artifacts = None if self.artifacts == PROJECT / "artifacts" else self.artifacts
        return command_line(name, data=self.data, artifacts=artifacts, **options)


def arguments(**options: object) -> list[str]:
    """Options of the command line, as the words that a process gets: `batch_size=8` is `--batch-size 8`.

    None and False leave an option out; True stands for an option without a value, a list for an option given several
    times.
    """
    words: list[str] = []
    for name, values in options.items():
        for value in values if isinstance(values, list) else [values]:
            if value is not None and value is not False:
                words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


def command_line(name: str, **options: object) -> str:
    """The command line of the command `name`, fit to be pasted into a shell; `options` as in `arguments`."""
    return shlex.join(["python", "-m", "lib", name, *arguments(**options)])


def launched_by_torchrun() -> bool:
    """Whether `torchrun` started this process, perhaps beside others. It is known without importing torch."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def behind_proxy() -> bool:
    """Whether gRPC or pymilvus would use a proxy; a direct connection then does not show whether theirs works."""
    return any(os.environ.get(name) for name in ("grpc_proxy", "https_proxy", "http_proxy"))


def grpc_roots() -> str:
    """The file of certificates that gRPC trusts in place of its own ones; "" for none."""
    return os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "")


def from_environment(**overrides: Any) -> Settings:
    """Settings from the environment; every argument that is not None overrides it.

    Reads PETALSCOPE_DATA, PETALSCOPE_ARTIFACTS, PETALSCOPE_OFFLINE, PETALSCOPE_FOLDERS (separated as in PATH),
    MILVUS_URI and MILVUS_TOKEN. Reads TORCH_HOME and XDG_CACHE_HOME, too, so that torch's folder of downloaded weights
    is known without importing torch.
    """
    env = os.environ
    cache = env.get("XDG_CACHE_HOME") or "~/.cache"
    settings = Settings(
        data=Path(env["PETALSCOPE_DATA"]) if env.get("PETALSCOPE_DATA") else None,
        artifacts=Path(env.get("PETALSCOPE_ARTIFACTS") or PROJECT / "artifacts"),
        offline=env.get("PETALSCOPE_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"},
        milvus_uri=env.get("MILVUS_URI", ""),
        milvus_token=env.get("MILVUS_TOKEN", ""),
        folders=tuple(Path(part) for part in env.get("PETALSCOPE_FOLDERS", "").split(os.pathsep) if part),
        torch_home=Path(env.get("TORCH_HOME") or Path(cache) / "torch"),
        launched=launched_by_torchrun(),
    )
    chosen = replace(settings, **{name: value for name, value in overrides.items() if value is not None})
    # Absolute, so that a later change of directory does not move the artifacts or the store.
    return replace(
        chosen,
        artifacts=_absolute(chosen.artifacts),
        data=_absolute(chosen.data) if chosen.data else None,
        milvus_uri=_absolute_store(chosen.milvus_uri.strip()),
        folders=tuple(_absolute(folder) for folder in chosen.folders),
        torch_home=_absolute(chosen.torch_home),
    )


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:  # there is no home folder, so `~` is a name like any other
        return path.absolute()


def _absolute_store(uri: str) -> str:
    # Any other address is left to the store, which reports what is wrong with it.
    return str(_absolute(Path(uri))) if uri.endswith(".db") and not _is_server(uri) else uri


def _is_server(uri: str) -> bool:
    return "://" in uri or uri.startswith("unix:")
