"""Many made-up vectors as a prepared workspace, to see how the pages do on them: nothing here is measured of photos.

Every picture is a tiny file of its own colour, so that what a page shows can be told from what it should. Vectors lie
in five clouds, one for each class; places on the maps follow the clouds, and the neighbours kept for colours are those
next in the catalog: finding the real ones among 50,000 takes minutes, and a page reads both alike. Searches are real.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lib import artifacts
from lib.data import catalog as catalogs
from lib.data import catalog_file, datasets, images
from lib.data.catalog import Catalog
from lib.embed import projection, spaces
from lib.embed.projection import Map, MapParameters
from lib.learn import backbone
from lib.prepare import state_file, workspace
from lib.search import neighbourhoods
from lib.search.neighbourhoods import DEPTH, Neighbourhoods
from lib.settings import VERSION, Settings

CLASSES = ("daisy", "dandelion", "rose", "sunflower", "tulip")
SIDE = 4


def colour_of(number: int) -> tuple[int, int, int]:
    """The colour of the picture with this number in its name; neighbouring numbers differ clearly."""
    mixed = number * 2654435761 % 2**24
    return mixed >> 16, (mixed >> 8) & 255, mixed & 255


def make(folder: Path, n: int) -> Settings:
    """Pictures and artifacts of `n` images inside `folder`, and the settings that open them."""
    data = folder / "crowd"
    catalog = _pictures(data, n)
    settings = Settings(data=data, artifacts=folder / "artifacts", weights="bundled", offline=True)
    dataset = datasets.find(settings)
    assert dataset is not None
    _artifacts(workspace.folder_of(settings, dataset), catalog, backbone.choose(settings))
    return settings


def _pictures(data: Path, n: int) -> Catalog:
    rows = []
    for label in CLASSES:
        (data / label).mkdir(parents=True)
    for number in range(n):
        label = CLASSES[number * len(CLASSES) // n]
        picture = Image.new("RGB", (SIDE, SIDE), colour_of(number))
        image_id = f"{label}/{number:06}.png"
        picture.save(data / image_id, compress_level=0)
        rows.append((image_id, label, SIDE, SIDE, images.pixel_hash(picture), 0, 0))
    frame = pd.DataFrame(rows, columns=["id", "label", "width", "height", "sha256", "bytes", "changed_ns"])
    frame.insert(2, "split", [catalogs.split_of(sha256, 0) for sha256 in frame["sha256"]])
    return Catalog("crowd", data, frame, [], artifacts.digest("crowd", n), 0, None)


def _artifacts(folder: Path, catalog: Catalog, weights: backbone.Weights) -> None:
    n, rng = len(catalog.frame), np.random.default_rng(0)
    space = spaces.get("resnet18")
    cloud = catalog.frame["label"].map(CLASSES.index).to_numpy()
    fingerprint = spaces.fingerprint(space, catalog.fingerprint, weights)
    vectors = f"spaces/resnet18-{fingerprint[:8]}"
    (folder / vectors).mkdir(parents=True)
    values = rng.normal(size=(n, space.dim)).astype(np.float32) + 2 * rng.normal(size=(5, space.dim))[cloud]
    np.save(folder / vectors / "vectors.npy", values.astype(np.float32))
    np.save(folder / vectors / "pictures.npy", np.asarray(catalog.frame["sha256"], dtype="S64"))
    meta = {
        "space": spaces.provenance(space, weights),
        "fingerprint": fingerprint,
        "data_fingerprint": catalog.fingerprint,
        "count": n,
    }
    artifacts.write_json(folder / vectors / "meta.json", meta)
    maps = {}
    for method in ("umap", "pca"):
        parameters = projection.default_parameters(space, 0, method)
        maps[method] = projection.file_name(vectors, parameters)
        projection.save(_map(parameters, cloud, rng), folder / maps[method])
    near = f"neighbours/{Path(vectors).name}-{neighbourhoods.key()}.npz"
    following = ((np.arange(n)[:, None] + np.arange(1, DEPTH + 1)) % n).astype(np.int32)
    values_near = np.broadcast_to(np.linspace(0.9, 0.5, DEPTH, dtype=np.float32), following.shape)
    both = dict.fromkeys(neighbourhoods.METRICS, following)
    facts = {"input": "made up", "depth": DEPTH}
    neighbourhoods.save(
        Neighbourhoods(both, {name: np.ascontiguousarray(values_near) for name in both}, facts), folder / near
    )
    catalog_file.save(catalog, folder / "catalog-crowd.parquet")
    state = {
        "schema": state_file.SCHEMA,
        "version": VERSION,
        "dataset": {
            "name": "crowd",
            "root": str(catalog.root),
            "note": "",
            "fingerprint": catalog.fingerprint,
            "seed": 0,
            "limit": None,
            "images": n,
        },
        "catalog": "catalog-crowd.parquet",
        "contents": artifacts.digest(catalog.contents, list(catalog.frame["sha256"])),
        "spaces": {
            "resnet18": {
                "fingerprint": fingerprint,
                "data_fingerprint": catalog.fingerprint,
                "pictures": "crowd",
                "folder": vectors,
                "dim": space.dim,
                "count": n,
                "weights": weights.record(),
                "neighbours": near,
                "map": maps["umap"],
                "pca": maps["pca"],
            }
        },
        "collections": {},
        "libraries": artifacts.library_versions(),
        "prepared": "made up",
    }
    artifacts.write_json(folder / "state.json", state)


def _map(parameters: MapParameters, cloud: np.ndarray, rng: np.random.Generator) -> Map:
    angle = 2 * np.pi * cloud / len(CLASSES)
    xy = 4 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(size=(len(cloud), 2))
    unmeasured = dict.fromkeys(("trustworthiness", "continuity", "preservation"))
    facts = {**parameters.facts(), "input": "made-up places", "fidelity": {**unmeasured, "k": 15, "ranked": 0}}
    return Map(xy.astype(np.float32), np.full(len(xy), np.nan, np.float32), facts)
