"""Spaces of other networks than ResNet18: prepared, searched, explained, trained; and those of networks in files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.embed import network_spaces, spaces
from lib.embed.embedder import query_vector
from lib.errors import ArtifactError, QueryError
from lib.learn import network_weights, networks, plan, run_all
from lib.learn.preprocess import Preprocess
from lib.prepare import pipeline, workspace
from lib.retrieval import explain, search
from lib.retrieval.query import find_query
from lib.settings import Settings
from tests.helpers import quick_trainings

NETWORK = "shufflenet_v2_x0_5"


@pytest.fixture(autouse=True)
def _definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spaces, "_DEFINED", {})
    monkeypatch.setattr(spaces, "_CHOSEN", set())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of the network's weights whose card asks for 32 px."""
    path = tmp_path / "shuffle.pth"
    torch.save(networks.classifier(network_weights.random(NETWORK, 3, Preprocess((32, 32), None))).state_dict(), path)
    card = {"resize": [32, 32], "crop": None, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def test_a_network_of_torchvision_is_a_space_like_any_other(copied: Settings, file: Path) -> None:
    settings = replace(copied, network_weights=((NETWORK, str(file)),))
    document = pipeline.prepare(settings, names=[NETWORK])
    assert [(each["name"], each["dim"], each["weights"]) for each in document["spaces"]] == [
        (NETWORK, 1024, "shuffle.pth")
    ]
    assert {row["space"] for row in document["milvus"]["collections"]} == {"resnet18", NETWORK}
    spaces._DEFINED.clear()
    opened = workspace.open_workspace(settings)
    assert opened.spaces == ["pixels", "resnet18", NETWORK]
    assert (spaces.get(NETWORK).dim, spaces.get(NETWORK).group) == (1024, "backbone")
    assert opened.map(NETWORK).xy.shape == (61, 2)
    values, photo = opened.vectors(NETWORK).values, opened.catalog().open(3)
    assert query_vector(opened.embedder(NETWORK), photo) == pytest.approx(values[3], rel=1e-3, abs=1e-5)
    # Why: the features are the averages of maps.
    loaded = search.load_space(opened, NETWORK)
    pair = [explain.place(opened, loaded, find_query(loaded.catalog, loaded.catalog.ids[row])) for row in (3, 4)]
    explained = explain.explain("cosine", *pair)
    assert explained.parts.total == pytest.approx(explained.value, abs=1e-3)
    assert all(each["cached"] for each in pipeline.prepare(settings, names=[NETWORK])["spaces"])
    # Other weights are named.
    with pytest.raises(ArtifactError, match=r"was prepared with the shuffle\.pth weights, not with random"):
        workspace.open_workspace(replace(settings, network_weights=((NETWORK, "random"),))).space(NETWORK)


def test_a_network_in_a_file_is_a_space_like_any_other(copied: Settings, tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 12, 5, stride=4), torch.nn.ReLU()).eval()
    torch.export.save(torch.export.export(network, (torch.rand(4, 3, 24, 24),)), tmp_path / "mine.pt2")
    spaces.define(network_spaces.from_file(tmp_path / "mine.pt2", None, None))
    document = pipeline.prepare(copied, names=["mine"])
    assert [(each["name"], each["dim"]) for each in document["spaces"]] == [("mine", 12)]
    spaces._DEFINED.clear()
    opened = workspace.open_workspace(copied)
    values, photo = opened.vectors("mine").values, opened.catalog().open(3)
    assert values.shape == (61, 12)
    assert query_vector(opened.embedder("mine"), photo) == pytest.approx(values[3], rel=1e-3, abs=1e-5)
    assert "mine" in {row["space"] for row in document["milvus"]["collections"]}
    # Other preprocessing makes other vectors, although the state has the first ones.
    card = {"resize": 24, "crop": 24, "mean": [0, 0, 0], "std": [1, 1, 1]}
    (tmp_path / "mine.json").write_text(json.dumps(card))
    spaces.choose(network_spaces.from_file(tmp_path / "mine.pt2", None, None))
    assert not pipeline.prepare(copied, names=["mine"])["spaces"][0]["cached"]
    opened = workspace.open_workspace(copied)
    before, values = values, opened.vectors("mine").values
    assert not np.allclose(before, values)
    # The file is needed for queries, and only for them.
    (tmp_path / "mine.pt2").unlink()
    assert np.array_equal(workspace.open_workspace(copied).vectors("mine").values, values)
    with pytest.raises(ArtifactError, match="are not at"):
        workspace.open_workspace(copied).weights("mine")


def test_a_network_without_feature_maps_is_explained_by_its_dimensions(copied: Settings, tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 6)).eval()
    torch.export.save(torch.export.export(network, (torch.rand(4, 3, 8, 8),)), tmp_path / "flat.pt2")
    spaces.define(network_spaces.from_file(tmp_path / "flat.pt2", None, None))
    pipeline.prepare(copied, names=["flat"])
    opened = workspace.open_workspace(copied)
    loaded = search.load_space(opened, "flat")
    pair = [find_query(loaded.catalog, loaded.catalog.ids[row]) for row in (3, 4)]
    document = explain.of_pair(opened, loaded, "l1", *pair)
    assert document["grid"] == [0, 0] and document["why"]
    assert len(document["dimensions"]) == 6
    assert sum(each["part"] for each in document["dimensions"]) == pytest.approx(document["value"], rel=1e-5)


def test_a_damaged_definition_is_refused(copied: Settings) -> None:
    for kind in ({"kind": "network", "network": "vgg17", "dim": 3}, {"kind": "network file", "path": "/x.exe"}):
        with pytest.raises(QueryError):
            spaces.defined("vgg17", kind, copied.artifacts)
    with pytest.raises(QueryError, match="no number of dimensions"):
        spaces.defined("vgg16", {"kind": "network", "network": "vgg16", "dim": "9"}, copied.artifacts)


@pytest.mark.slow
@pytest.mark.parametrize("network", [NETWORK, "squeezenet1_1", "vit_b_32"])
def test_the_four_regimes_train_other_networks(network: str, copied: Settings) -> None:
    settings = replace(copied, seed=quick_trainings.SPLIT)
    catalog = quick_trainings.catalog(Path(str(settings.data)))
    weights = network_weights.random(network, 0, Preprocess((32, 32), None))
    names = ["scratch", "transfer", "finetune", "init"] if network == NETWORK else ["transfer", "finetune"]
    with quick_trainings.one_thread():
        planned = plan.plan(catalog, weights, names=names, preset="quick", seeds=[0], epochs=1, image_size=32)
        records = {record["regime"]: record for record in run_all.train(settings, planned)}
    assert all(record["network"] == network for record in records.values())
    assert all(f"-{network}-" in record["id"] for record in records.values())
    tensors = len(networks.parameter_names(weights))
    counts = {name: record["parameters"]["frozen_tensors"] for name, record in records.items()}
    assert counts["transfer"] == tensors - 2
    assert counts["finetune"] == round(tensors * 50 / 62)
    if network != NETWORK:
        return
    assert records["init"]["parameters"]["trainable"] == records["init"]["parameters"]["total"]
    with quick_trainings.one_thread():
        document = pipeline.prepare(settings, names=[f"finetune@{network}"])
    assert [each["name"] for each in document["spaces"]] == [f"finetune@{network}"]
    assert document["spaces"][0]["weights"] == records["finetune"]["id"]
