"""Made-up training records for tests: seeded, plausible in shape, and said to be synthetic. No network was trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.data.catalog import Catalog
from lib.learn.regimes import REGIMES, frozen_count, parameter_counts

ABOUT = "made up for a test; nothing was trained"
# Where each regime's accuracy begins and ends, roughly as in the published order.
_COURSE = {"scratch": (0.30, 0.84), "transfer": (0.55, 0.83), "finetune": (0.60, 0.89), "init": (0.58, 0.92)}
_LAYERS = {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512}


def record(
    regime: str,
    photos: Sequence[tuple[str, str]],
    *,
    seed: int = 0,
    preset: str = "full",
    epochs: int = 20,
    dataset: dict[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    **changed: Any,
) -> dict[str, Any]:
    """One run on the test photos `photos`, (id, label) each, in the shape of the record contract."""
    rng = np.random.default_rng([seed, *map(ord, regime + preset)])
    names = sorted(classes or {label for _, label in photos})
    begin, end = _COURSE[regime]
    way = 1 - np.exp(-4 * np.arange(1, epochs + 1) / epochs)
    val = np.clip(begin + (end - begin) * way + rng.normal(0, 0.012, epochs), 0, 1)
    train = np.clip(begin - 0.05 + (end + 0.04 - begin) * way + rng.normal(0, 0.006, epochs), 0, 1)
    images = 8 * len(photos)
    predictions = [_prediction(image_id, label, names, end + rng.normal(0, 0.01), rng) for image_id, label in photos]
    place = {name: i for i, name in enumerate(names)}
    confusion = np.zeros((len(names), len(names)), dtype=int)
    for row in predictions:
        confusion[place[row["label"]], place[row["predicted"]]] += 1
    total, trainable = parameter_counts(REGIMES[regime], len(names))
    best = int(val.argmax())
    seconds = [float(value) for value in (2.0 if regime == "transfer" else 60.0) + rng.random(epochs)]
    document = {
        "schema": 1,
        "id": f"{regime}-{preset}-s{seed}-00000000",
        "regime": regime,
        "preset": preset,
        "weights": "random" if regime == "scratch" else "bundled",
        "weights_about": ABOUT,
        "weights_sha256": "0" * 64,
        "seed": seed,
        "epochs": [
            {
                "epoch": i + 1,
                "train_loss": float(1.6 * (1 - train[i]) + 0.05),
                "train_accuracy": float(train[i]),
                "val_loss": float(1.7 * (1 - val[i]) + 0.08),
                "val_accuracy": float(val[i]),
                "seconds": seconds[i],
                "lr": 0.01 * (1 - i / epochs),
                "images": images,
            }
            for i in range(epochs)
        ],
        "best_epoch": best + 1,
        "val_accuracy": float(val[best]),
        "test_accuracy": sum(row["label"] == row["predicted"] for row in predictions) / len(predictions),
        "test_loss": 0.4,
        "classes": names,
        "confusion": confusion.tolist(),
        "predictions": predictions,
        "parameters": {
            "total": total,
            "trainable": trainable,
            "frozen_tensors": frozen_count(REGIMES[regime], len(names)),
        },
        "probe": [
            {"layer": layer, "dim": dim, "photos": size, "accuracy": min(0.99, base + 0.07 * i + 0.02 * rng.random())}
            for size, base in ((20 * len(names), 0.42), (images, 0.58))
            for i, (layer, dim) in enumerate(_LAYERS.items())
        ],
        "dataset": dataset or {"name": "made up", "fingerprint": "0" * 64, "images": 10 * len(photos)},
        "config": {"epochs": epochs, "batch_size": 256, "image_size": 128, "optimizer": "sgd", "regime": regime},
        "environment": {"device": "cpu", "note": ABOUT},
        "finished": f"2026-01-01T00:00:{seed:02}+00:00",
        "seconds": sum(seconds),
    }
    return document | changed


def _prediction(
    image_id: str, label: str, names: Sequence[str], accuracy: float, rng: np.random.Generator
) -> dict[str, Any]:
    others = [name for name in names if name != label]
    right = not others or rng.random() < accuracy
    predicted = label if right else others[int(rng.integers(len(others)))]
    confidence = float(rng.beta(6, 2) if right else rng.beta(3, 3))
    return {"id": image_id, "label": label, "predicted": predicted, "confidence": confidence}


def on_catalog(catalog: Catalog, name: str, regime: str, **options: Any) -> dict[str, Any]:
    """A run on the test photos of a catalog, as if it had been trained on its photos."""
    frame = catalog.frame
    rows = frame[frame["split"] == "test"]
    split = {part: int((frame["split"] == part).sum()) for part in ("train", "val", "test")}
    dataset = {"name": name, "fingerprint": catalog.fingerprint, "images": len(frame), "split": split, "limit": None}
    photos = list(zip(rows["id"].astype(str), rows["label"].astype(str), strict=True))
    return record(regime, photos, dataset=dataset, classes=list(catalog.classes), **options)


def write(folder: Path, runs: Iterable[dict[str, Any]]) -> Path:
    """Each run as a JSON file under `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for run in runs:
        (folder / f"{run['id']}.json").write_text(json.dumps(run), encoding="utf-8")
    return folder
