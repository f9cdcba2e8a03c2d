"""lib.embed.inference: another engine than torch is taken only when it answers as torch does; bfloat16 keeps apart."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lib.data import catalog as catalogs
from lib.embed import distributed, embedder, extract, inference, spaces
from lib.embed.inference import BF16, FP32
from lib.errors import ArtifactError, QueryError, WeightsError
from lib.learn import backbone, hardware, transforms
from lib.learn.backbone import Weights
from lib.prepare import pipeline, workspace
from lib.retrieval import search
from lib.retrieval.query import query_picture
from lib.settings import Settings

RESNET18 = spaces.get("resnet18")
ABLE = hardware.precision(torch.device("cpu")) == "bfloat16"
needs_bf16 = pytest.mark.skipif(not ABLE, reason="this processor has no bfloat16")


@pytest.fixture(scope="module")
def weights(quick_weights: str) -> Weights:
    return backbone.from_file(Path(quick_weights))


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def plain(weights: Weights, photos: np.ndarray) -> np.ndarray:
    """What torchvision's network, as it comes, says of `photos`."""
    network: Any = backbone.resnet18(weights)
    network.fc = torch.nn.Identity()
    with torch.inference_mode():
        found: np.ndarray = network.eval()(
            torch.from_numpy(np.ascontiguousarray(transforms.normalise(photos, weights.preprocess)))
        ).numpy()
    return found


def distance(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float((1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).max())


def torch_only(*_: object) -> Any:
    raise AttributeError("this torch has no such call")


@pytest.mark.parametrize("build", [None, torch_only])
def test_every_engine_has_the_features_of_torchvisions_network(
    weights: Weights, photos: np.ndarray, plain: np.ndarray, build: Callable[..., Any] | None
) -> None:
    engine = inference.engine(weights, build=build)
    found = engine.run(photos)
    assert (found.dtype, found.shape) == (np.float32, (16, 512))
    assert distance(found, plain) <= 1e-6
    np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-4)
    assert engine.facts["version"] == torch.__version__
    if build is not None:
        assert engine.facts["name"] == "torch"
    for count in (1, 3):
        np.testing.assert_allclose(engine.run(photos[:count]), plain[:count], rtol=1e-4, atol=1e-4)


def test_a_gpu_would_be_given_what_a_cpu_is(weights: Weights, photos: np.ndarray) -> None:
    tensor = inference.normalised(torch.from_numpy(photos), weights.preprocess)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(tensor.numpy(), transforms.normalise(photos, weights.preprocess), rtol=1e-6, atol=1e-6)


def test_an_engine_that_answers_otherwise_is_not_taken(weights: Weights, photos: np.ndarray, plain: np.ndarray) -> None:
    def wrong(network: Any, dtype: torch.dtype, side: int) -> Any:
        def run(batch: torch.Tensor) -> torch.Tensor:
            found = network(batch)
            found[0, 0] += 0.01 * found[0].norm()  # of one photo, one feature
            return found

        return run

    def undefined(network: Any, dtype: torch.dtype, side: int) -> Any:
        return lambda batch: network(batch) * float("nan")

    for build in (wrong, undefined):
        engine = inference.engine(weights, build=build)
        assert engine.facts["name"] == "torch"
        assert distance(engine.run(photos), plain) <= 1e-6


def test_an_engine_that_differs_a_little_less_is_taken(weights: Weights) -> None:
    def other(network: Any, dtype: torch.dtype, side: int) -> Any:
        return lambda batch: network(batch) * 1.000001

    assert inference.engine(weights, build=other).facts["name"] == "onednn"


@needs_bf16
@pytest.mark.parametrize("build", [None, torch_only])
def test_bfloat16_is_near_float32_and_not_equal(
    weights: Weights, photos: np.ndarray, plain: np.ndarray, build: Callable[..., Any] | None
) -> None:
    found = inference.engine(weights, BF16, build=build).run(photos)
    assert found.dtype == np.float32
    assert 1e-9 < distance(found, plain) < 1e-3


