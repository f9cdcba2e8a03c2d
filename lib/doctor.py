"""What is ready, what is missing, and the command that mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib import pipeline, workspace
from lib.data import catalog as catalogs
from lib.data import datasets
from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.learn import backbone
from lib.settings import VERSION, Settings
from lib.store import milvus

PREPARE = "python -m lib prepare"


def examine(settings: Settings, *, look_into_store: bool = True) -> dict[str, Any]:
    """The `doctor` document: versions and a list of checks, each ready or with its remedy. Changes and fetches nothing.

    The app, which holds the store itself, leaves `look_into_store` off.
    """
    checks = [_libraries(), _data(settings), _weights(settings), *_spaces(settings)]
    if look_into_store:
        checks.append(_store(settings))
    return {
        "version": VERSION,
        "versions": pipeline.libraries(),
        "ready": all(check["ready"] for check in checks),
        "checks": checks,
    }


def _check(name: str, ready: bool, detail: str, remedy: str = "") -> dict[str, Any]:
    return {"name": name, "ready": ready, "detail": detail, "remedy": "" if ready else remedy}


def _libraries() -> dict[str, Any]:
    missing = [name for name, version in pipeline.libraries().items() if version == "missing"]
    return _check(
        "libraries",
        not missing,
        f"missing: {', '.join(missing)}" if missing else "all installed",
        "pip install -r requirements.txt",
    )


def _data(settings: Settings) -> dict[str, Any]:
    found = datasets.find(settings)
    if found is None or not found.root.is_dir():
        where = str(settings.data) if settings.data else "no photos yet"
        return _check("data", False, where, "name a folder with --data" if settings.data else PREPARE)
    return _check("data", True, f"{found.name} in {found.root}")


def _weights(settings: Settings) -> dict[str, Any]:
    from dataclasses import replace

    try:
        return _check("weights", True, backbone.choose(replace(settings, offline=True)).about)
    except PetalscopeError as error:
        return _check("weights", False, str(error), "python -m lib prepare --weights bundled")


def _spaces(settings: Settings) -> list[dict[str, Any]]:
    try:
        opened = workspace.open_workspace(settings)
        catalog = opened.catalog()
    except PetalscopeError as error:
        return [_check("catalog", False, str(error), PREPARE)]
    changes = {kind: count for kind, count in catalogs.changes(catalog).items() if count}
    detail = f"{len(catalog.frame):,} images, {len(catalog.skipped)} files skipped"
    if changes:
        detail += "; since then " + ", ".join(f"{count} {kind}" for kind, count in changes.items())
    checks = [_check("catalog", not changes, detail, PREPARE)]
    for name in spaces.SPACES:
        try:
            vectors, _ = opened.vectors(name), opened.map(name)
            weights = opened.space(name)["weights"]
            made_with = f", weights {weights['name']}" if weights else ""
            checks.append(_check(f"space {name}", True, f"{len(vectors.values):,} vectors and a map{made_with}"))
        except PetalscopeError as error:
            checks.append(_check(f"space {name}", False, str(error), PREPARE))
    return checks


def _store(settings: Settings) -> dict[str, Any]:
    if settings.store_uri == settings.own_store and not Path(settings.own_store).exists():
        return _check("store", False, f"{settings.own_store} does not exist yet", PREPARE)
    try:
        with milvus.open_store(settings.store_uri, settings.milvus_token, role="doctor") as store:
            names = milvus.names(store)
    except PetalscopeError as error:
        return _check("store", False, str(error), "see the sentence before the arrow")
    return _check("store", True, f"{workspace.address(settings)}: {len(names)} collections")
