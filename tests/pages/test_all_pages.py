"""Every page, run by Streamlit's own test harness: with prepared photos, without, and with damaged artifacts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lib.measure import data_set_verdicts, first_results, leaks, stored_verdicts
from lib.prepare import pipeline, workspace
from lib.retrieval import search
from lib.retrieval.query import find_query, query_row
from lib.settings import PROJECT, Settings
from lib.text import agreeing
from lib.view import page_frame, selection, url_state
from lib.view.embedding_map import selected_photos
from lib.view.formatting import plain
from lib.view.home import audit, glance
from lib.view.home import page as home
from lib.view.home.verdicts import EVIDENCE
from lib.view.milvus import schema, stats
from lib.view.training.results import TEST_ACCURACY
from lib.view.url_state import HOME
from tests.conftest import environment

PAGES = [
    "pages/1_Training_Regimes.py",
    "pages/2_Embedding_Map.py",
    "pages/3_Retrieval.py",
    "pages/4_Milvus_Collection.py",
]
HEAVY = ("torch", "torchvision", "umap", "sklearn")


def _fine(app: AppTest) -> AppTest:
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def _words(app: AppTest) -> str:
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def test_home_counts_the_photos(start, prepared: Settings) -> None:
    app = _fine(start(prepared))
    photos = workspace.open_workspace(prepared).catalog()
    shown = " ".join(str(element.proto.body) for element in app.get("html"))
    assert f"{len(photos.frame):,} photos · {len(photos.classes)} classes" in shown
    assert ", ".join(f"{photos.splits[split]:,} {split}" for split in ("train", "val", "test")) in shown.replace(
        "training", "train"
    ).replace("validation", "val")
    assert home.LEAD in shown
    assert not app.error


def test_home_opens_with_the_verdicts_and_links_to_their_evidence(start, copied: Settings) -> None:
    first_results.make(copied)
    app = _fine(start(copied))
    found = stored_verdicts.find(workspace.open_workspace(copied))
    words = _words(app)
    for each in found:
        assert plain(each.verdict.text) in words
    pages = {link.proto.page for link in app.get("page_link")}
    assert {page.removesuffix(".py").split("_", 1)[-1] for page, _, _ in EVIDENCE.values() if page != HOME} <= pages
    assert not app.error


def test_home_without_first_results_says_what_is_missing(start, copied: Settings) -> None:
    for kind in pipeline.OF_VECTORS:  # other tests may have measured what this is a copy of
        shutil.rmtree(workspace.open_workspace(copied).folder / kind, ignore_errors=True)
    app = _fine(start(copied))
    assert plain(data_set_verdicts.NOT_MEASURED) in _words(app)
    assert not app.error


def test_home_shows_the_leaks_that_the_audit_finds(start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos = opened.catalog()
    pairs = leaks.leaks(leaks.find(opened, photos), photos)
    app = start(prepared)
    app.query_params["audit"] = "true"
    words = _words(_fine(app.run()))
    if pairs:
        assert f"**{agreeing(len(pairs), 'leak', 'is', 'are')}**" in words
        assert audit.TOGETHER_HELP in words
    else:
        assert audit.NO_LEAKS in words


def test_bars_of_classes_have_the_counts_beside_them() -> None:
    splits = ["train"] * 6 + ["val"] + ["test"] * 3 + ["train"] * 5
    frame = pd.DataFrame({"label": ["rose"] * 10 + ["<b>"] * 5, "split": splits})
    drawn = glance.class_bars(frame, {"rose": "#111111", "<b>": "#222222"})
    table = ElementTree.fromstring(drawn)
    heads = [cell.text for cell in table.iter("th")][:6]
    assert heads == ["Class", None, "Photos", "Training", "Validation", "Test"]
    cells = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")][1:]
    assert cells == [["<b>", "", "5", "5", "0", "0"], ["rose", "", "10", "6", "1", "3"]]
    # The longest bar is as wide as there is room, the other one half of that.
    assert re.findall(r"width:([\d.]+)%", drawn) == ["50.00", "100.00"]
    assert re.findall(r"flex:(\d+)", drawn) == ["5", "6", "1", "3"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_prepared_photos(start, prepared: Settings, page: str) -> None:
    app = _fine(start(prepared).switch_page(page).run())
    assert app.title[0].value
    assert not app.error, [box.value for box in app.error]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_what_to_do_when_nothing_is_prepared(
    start, prepared: Settings, page: str, tmp_path: Path
) -> None:
    app = _fine(start(replace(prepared, artifacts=tmp_path / "nothing")).switch_page(page).run())
    assert "prepare" in _words(app)
    assert [button.label for button in app.button if button.key == "prepare"] == [page_frame.PREPARE]


@pytest.mark.parametrize("page", PAGES)
def test_a_damaged_state_is_one_sentence(start, prepared: Settings, page: str, tmp_path: Path) -> None:
    copy = tmp_path / "artifacts"
    shutil.copytree(prepared.artifacts, copy, ignore=shutil.ignore_patterns("*.db"))
    for state in copy.glob("sets/*/state.json"):
        state.write_text("{ not json")
    app = _fine(start(replace(prepared, artifacts=copy)).switch_page(page).run())
    assert "cannot be read" in _words(app)


def test_missing_vectors_are_named_and_other_pages_still_work(start, prepared: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "artifacts"
    shutil.copytree(prepared.artifacts, copy, ignore=shutil.ignore_patterns("*.db"))
    for folder in copy.glob("sets/*/spaces/resnet18-*"):
        shutil.rmtree(folder)
    query = workspace.open_workspace(prepared).catalog().ids[0]
    app = start(replace(prepared, artifacts=copy)).switch_page("pages/3_Retrieval.py")
    app.query_params["q"] = query
    _fine(app.run())
    assert any("vectors of resnet18 are gone" in box.value for box in app.error)


def test_retrieval_shows_what_the_command_prints(start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos = opened.catalog()
    app = start(prepared).switch_page("pages/3_Retrieval.py")
    app.query_params["q"] = photos.ids[3]
    app.query_params["section"] = "grids"
    _fine(app.run())
    label = photos.frame["label"].iloc[3]
    loaded = search.load_space(opened, "resnet18")
    for metric, title in (("l1", "L1 distance"), ("cosine", "Cosine similarity")):
        answer = search.search(opened, loaded, query_row(photos, 3), metric_name=metric, k=10)
        right = sum(row["label"] == label for row in answer["results"])
        place = [line.value for line in app.subheader].index(title)
        lines = [line.value for line in app.caption if "= closer" in line.value]
        assert f"{right} of {len(answer['results'])} of the query" in lines[place]


def test_a_link_to_a_foreign_photo_is_said_to_be_foreign(start, prepared: Settings) -> None:
    app = start(prepared).switch_page("pages/3_Retrieval.py")
    app.query_params["q"] = "../../etc/passwd"
    _fine(app.run())
    assert page_frame.NOT_IN_DATA_SET in _words(app)


def test_side_by_side_shows_the_agreement_that_the_command_prints(start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    query = opened.catalog().ids[0]
    app = start(prepared).switch_page("pages/3_Retrieval.py")
    app.query_params["q"] = query
    app.query_params["section"] = "Side by side"
    _fine(app.run())
    loaded = search.load_space(opened, "resnet18")
    both = search.compare(opened, loaded, find_query(loaded.catalog, query), a="l1", b="cosine", k=10)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Overlap"] == f"{both['overlap']:.0%}"
    assert shown["Kendall's tau"] == f"{both['kendall_tau']:.3f}"


def test_lasso_shows_the_photos_of_its_ids(start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    app = start(prepared).switch_page("pages/2_Embedding_Map.py")
    app.query_params["sel"] = selection.encode(range(7), len(photos.ids), photos.contents)
    _fine(app.run())
    assert selected_photos.heading(7) in [line.value for line in app.subheader]


def test_milvus_page_shows_both_counts_and_sources(start, prepared: Settings) -> None:
    rows = len(workspace.open_workspace(prepared).catalog().frame)
    app = _fine(start(prepared).switch_page("pages/4_Milvus_Collection.py").run())
    (shown,) = (metric for metric in app.metric if metric.label.replace("\\", "") == stats.ROWS)
    assert shown.value == f"{rows:,}"
    assert f"row_count {rows:,}" in shown.delta.replace("\\", "")
    parameters = next(each.value for each in app.table if each.value.columns[0].startswith("Index on vector"))
    assert {"M", "efConstruction"} <= set(parameters.iloc[:, 0])
    assert "reported by the engine" in set(parameters[schema.SOURCE])


def test_a_filter_that_does_not_parse_is_one_sentence(start, prepared: Settings) -> None:
    app = start(prepared).switch_page("pages/4_Milvus_Collection.py")
    app.query_params["section"] = "rows"
    app.query_params["filter"] = 'label == "'
    _fine(app.run())
    assert len(app.error) == 1


def test_recorded_runs_become_curves(start, prepared: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "artifacts"
    shutil.copytree(prepared.artifacts, copy, ignore=shutil.ignore_patterns("*.db"))
    (copy / "runs").mkdir()
    epoch = {"train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.1, "val_accuracy": 0.4, "seconds": 1.0, "lr": 0.1}
    run = {
        "id": "transfer-test", "regime": "transfer", "weights": "bundled", "seed": 0, "best_epoch": 2,
        "epochs": [{"epoch": 1, **epoch}, {"epoch": 2, **epoch, "val_accuracy": 0.6}],
        "test_accuracy": 0.61, "test_ci95": [0.5, 0.7], "dataset": {"name": "other", "fingerprint": "0", "images": 9},
    }  # fmt: skip
    (copy / "runs" / "transfer-test.json").write_text(json.dumps(run))
    app = _fine(start(replace(prepared, artifacts=copy)).switch_page("pages/1_Training_Regimes.py").run())
    app.query_params["runs"] = "any-0"  # the runs that come with Petalscope are of other photos
    app = _fine(app.run())
    results = next(frame.value for frame in app.dataframe if TEST_ACCURACY in frame.value)
    assert list(results[TEST_ACCURACY]) == [61.0]
    assert list(results["Photos"]) == ["other (other photos)"]
    (copy / "runs" / "transfer-test.json").write_text("{}")
    app = _fine(start(replace(prepared, artifacts=copy)).switch_page("pages/1_Training_Regimes.py").run())
    assert any("is damaged" in box.value for box in app.error)


def test_pages_that_read_artifacts_import_nothing_heavy(prepared: Settings, tmp_path: Path) -> None:
    # A copy, since the Lite store of the shared workspace may be open in this process.
    shutil.copytree(prepared.artifacts, tmp_path / "artifacts")
    settings = replace(prepared, artifacts=tmp_path / "artifacts")
    script = f"""
import sys, warnings
warnings.simplefilter("ignore")
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(PROJECT / "Home.py")!r}, default_timeout=60).run()
for page in {PAGES!r}:
    app.switch_page(page).run()
    assert not app.exception and not app.error, (page, app.exception, app.error)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment(settings)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_pages_are_thin() -> None:
    for script in [PROJECT / "Home.py", *(PROJECT / "pages").glob("*.py")]:
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 70, script


def test_streamlit_and_plotly_stay_in_the_view() -> None:
    for module in (PROJECT / "lib").rglob("*.py"):
        if "view" not in module.relative_to(PROJECT / "lib").parts:
            text = module.read_text(encoding="utf-8")
            assert "import streamlit" not in text, module
            assert "import plotly" not in text, module


def test_links_to_evidence_have_parameters_that_their_page_reads() -> None:
    assert list(EVIDENCE) == list(data_set_verdicts.NAMES)
    for page, _, choices in EVIDENCE.values():
        assert choices.keys() <= set(url_state.NAMES[page])