def test_bfloat16_is_refused_where_there_is_none(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "precision", lambda device: "float32")
    inference.engine(weights, FP32)
    with pytest.raises(WeightsError, match=r"has no bfloat16.*run `python -m lib prepare --precision fp32`"):
        inference.engine(weights, BF16)


def test_a_precision_is_a_space_of_its_own() -> None:
    bf16 = spaces.in_precision(RESNET18, "bf16")
    weights = backbone.random()
    assert spaces.in_precision(RESNET18, None) is RESNET18
    assert spaces.in_precision(RESNET18, "fp32") == RESNET18
    assert spaces.fingerprint(bf16, "data", weights) != spaces.fingerprint(RESNET18, "data", weights)
    assert spaces.provenance(bf16, weights) != spaces.provenance(RESNET18, weights)
    pixels = spaces.get("pixels")
    assert spaces.in_precision(pixels, "bf16") == pixels
    with pytest.raises(QueryError, match="no precision called 'fp16'; choose one of fp32, bf16"):
        spaces.in_precision(RESNET18, "fp16")


@pytest.fixture(scope="module")
def settings(pictures: Path, quick_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("engines") / "artifacts"
    return Settings(data=pictures, artifacts=folder, weights=quick_weights, offline=True, store_wait_s=0.0)


@needs_bf16
@pytest.mark.slow
def test_embedding_and_preparing_keep_precisions_apart(settings: Settings) -> None:
    first = pipeline.embed(settings, precision="bf16")["spaces"][0]
    assert (first["precision"], first["cached"], first["engine"]["name"]) == ("bf16", False, "onednn")
    assert pipeline.embed(settings, precision="bf16")["spaces"][0]["cached"]
    with pytest.raises(ArtifactError, match="not prepared yet"):  # vectors alone are nothing that pages can show
        workspace.open_workspace(settings)

    taken_up = pipeline.prepare(settings, names=["resnet18"], precision="bf16")["spaces"][0]
    assert (taken_up["cached"], taken_up["fingerprint"]) == (True, first["fingerprint"])
    half = workspace.open_workspace(settings)
    assert half.prepared_space("resnet18").precision == "bf16"
    stored = half.vectors("resnet18")
    assert stored.meta["space"]["precision"] == "bf16"

    # A picture from outside is embedded as the space was: the stored vector, not float32's, is found at no distance.
    catalog = half.catalog()
    query = query_picture(catalog, catalog.open(3), "outside")
    outside = replace(query, copies=[])
    found = search.vector(half, search.load_space(half, "resnet18"), outside)
    assert distance(found[None], stored.values[3][None]) < distance(
        embedder.query_vector(embedder.embedder(RESNET18, half.weights("resnet18")), catalog.open(3))[None],
        stored.values[3][None],
    )

    entry = pipeline.embed(settings)["spaces"][0]  # unnamed: as before
    assert (entry["precision"], entry["cached"]) == ("bf16", True)
    whole = pipeline.embed(settings, precision="fp32")["spaces"][0]
    assert (whole["precision"], whole["cached"]) == ("fp32", False)
    assert whole["fingerprint"] != first["fingerprint"]
    folder = next((half.folder / "spaces").glob(f"resnet18-{whole['fingerprint'][:8]}-*"))
    others = extract.load(folder)
    assert others is not None
    assert 1e-9 < distance(others.values, stored.values) < 1e-3  # nothing was copied from the other precision


def test_vectors_of_another_version_are_refused_by_name(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    file = opened.folder / opened.space("resnet18")["folder"] / "meta.json"
    meta = json.loads(file.read_text(encoding="utf-8"))
    meta["space"]["schema"] = 1
    file.write_text(json.dumps(meta), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"vectors of resnet18 were made by another version .* run `python -m lib"):
        opened.vectors("resnet18")


@pytest.mark.slow
def test_rows_of_another_engine_are_computed_anew(pictures: Path, weights: Weights, tmp_path: Path) -> None:
    catalog = catalogs.build("photos", pictures, seed=0)
    extract.extract(RESNET18, catalog, weights, tmp_path / "made")
    file = tmp_path / "made" / "meta.json"
    meta = json.loads(file.read_text(encoding="utf-8"))
    for engine, expected in ((meta["engine"], 1), ({"name": "another", "version": "1"}, 60)):
        file.write_text(json.dumps(meta | {"engine": engine}), encoding="utf-8")
        seen: list[int | None] = []
        changed = extract.load(tmp_path / "made")
        assert changed is not None
        previous = replace(changed, pictures=changed.pictures.copy())
        previous.pictures[30] = b"0" * 64  # a picture that is not there, so that one is missing
        extract.extract(
            RESNET18,
            catalog,
            weights,
            tmp_path / "again",
            previous=previous,
            progress=lambda done, total, seen=seen: seen.append(total),  # type: ignore[misc]
        )
        assert seen[-1] == expected  # of 60 different pictures


def test_a_crew_shares_torchs_threads_and_leaves_them_as_they_were(weights: Weights, photos: np.ndarray) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        engine = inference.engine(weights)
        assert engine.workers == 4
        alone = engine.run(photos)
        with inference.thread_pool(2) as pool:
            assert {pool.submit(torch.get_num_threads).result() for _ in range(8)} == {2}
            found = list(pool.map(engine.run, [photos] * 6))
        assert torch.get_num_threads() == 4
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [4]
    finally:
        torch.set_num_threads(before)
    for each in found:
        np.testing.assert_array_equal(each, alone)


class Small:
    """A GPU that holds `room` photos at a time, of which it answers the means; what it was given is in `seen`."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.seen: list[int] = []

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        self.seen.append(len(photos))
        if len(photos) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        found: np.ndarray = photos.mean(axis=(1, 2), dtype=np.float32)
        return found


def test_a_gpu_with_little_memory_is_given_fewer_photos(photos: np.ndarray) -> None:
    gpu = Small(room=5)
    run = inference.within_memory(gpu, 64)
    np.testing.assert_array_equal(run(photos), photos.mean(axis=(1, 2), dtype=np.float32))
    assert gpu.seen == [16, 8, 4, 4, 4, 4]
    gpu.seen.clear()
    assert run(photos[:6]).shape == (6, 3)
    assert gpu.seen == [4, 2]  # it is not tried again and again


def test_a_gpu_with_no_memory_is_told_of_in_one_sentence(photos: np.ndarray) -> None:
    with pytest.raises(WeightsError, match=r"too little free memory for even one photo; .*CUDA_VISIBLE_DEVICES="):
        inference.within_memory(Small(room=0), 64)(photos)


def test_other_errors_of_a_gpu_are_not_taken_for_that(photos: np.ndarray) -> None:
    def broken(_: np.ndarray) -> np.ndarray:
        raise RuntimeError("device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side"):
        inference.within_memory(broken, 64)(photos)


def test_float32_is_no_tf32_while_a_gpu_computes() -> None:
    before = torch.backends.cudnn.allow_tf32
    with inference._exact(torch.device("cuda")):
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.enabled
    assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_that_only_imitates_bfloat16_has_none(
    native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert hardware.precision(torch.device("cuda")) == expected


@pytest.mark.slow
def test_helpers_compute_as_the_first_process_does(pictures: Path, weights: Weights) -> None:
    catalog = catalogs.build("photos", pictures, seed=0)
    other = {"name": "torch, NVIDIA T4", "version": "2.0"}
    task = distributed.Task(RESNET18, catalog, weights, [[0], [1]], other)
    own = embedder.embedder(RESNET18, weights).engine
    with pytest.raises(ArtifactError, match=re.escape(extract.other_engine_message(1, own, other))):
        next(extract.parts(task, 1, 2))
    assert "the first process with torch, NVIDIA T4 2.0:" in extract.other_engine_message(1, own, other)
    alike = replace(task, engine=own)
    rows, vectors = next(extract.parts(alike, 1, 2))
    assert (rows, vectors.shape) == ([1], (1, 512))
