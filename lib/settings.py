"""Where things are and how the user wants them: the only module that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

VERSION = "0.1.0"
PROJECT = Path(__file__).resolve().parent.parent
ASSETS = Path(__file__).resolve().parent / "assets"
DEFAULT_SEED = 0


@dataclass(frozen=True)
class Settings:
    """One user's choices, fixed for a command or a page run.

    `data` is the folder the user named, or None for the default data set. `weights` is `imagenet`, `bundled`,
    `random`, a file, or None for the first that this machine has. `seed` is None for the one the data was prepared
    with. `milvus_uri` is a Lite path or a server address.
    """

    data: Path | None = None
    artifacts: Path = PROJECT / "artifacts"
    weights: str | None = None
    seed: int | None = None
    offline: bool = False
    milvus_uri: str = ""
    milvus_token: str = field(default="", repr=False)
    torch_home: Path = Path.home() / ".cache" / "torch"

    @property
    def own_store(self) -> str:
        """Path of the Milvus Lite store inside the artifacts folder."""
        return str(self.artifacts / "petalscope.db")

    @property
    def store_uri(self) -> str:
        """The Milvus address to use: the one named, else the Lite store inside the artifacts folder."""
        return self.milvus_uri or self.own_store


def from_environment(**named: Any) -> Settings:
    """Settings from the environment; every argument that is not None wins over it.

    Reads PETALSCOPE_DATA, PETALSCOPE_ARTIFACTS, PETALSCOPE_OFFLINE, MILVUS_URI, MILVUS_TOKEN, and where torch keeps
    downloaded weights (TORCH_HOME, XDG_CACHE_HOME), so that torch itself need not be imported to look there.
    """
    env = os.environ
    cache = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    settings = Settings(
        data=Path(env["PETALSCOPE_DATA"]) if env.get("PETALSCOPE_DATA") else None,
        artifacts=Path(env.get("PETALSCOPE_ARTIFACTS") or PROJECT / "artifacts"),
        offline=env.get("PETALSCOPE_OFFLINE", "").lower() in {"1", "true", "yes", "on"},
        milvus_uri=env.get("MILVUS_URI", ""),
        milvus_token=env.get("MILVUS_TOKEN", ""),
        torch_home=Path(env.get("TORCH_HOME") or cache / "torch"),
    )
    chosen = replace(settings, **{name: value for name, value in named.items() if value is not None})
    # Absolute from here on: a later change of directory must not move the artifacts.
    return replace(
        chosen,
        artifacts=chosen.artifacts.expanduser().absolute(),
        data=chosen.data.expanduser().absolute() if chosen.data else None,
    )
