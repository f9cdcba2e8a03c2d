"""The training page, run by Streamlit's test harness on made-up records (tests/helpers/training_records.py)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib import artifacts as artifact_files
from lib.errors import ArtifactError, DataError, Remedy
from lib.learn import results, runs
from lib.learn.live_status import Status
from lib.learn.normalise_record import normalise
from lib.learn.regimes import REGIMES
from lib.measure.training_verdict import training_verdict
from lib.prepare import workspace
from lib.settings import PROJECT, Settings
from lib.view import formatting, remedies
from lib.view.figures import network as network_figures
from lib.view.figures import training_curves, training_results
from lib.view.training import epoch_map, live_training, run_details, sections
from lib.view.training import network as network_page
from lib.view.training import results as results_page
from tests.helpers import training_records

PAGE = "pages/1_Training_Regimes.py"
HOSTILE = ("<img src=x onerror=alert(1)>", "$x$ **y** `z`")
Open = Callable[..., AppTest]


def made(prepared: Settings) -> list[dict[str, Any]]:
    """Four regimes with two seeds each, as if trained on the photos of `prepared`."""
    catalog = workspace.open_workspace(prepared).catalog()
    return [
        training_records.on_catalog(catalog, "here", name, seed=seed, epochs=5) for name in REGIMES for seed in (0, 1)
    ]


def foreign() -> dict[str, Any]:
    """A run on photos that are not here, with names that try to be HTML, Markdown and mathematics."""
    photos = [(f"{label}/{i}.jpg", label) for label in HOSTILE for i in range(20)]
    data = {"name": HOSTILE[0], "fingerprint": "f" * 64, "images": 400}
    return training_records.record(
        "init", photos, preset="quick", epochs=3, dataset=data, weights_about=HOSTILE[1], probe=[]
    )


@pytest.fixture
def page(prepared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """`page(records, section=…)`: the page with these records, on photos that are prepared."""
    import streamlit as st

    copy = tmp_path / "artifacts"
    shutil.copytree(prepared.artifacts, copy, ignore=shutil.ignore_patterns("*.db"))

    def begin(records: list[dict[str, Any]], **address: str) -> AppTest:
        training_records.write(copy / "runs", records)
        monkeypatch.setenv("PETALSCOPE_DATA", str(prepared.data))
        monkeypatch.setenv("PETALSCOPE_ARTIFACTS", str(copy))
        monkeypatch.setenv("PETALSCOPE_OFFLINE", "1")
        st.cache_data.clear()
        st.cache_resource.clear()
        app = AppTest.from_file(str(PROJECT / "Home.py"), default_timeout=60).run().switch_page(PAGE)
        for name, value in address.items():
            app.query_params[name] = value
        app.run()
        # What the browser reports once it has drawn the page.
        app.session_state["results_below"] = {"drawn": True}
        return fine(app.run())

    yield begin
    st.cache_data.clear()
    st.cache_resource.clear()


def fine(app: AppTest) -> AppTest:
    assert not app.exception, [entry.message for entry in app.exception]
    for table in app.dataframe:  # a column that is renamed in one place only would lose its format and help
        assert set(json.loads(table.proto.columns or "{}")) - {"_index"} <= set(table.value.columns)
    return app


def words(app: AppTest) -> str:
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in (*kinds, app.success) for element in kind)


def frame(app: AppTest, column: str) -> Any:
    return next(table.value for table in app.dataframe if column in table.value)


def address_of(prepared: Settings, preset: str = "full") -> str:
    return f"{preset}-{workspace.open_workspace(prepared).catalog().fingerprint[:8]}"


@pytest.mark.parametrize("section", sections.SECTIONS)
def test_every_section_opens_with_sound_hostile_and_empty_records(page: Open, prepared: Settings, section: str) -> None:
    empty = dict.fromkeys(runs.NEEDED, 0) | {"id": "empty", "regime": "no regime of ours"}
    app = page([*made(prepared), foreign(), empty], section=section, runs="all")
    assert not app.error
    assert app.get("plotly_chart") or section == "train"


def test_the_table_is_what_the_records_say(page: Open, prepared: Settings) -> None:
    app = page(made(prepared), runs=address_of(prepared))
    expected = results.table(map(normalise, made(prepared)))
    shown = frame(app, results_page.TEST_ACCURACY)
    assert list(shown["Regime"]) == [regime.title for regime in REGIMES.values()]
    assert list(shown[results_page.TEST_ACCURACY]) == pytest.approx(
        [100 * row["accuracy"] for row in expected], abs=1e-3
    )
    assert list(shown["Published %"]) == [73.11, 86.98, 93.13, 95.27]
    assert set(shown["Photos"]) == {"here"}
    verdicts = frame(app, "Verdict")
    assert list(verdicts["Verdict"]) == [
        pair["verdict"] for pair in results.differences(map(normalise, made(prepared)))
    ]
    mine = [normalise(record) for record in made(prepared)]
    fingerprint = workspace.open_workspace(prepared).catalog().fingerprint
    assert formatting.plain(training_verdict(mine, fingerprint).text) in words(app)
    helps = " ".join(caption.help for caption in app.caption)
    assert "ImageNet weights" in helps and training_records.ABOUT in helps


def test_what_lies_below_the_first_screen_waits_for_the_browser(page: Open, prepared: Settings) -> None:
    app = page(made(prepared), runs=address_of(prepared))
    assert any("Verdict" in table.value for table in app.dataframe)
    app.session_state["results_below"] = {"drawn": False}
    app.run()
    assert not any("Verdict" in table.value for table in app.dataframe)
    assert frame(app, results_page.TEST_ACCURACY) is not None


def test_one_seed_is_labelled_as_one(page: Open, prepared: Settings) -> None:
    app = page(made(prepared)[::2], runs=address_of(prepared))
    assert set(frame(app, results_page.TEST_ACCURACY)["Over seeds %"]) == {results_page.ONE_SEED}


def test_a_link_restores_runs_and_regimes(page: Open, prepared: Settings) -> None:
    app = page([*made(prepared), foreign()], runs="quick-ffffffff")
    assert list(frame(app, results_page.TEST_ACCURACY)["Photos"]) == [f"{HOSTILE[0]} (other photos)"]
    app = page([*made(prepared), foreign()], runs=address_of(prepared), regimes="init")
    assert list(frame(app, results_page.TEST_ACCURACY)["Regime"]) == ["Initialisation"]
    app = page([*made(prepared), foreign()], runs=address_of(prepared), regimes="nothing,of,ours")
    assert len(frame(app, results_page.TEST_ACCURACY)) == len(REGIMES)
    # The open photos' own runs come first.
    assert page([*made(prepared), foreign()]).query_params.get("runs") is None
    assert set(frame(page([*made(prepared), foreign()]), results_page.TEST_ACCURACY)["Photos"]) == {"here"}


def test_a_cell_opens_the_photos_that_it_counts(page: Open, prepared: Settings) -> None:
    record = made(prepared)[0]
    run = normalise(record)
    true, predicted = max(
        ((a, b) for a in run["classes"] for b in run["classes"]),
        key=lambda cell: len(results.confusion_cell_ids(run, *cell)),
    )
    address = {"section": "run", "run": record["id"], "true": true, "predicted": predicted}
    app = page(made(prepared), runs=address_of(prepared), **address)
    count = len(results.confusion_cell_ids(run, true, predicted))
    assert count > 0
    assert run_details.cell_count(count, true, predicted) in words(app)


def test_photos_of_another_data_set_are_named_and_not_shown(page: Open, prepared: Settings) -> None:
    app = page([*made(prepared), foreign()], section="run", runs="quick-ffffffff")
    assert run_details.OTHER_PHOTOS in words(app)
    listed = [table.value for table in app.dataframe if "Photo" in table.value]
    assert any(photo.startswith(HOSTILE) for table in listed for photo in table["Photo"])


def test_names_from_outside_stay_text(page: Open, prepared: Settings) -> None:
    for section in ("results", "run"):
        shown = words(page([foreign()], section=section, runs="quick-ffffffff"))
        assert "<img" not in shown.replace("\\<img", "")
        assert "$x$" not in shown


def test_the_settings_of_two_runs_are_compared(page: Open, prepared: Settings) -> None:
    a, b = made(prepared)[:2]
    app = page([a, b], section="run", runs=address_of(prepared), run=a["id"], other=b["id"])
    differences = frame(app, "Other run")
    assert list(differences["Setting"]) == ["seed"]
    assert list(differences["This run"]) == ["0"]


def test_the_guide_shows_measurements_or_that_there_are_none(page: Open, prepared: Settings) -> None:
    shown = words(page(made(prepared), section="network", runs=address_of(prepared)))
    transfer = [row for row in results.probe_means(map(normalise, made(prepared))) if row["regime"] == "transfer"]
    few = {row["layer"]: row["accuracy"] for row in transfer if row["photos"] == transfer[0]["photos"]}
    assert f"layer4 **{few['layer4']:.1%}**" in shown
    assert network_page.NOT_MEASURED not in shown
    shown = words(page([foreign()], section="network", runs="quick-ffffffff"))
    assert shown.count(network_page.NOT_MEASURED) == 2


def test_a_damaged_record_leaves_the_rest_of_the_page(page: Open, prepared: Settings, tmp_path: Path) -> None:
    (tmp_path / "artifacts" / "runs").mkdir()
    (tmp_path / "artifacts" / "runs" / "x.json").write_text("{}")
    for section in sections.SECTIONS:
        app = page([], section=section)
        assert any("is damaged" in box.value for box in app.error)
        assert app.get("button_group")


class FakeTrainer:
    """Takes the place of `lib.learn.live_status`: has a status, and records the starts and stops."""

    def __init__(self, current: Status | None = None, starts: bool = True, error: Exception | None = None) -> None:
        self.current, self.starts, self.error = current, starts, error
        self.started: list[dict[str, Any]] = []
        self.stopped = 0

    def status(self, settings: Settings) -> Status | None:
        return self.current

    def start(self, settings: Settings, **arguments: Any) -> bool:
        if self.error:
            raise self.error
        self.started.append(arguments)
        self.current = RUNNING
        return self.starts

    def stop(self, settings: Settings) -> bool:
        self.stopped += 1
        self.current = replace(RUNNING, running=False, message="stopped; resumable")
        return True


RUNNING = Status(
    running=True,
    pid=1,
    queue=["scratch, seed 0", "<b>init</b>, seed 0"],
    place=1,
    regime="init",
    seed=0,
    run_id="init-quick-s0",
    epoch=2,
    epochs=8,
    stage="epoch 3",
    done=120,
    total=400,
    images_per_s=55.4,
    seconds_left=130.0,
    curve=[
        {"epoch": 1, "train_loss": 1.4, "train_accuracy": 0.4, "val_loss": 1.3, "val_accuracy": 0.45},
        {"epoch": 2, "train_loss": 1.1, "train_accuracy": 0.5, "val_loss": 1.2, "val_accuracy": 0.55},
    ],
)


def _train(fake: object) -> None:
    from lib.view.training import train_form

    train_form.section([], fake)


def session(fake: FakeTrainer) -> AppTest:
    return fine(AppTest.from_function(_train, args=(fake,), default_timeout=30).run())


def button(app: AppTest, key: str) -> Any:
    return next(each for each in app.button if each.key == key)


def test_starting_hands_over_what_was_chosen() -> None:
    fake = FakeTrainer()
    app = session(fake)
    assert not button(app, "train_start").disabled
    fine(button(app, "train_start").click().run())
    assert fake.started == [{"regimes": list(REGIMES), "preset": "quick", "seeds": [0]}]
    assert button(app, "train_start").disabled


def test_the_form_keeps_what_was_chosen_in_the_address() -> None:
    app = session(FakeTrainer())
    groups = {group.key: group for group in app.get("button_group")}
    groups["training_seeds"].set_value(["2", "1"])
    groups["training_train"].set_value(["init"])
    fine(groups["training_preset"].set_value("full").run())
    kept = dict(app.query_params)
    assert kept == {"train": "init", "preset": "full", "seeds": "2,1"}
    fake = FakeTrainer()
    again = AppTest.from_function(_train, args=(fake,), default_timeout=30)
    again.query_params.update(kept)
    fine(button(fine(again.run()), "train_start").click().run())
    assert fake.started == [{"regimes": ["init"], "preset": "full", "seeds": [1, 2]}]


@pytest.mark.parametrize("hostile", ["9", "-1,x", "<b>", "1" * 50])
def test_an_address_with_other_choices_falls_back_to_the_forms_own(hostile: str) -> None:
    fake = FakeTrainer()
    app = AppTest.from_function(_train, args=(fake,), default_timeout=30)
    app.query_params.update({"train": hostile, "preset": hostile, "seeds": hostile})
    fine(button(fine(app.run()), "train_start").click().run())
    assert fake.started == [{"regimes": list(REGIMES), "preset": "quick", "seeds": [0]}]


def test_nothing_chosen_cannot_start() -> None:
    app = session(FakeTrainer())
    groups = {group.key: group for group in app.get("button_group")}
    fine(groups["training_seeds"].set_value([]).run())
    assert button(app, "train_start").disabled


def test_every_session_sees_the_run_and_cannot_start_another() -> None:
    fake = FakeTrainer(RUNNING)
    for app in (session(fake), session(fake)):
        assert "Training \\<b\\>init\\</b\\>, seed 0, 2 of 2" in words(app)
        shown = {metric.label: metric.value for metric in app.metric}
        assert shown["Epoch"] == "2 of 8"
        assert shown["Best validation"] == "55.0%"
        assert shown["Images per second"] == "55"
        assert shown["Time left"] == "2 min"
        assert len(app.get("plotly_chart")) == 2
        assert button(app, "train_start").disabled


def test_a_clashing_start_shows_the_run_that_was_first() -> None:
    fake = FakeTrainer(starts=False)
    app = session(fake)
    fine(button(app, "train_start").click().run())
    assert button(app, "train_start").disabled
    assert "Training" in words(app)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            replace(RUNNING, running=False, message="Stopped after epoch 2", remedy=Remedy.RESUME.value),
            f"Stopped after epoch 2; {remedies.PAGE[Remedy.RESUME]}.",
        ),
        (
            replace(RUNNING, running=False, message=str(DataError("There is none", remedy=Remedy.CHOOSE_DATA))),
            f"There is none; {remedies.PAGE[Remedy.CHOOSE_DATA]}.",
        ),
    ],
)
def test_how_a_training_ended_is_said_in_the_words_of_the_page(status: Status, sentence: str) -> None:
    assert formatting.plain(sentence) in [box.value for box in session(FakeTrainer(status)).warning]


def test_stopping_says_that_it_can_be_resumed() -> None:
    fake = FakeTrainer(RUNNING)
    app = session(fake)
    button(app, "train_stop").click().run()
    fine(app.run())
    assert fake.stopped == 1
    assert "stopped; resumable" in words(app)
    assert live_training.RESUME in words(app)
    assert not button(app, "train_start").disabled


def test_the_end_says_what_was_trained() -> None:
    assert live_training.finished(RUNNING.queue, None) in words(session(FakeTrainer(replace(RUNNING, running=False))))


def with_epochs(artifacts: Path, run_id: str, epochs: int) -> None:
    """Made-up epoch embeddings of a run: classes that part."""
    rng = np.random.default_rng(0)
    labels = ["a", "b"] * 10
    for epoch in range(epochs):
        values = 1 + rng.random((20, 512)) + epoch * np.eye(512)[[ord(label) for label in labels]]
        facts = {"schema": 1, "run": run_id, "epoch": epoch, "regime": "init", "labels": labels, "split": "val"}
        facts |= {"ids": [f"{label}/{i}.jpg" for i, label in enumerate(labels)], "classes": ["a", "b"]}
        path = artifacts / "runs" / "epochs" / run_id / f"{epoch:04}.npz"
        artifact_files.write_arrays(path, facts, {"features": values.astype(np.float32)})


def test_the_map_of_a_training_moves_on_after_each_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import streamlit as st

    monkeypatch.setenv("PETALSCOPE_ARTIFACTS", str(tmp_path))
    st.cache_resource.clear()
    fake = FakeTrainer(replace(RUNNING, warning="The embeddings of epoch 1 were not kept"))
    with_epochs(tmp_path, RUNNING.run_id, 2)
    app = session(fake)
    assert "After epoch 1" in words(app)
    assert epoch_map.ONLY_ANIMATION in words(app)
    assert "embeddings of epoch 1 were not kept" in words(app)
    with_epochs(tmp_path, RUNNING.run_id, 3)
    app = fine(app.run())
    assert "After epoch 2" in words(app)
    # Once it has ended, its curves and its map stay.
    fake.current = replace(RUNNING, running=False)
    ended = session(fake)
    assert "After epoch 2" in words(ended)
    assert len(ended.get("plotly_chart")) == 3
    st.cache_resource.clear()


def test_a_run_shows_the_map_of_its_epochs_or_why_there_is_none(page: Open, prepared: Settings, tmp_path: Path) -> None:
    records = made(prepared)
    with_epochs(tmp_path / "artifacts", records[0]["id"], 3)
    app = page(records, runs=address_of(prepared), section="run", run=records[0]["id"])
    assert "After epoch 2" in words(app)
    assert [button.label for button in app.get("download_button")].count("Download as GIF") == 1
    app = page(records, runs=address_of(prepared), section="run", run=records[1]["id"])
    assert epoch_map.NONE_KEPT in words(app)


def test_a_start_that_fails_is_one_sentence() -> None:
    app = session(FakeTrainer(error=ArtifactError("The disk is full.")))
    fine(button(app, "train_start").click().run())
    assert ["The disk is full." in box.value for box in app.error] == [True]


def test_a_status_with_nothing_in_it_is_shown_too() -> None:
    app = session(FakeTrainer(Status(running=True)))
    assert {metric.value for metric in app.metric} == {"—"}


PHOTOS = [(f"{label}/{i}.jpg", label) for label in ("a", "b") for i in range(30)]


def some(regime: str, *seeds: int) -> list[dict[str, Any]]:
    return [normalise(training_records.record(regime, PHOTOS, seed=seed)) for seed in seeds]


def test_the_raw_line_stays_behind_the_smoothed_one() -> None:
    (run,) = some("init", 0)
    raw = [row["val_accuracy"] for row in run["epochs"]]
    plain = training_curves.curves([run], "accuracy", lines=["val"])
    assert [list(trace.y) for trace in plain.data if len(trace.y) > 1] == [raw]
    smoothed = training_curves.curves([run], "accuracy", lines=["val"], smoothing=0.8)
    drawn = [list(trace.y) for trace in smoothed.data if len(trace.y) > 1]
    assert drawn[0] == raw
    assert drawn[1] == pytest.approx(results.smooth(raw, 0.8).tolist())


def test_the_best_epoch_is_starred_where_the_record_says() -> None:
    (run,) = some("init", 0)
    stars = [trace for trace in training_curves.curves([run], "loss").data if trace.marker.symbol == "star"]
    assert [list(trace.x) for trace in stars] == [[run["best_epoch"]]]
    assert stars[0].y[0] == run["epochs"][run["best_epoch"] - 1]["val_loss"]


def test_a_band_goes_from_the_least_to_the_most_of_the_seeds() -> None:
    group = some("init", 0, 1, 2)
    (band,) = [trace for trace in training_curves.curves(group, "accuracy").data if trace.fill == "toself"]
    values = [[row["val_accuracy"] for row in run["epochs"]] for run in group]
    assert (
        list(band.y)
        == [max(at) for at in zip(*values, strict=True)] + [min(at) for at in zip(*values, strict=True)][::-1]
    )
    assert not [trace for trace in training_curves.curves(group[:1], "accuracy").data if trace.fill == "toself"]


def test_final_results_and_costs_are_drawn_where_the_table_has_them() -> None:
    rows = results.table([*some("scratch", 0, 1), *some("transfer", 0)])
    titles = [row["title"] for row in rows]
    means, seeds, published = training_results.final(rows, titles).data
    assert dict(zip(means.y, means.x, strict=True)) == {row["title"]: row["accuracy"] for row in rows}
    for place, row in enumerate(rows):
        low, high = row["ci95"]
        assert means.x[place] - means.error_x.arrayminus[place] == pytest.approx(low)
        assert means.x[place] + means.error_x.array[place] == pytest.approx(high)
        assert tuple(means.customdata[place]) == (low, high)
    # A single seed is the mean itself.
    assert list(zip(seeds.y, seeds.x, strict=True)) == [(titles[0], value) for value in rows[0]["accuracies"]]
    assert list(published.x) == [row["published"] for row in rows]
    drawn = training_results.costs(rows, titles, "seconds").data
    assert [(trace.name, trace.xaxis, trace.x[0], trace.y[0]) for trace in drawn] == [
        (row["title"], axis, row[what] / per, row["accuracy"])
        for axis, what, per in (("x", "trainable", 1), ("x2", "seconds", 60))
        for row in rows
    ]
    assert [trace.name for trace in drawn if trace.showlegend] == titles


def test_every_run_is_listed_once_it_is_unfolded(page: Open, prepared: Settings) -> None:
    app = page(made(prepared), runs=address_of(prepared))
    assert not [table for table in app.dataframe if "Best epoch" in table.value]
    app.session_state["every_run"] = True
    listed = frame(fine(app.run()), "Best epoch")
    assert sorted(listed["Run"]) == sorted(run["id"] for run in made(prepared))


def test_a_confusion_cell_has_the_id_and_count_of_its_place() -> None:
    (run,) = some("scratch", 0)
    cells = training_results.confusion(run).data[0]
    for cell, words_of_it in zip(cells.ids, cells.customdata, strict=True):
        i, j = map(int, cell.split("-"))
        assert words_of_it[2] == run["confusion"][i][j]


@pytest.mark.parametrize(("px", "last"), [(224, 7), (128, 4), (64, 2), (32, 1), (129, 5)])
def test_output_sizes_are_those_of_the_network(px: int, last: int) -> None:
    sides = network_figures.sides(px)
    side = px
    for kernel, padding in ((7, 3), (3, 1), (3, 1), (3, 1), (3, 1)):
        side = (side + 2 * padding - kernel) // 2 + 1
    assert sides["layer4"] == side == last


def test_the_diagram_has_every_convolution_of_the_network() -> None:
    from lib.learn.regimes import tensors

    hovers = " ".join(network_figures.blocks("finetune", 5, 128).data[-1].hovertext)
    for tensor in tensors(5):
        if len(tensor.shape) > 1:
            assert tensor.name in hovers, tensor.name
    assert hovers.count("frozen") == sum(len(tensor.shape) > 1 for tensor in tensors(5)[:50])
