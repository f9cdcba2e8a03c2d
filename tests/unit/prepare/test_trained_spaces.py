"""The spaces that trained networks make: `prepare --spaces scratch,finetune,init` after `train`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.data.catalog import Catalog
from lib.embed import procrustes, spaces
from lib.errors import ArtifactError, Remedy, WeightsError
from lib.learn import backbone, checkpoints, photo_dataset, run_all, runs
from lib.prepare import doctor, pipeline, vectors_step, workspace
from lib.progress import Reporter
from lib.retrieval import search
from lib.retrieval.query import find_query
from lib.settings import Settings
from lib.store import collections, connection
from lib.view.components import scatter
from tests.helpers import browser_driver, quick_trainings

pytestmark = pytest.mark.slow

REGIMES = ["scratch", "finetune", "init"]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with quick_trainings.one_thread():
        yield


@dataclass(frozen=True)
class Made:
    """Trained networks, and the document of the `prepare` that made their spaces. Read only."""

    settings: Settings
    catalog: Catalog
    records: dict[str, dict[str, Any]]
    document: dict[str, Any]


@pytest.fixture(scope="module")
def made(pictures: Path, quick_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Made:
    settings = quick_trainings.settings(pictures, tmp_path_factory.mktemp("spaces") / "artifacts", quick_weights)
    with quick_trainings.one_thread():
        catalog = pipeline.catalog(settings)
        planned = quick_trainings.plan(catalog, quick_weights, REGIMES, epochs=1, ema=0.0)
        records = run_all.train(settings, planned)
        document = pipeline.prepare(settings, names=REGIMES)
    return Made(settings, catalog, {record["regime"]: record for record in records}, document)


def test_prepare_makes_them_like_any_other(made: Made) -> None:
    assert [(space["name"], space["dim"], space["count"]) for space in made.document["spaces"]] == [
        (regime, 512, 61) for regime in REGIMES
    ]
    assert [space["weights"] for space in made.document["spaces"]] == [made.records[name]["id"] for name in REGIMES]
    assert {row["space"] for row in made.document["milvus"]["collections"]} == set(REGIMES)
    assert workspace.open_workspace(made.settings).spaces == REGIMES


@pytest.mark.parametrize("regime", REGIMES)
def test_vectors_are_the_trained_networks_pooled_features(made: Made, regime: str) -> None:
    import torch

    opened = workspace.open_workspace(made.settings)
    vectors = opened.vectors(regime)
    weights = opened.weights(regime)
    assert weights is not None
    assert weights.path == checkpoints.weights_file(made.settings, made.records[regime]["id"])
    network: Any = backbone.resnet18(weights, 5)
    network.fc = torch.nn.Identity()
    network.eval()
    rows = np.array([0, 17, 30, 60])
    photos = photo_dataset.Photos(opened.catalog(), rows, np.zeros(4, dtype=np.int64), ())
    with torch.inference_mode():
        features = network(photo_dataset.EvaluationPhotos(photos, weights.preprocess)(np.arange(4))).numpy()
    np.testing.assert_allclose(vectors.values[rows], features, rtol=1e-3, atol=1e-4)


def test_every_network_makes_another_space(made: Made) -> None:
    opened = workspace.open_workspace(made.settings)
    first = [np.array(opened.vectors(regime).values[0]) for regime in REGIMES]
    assert not any(np.allclose(first[one], first[other]) for one, other in ((0, 1), (0, 2), (1, 2)))
    assert all(opened.map(regime).xy.shape == (61, 2) for regime in REGIMES)


@pytest.mark.parametrize("engine", ["exact", "milvus"])
@pytest.mark.parametrize("regime", REGIMES)
def test_they_can_be_searched(made: Made, regime: str, engine: str) -> None:
    opened = workspace.open_workspace(made.settings)
    loaded = search.load_space(opened, regime)
    query = find_query(loaded.catalog, "tulip/04.jpg")
    found = search.search(opened, loaded, query, metric_name="cosine", k=5, engine=engine)
    vectors = opened.vectors(regime).values.astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    row = loaded.catalog.ids.index("tulip/04.jpg")
    values = unit @ unit[row]
    values[row] = -1
    assert [hit["value"] for hit in found["results"]] == pytest.approx(sorted(values, reverse=True)[:5], abs=1e-4)


@pytest.mark.parametrize("weights", ["bundled", "random"])
def test_other_backbone_weights_do_not_stand_in_their_way(made: Made, weights: str) -> None:
    opened = workspace.open_workspace(replace(made.settings, weights=weights))
    assert opened.vectors("init").values.shape == (61, 512)


def test_a_second_prepare_finds_nothing_to_do(made: Made) -> None:
    again = pipeline.prepare(made.settings, names=REGIMES)
    assert all(space["cached"] for space in again["spaces"])


@pytest.mark.parametrize("regime", REGIMES)
def test_without_a_network_the_way_to_one_is_named(
    pictures: Path, quick_weights: str, tmp_path: Path, regime: str
) -> None:
    settings = quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights)
    with pytest.raises(WeightsError, match=f"under the regime {regime} yet") as caught:
        pipeline.prepare(settings, names=[regime])
    assert caught.value.remedy is Remedy.TRAIN
    assert caught.value.command == settings.command("train", regime=regime, preset="quick")
    assert "\n" not in str(caught.value)


def test_a_space_that_is_not_prepared_names_both_steps(prepared: Settings) -> None:
    with pytest.raises(ArtifactError, match=r"space scratch .* lib train .* lib prepare .*--spaces scratch") as caught:
        workspace.open_workspace(prepared).space("scratch")
    assert caught.value.remedy is Remedy.TRAIN


def test_a_space_whose_network_is_there_names_one_step(noted: Callable[..., Settings]) -> None:
    settings = noted(first={"val_accuracy": 0.5})
    pipeline.prepare(settings, names=["pixels"])
    with pytest.raises(ArtifactError, match=r"The space init .* is not prepared yet") as caught:
        workspace.open_workspace(settings).space("init")
    assert caught.value.remedy is Remedy.EMBED
    assert caught.value.command == settings.command_to_prepare(spaces="init")


# --- Which network ---------------------------------------------------------------------------------------------------


@pytest.fixture
def noted(made: Made, tmp_path: Path) -> Callable[..., Settings]:
    """`noted(a={...}, b={...})`: artifacts with these runs of `init`, each changed so; all have the same network."""
    record = made.records["init"]
    source = checkpoints.weights_file(made.settings, record["id"])

    def note(**changes: dict[str, Any]) -> Settings:
        settings = replace(made.settings, artifacts=tmp_path / "noted")
        for name, changed in changes.items():
            has_network = changed.pop("has_network", True)
            dataset = record["dataset"] | changed.pop("dataset", {})
            path = checkpoints.record_file(settings, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**record, "id": name, "dataset": dataset, **changed}), encoding="utf-8")
            target = checkpoints.weights_file(settings, name)
            target.parent.mkdir(exist_ok=True)
            if has_network:
                target.symlink_to(source)
                target.with_suffix(".json").symlink_to(source.with_suffix(".json"))
        return settings

    return note


@pytest.mark.parametrize(
    "others",
    [
        {"worse": {"val_accuracy": 0.7}, "worst": {"val_accuracy": 0.0}},
        {"untold": {"val_accuracy": 0.9, "has_network": False}},
        {"other": {"val_accuracy": 0.9, "regime": "finetune"}},
        {"other": {"val_accuracy": 0.9, "classes": ["a", "b"]}},
        {"leaky": {"val_accuracy": 0.9, "dataset": {"seed": 99}}},  # it was trained on what is tested here
        {"elsewhere": {"val_accuracy": 0.9, "dataset": {"fingerprint": "other photos"}}},
        {"later": {"val_accuracy": 0.8, "seed": 1}},
    ],
)
def test_the_best_network_on_validation_photos_is_taken(
    made: Made, noted: Callable[..., Settings], others: dict[str, dict[str, Any]]
) -> None:
    settings = noted(best={"val_accuracy": 0.8}, **{name: dict(changed) for name, changed in others.items()})
    found = runs.network(settings, "init", made.catalog)
    assert found.name == "best"
    assert "run best" in found.about
    assert found.preprocess.input_size == 32


def test_a_network_of_other_photos_of_these_classes_is_better_than_none(
    made: Made, noted: Callable[..., Settings]
) -> None:
    settings = noted(elsewhere={"val_accuracy": 0.9, "dataset": {"fingerprint": "other photos"}})
    assert runs.network(settings, "init", made.catalog).name == "elsewhere"
    with pytest.raises(WeightsError, match=r"No network was trained on .* under the regime scratch yet"):
        runs.network(settings, "scratch", made.catalog)


def test_runs_that_came_with_the_program_have_no_network_here(made: Made, tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        runs.network(replace(made.settings, artifacts=tmp_path), "init", made.catalog)


def test_a_better_network_replaces_the_space_and_a_lost_one_is_named(
    made: Made, noted: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = noted(first={"val_accuracy": 0.5})
    before = pipeline.prepare(settings, names=["init"])["spaces"][0]
    assert before["weights"] == "first"
    noted(second={"val_accuracy": 0.6})
    target = checkpoints.weights_file(settings, "second")
    target.unlink()
    target.symlink_to(checkpoints.weights_file(made.settings, made.records["finetune"]["id"]))
    card = target.with_suffix(".json")
    card.unlink()
    card.symlink_to(checkpoints.weights_file(made.settings, made.records["finetune"]["id"]).with_suffix(".json"))
    after = pipeline.prepare(settings, names=["init"])["spaces"][0]
    assert (after["weights"], after["cached"]) == ("second", False)
    assert after["fingerprint"] != before["fingerprint"]
    target.unlink()
    opened = workspace.open_workspace(settings)
    assert opened.vectors("init").values.shape == (61, 512)  # photos of the catalog can still be searched
    with pytest.raises(ArtifactError, match=rf"second weights that init was made with are not at {target}") as caught:
        opened.weights("init")
    assert "\n" not in str(caught.value)
    assert "prepare" in str(caught.value)


def test_only_trained_spaces_name_a_regime() -> None:
    assert {name for name, space in spaces.SPACES.items() if space.regime} == set(REGIMES)
    assert all(space.regime in {None, name} for name, space in spaces.SPACES.items())
    assert not set(spaces.DEFAULTS) & set(REGIMES)


# --- what training does, on the map page -----------------------------------------------------------------------------


def _aligned(opened: workspace.Workspace) -> list[np.ndarray]:
    planes = [opened.map(REGIMES[0]).xy]
    for name in REGIMES[1:]:
        planes.append(procrustes.aligned(opened.map(name).xy, planes[-1]))
    return planes


def test_the_map_page_shows_the_spaces_one_after_the_other(start: Callable[[Settings], AppTest], made: Made) -> None:
    app = start(made.settings).switch_page("pages/2_Embedding_Map.py")
    app.query_params["section"] = "training"
    app.run()
    assert not app.exception
    sent = next(
        json.loads(each.proto.json)
        for each in app.get("bidi_component")
        if each.proto.component_name == "petalscope_scatter"
    )
    assert [stop["title"] for stop in sent["stops"]] == [spaces.get(name).title for name in REGIMES]
    for stop, plane in zip(sent["stops"], _aligned(workspace.open_workspace(made.settings)), strict=True):
        found = np.frombuffer(base64.b64decode(stop["xy"]), "<f4").reshape(-1, 2)
        np.testing.assert_allclose(found, plane, rtol=1e-5, atol=1e-5)
    table = app.dataframe[0].value.set_index("Space")
    for name in REGIMES:
        record = made.records[name]
        row = table.loc[spaces.get(name).title]
        assert row["Test accuracy %"] == pytest.approx(100 * record["test_accuracy"])
        assert record["id"] in row["Test accuracy of"]


@pytest.mark.browser
@pytest.mark.skipif(browser_driver.CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")
def test_points_go_from_one_map_to_the_next_as_the_server_reckons(made: Made, chromium) -> None:
    planes = _aligned(workspace.open_workspace(made.settings))
    assert made.settings.data is not None
    with browser_driver.serving(made.settings.data, made.settings.artifacts) as address:
        tab = browser_driver.Watched(chromium, address)
        tab.open("Embedding_Map?panel=training")
        browser_driver.wait_for_maps(tab.page, "maps.length === 1 && maps[0].state.data.stops")
        where = "return [...maps[0].state.data.xy]"
        assert np.reshape(browser_driver.on_maps(tab.page, where), (-1, 2)) == pytest.approx(planes[0], abs=1e-4)
        slide = tab.page.get_by_label("From one map to the next").last
        slide.scroll_into_view_if_needed()
        slide.fill("1.37")
        found = np.reshape(browser_driver.on_maps(tab.page, where), (-1, 2))
        assert found == pytest.approx(scatter.interpolate(planes, 1.37), abs=1e-4)
        tab.page.get_by_role("button", name="Play").last.click()
        browser_driver.wait_for_maps(tab.page, "maps[0].state.position === 2")
        assert np.reshape(browser_driver.on_maps(tab.page, where), (-1, 2)) == pytest.approx(planes[2], abs=1e-4)
        tab.context.close()
        assert not tab.complaints


# --- after an upgrade ------------------------------------------------------------------------------------------------


def _outdate(settings: Settings, name: str) -> None:
    """Make a space's vectors say that an earlier version of Petalscope made them."""
    opened = workspace.open_workspace(settings)
    entry = opened.state["spaces"][name]
    (file,) = (opened.folder / entry["folder"]).glob("meta.json")
    meta = json.loads(file.read_text(encoding="utf-8"))
    meta["space"]["schema"] -= 1
    meta["fingerprint"] = "0" * 64
    entry["fingerprint"] = meta["fingerprint"]
    file.write_text(json.dumps(meta), encoding="utf-8")
    (opened.folder / "state.json").write_text(json.dumps(opened.state), encoding="utf-8")


@pytest.fixture
def outdated(noted: Callable[..., Settings]) -> Settings:
    """A prepared space `init` of an earlier version, whose run is there."""
    settings = noted(first={"val_accuracy": 0.5})
    pipeline.prepare(settings, names=["init"])
    _outdate(settings, "init")
    with pytest.raises(ArtifactError, match="another version of Petalscope"):
        workspace.open_workspace(settings).vectors("init")
    return settings


def _recording_reporter() -> tuple[list[str], Reporter]:
    sentences: list[str] = []
    return sentences, Reporter(say=sentences.append)


def test_prepare_rebuilds_an_outdated_space(outdated: Settings) -> None:
    check = next(check for check in doctor.examine(outdated)["checks"] if check["name"] == "space init")
    assert (check["ready"], check["remedy"]) == (False, f"{outdated.prepare_command} --spaces init")
    sentences, reporter = _recording_reporter()
    document = pipeline.prepare(outdated, names=["pixels"], reporter=reporter)
    assert sentences == [vectors_step.rebuilding("init", vectors_step.OTHER_VERSION)]
    assert [(space["name"], space["cached"]) for space in document["spaces"]] == [("pixels", False), ("init", False)]
    opened = workspace.open_workspace(outdated)
    assert opened.spaces == ["pixels", "init"]
    assert opened.vectors("init").meta["space"]["schema"] == spaces.SPACES["init"].schema
    assert {row["name"] for row in document["milvus"]["collections"]} == {
        opened.collection("init") + suffix for suffix in ("", "_l2", "_centred")
    }
    sentences, reporter = _recording_reporter()
    assert all(space["cached"] for space in pipeline.prepare(outdated, names=["pixels"], reporter=reporter)["spaces"])
    assert sentences == []


def test_an_outdated_space_without_a_network_is_removed_and_the_remedy_is_shown(outdated: Settings) -> None:
    checkpoints.weights_file(outdated, "first").unlink()
    way = outdated.command("train", regime="init", preset="quick")
    way += f" && {outdated.prepare_command} --spaces init"
    check = next(check for check in doctor.examine(outdated)["checks"] if check["name"] == "space init")
    assert (check["ready"], check["remedy"]) == (False, way)
    sentences, reporter = _recording_reporter()
    pipeline.prepare(outdated, names=["pixels"], reporter=reporter)
    assert sentences == [vectors_step.removed("init", vectors_step.OTHER_VERSION, way)]
    assert workspace.open_workspace(outdated).spaces == ["pixels"]
    with connection.open_store(outdated.store_uri) as store:
        assert collections.names(store) == []
    assert not [check for check in doctor.examine(outdated)["checks"] if check["name"] == "space init"]
