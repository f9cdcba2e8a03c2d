"""The Milvus page on a real server, run by Streamlit's test harness: `make test-server`.

The server is the app's own store here, filled by `prepare`, and also holds a collection of another program.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from lib.prepare import pipeline, workspace
from lib.retrieval import search
from lib.retrieval.query import find_query
from lib.settings import Settings
from lib.store import collections, index_parameters, index_types, quickstart
from lib.store.connection import open_store
from lib.view import formatting
from lib.view.milvus import overview, rows, stats, vector_health
from lib.view.milvus import quickstart as quickstart_page
from tests.helpers import foreign_collection
from tests.pages.test_milvus_collection import PAGE, fine, numbers, parameters, press, row_count, tables, words

pytestmark = pytest.mark.server
DATABASE = "pages"


@pytest.fixture(scope="module")
def filled(milvus_server: str, prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the prepared pictures with a database of the server as their store, filled."""
    with open_store(milvus_server) as store:
        store.client.create_database(DATABASE, timeout=30)
    copy = tmp_path_factory.mktemp("filled") / "artifacts"
    shutil.copytree(prepared.artifacts / "sets", copy / "sets")
    settings = replace(prepared, artifacts=copy, milvus_uri=f"{milvus_server}/{DATABASE}")
    pipeline.prepare(settings)
    with open_store(settings.milvus_uri) as store:
        foreign_collection.make(store, "foreign", many_vectors=False)
        for i in range(60):
            store.client.create_collection(f"many_{i:02}", schema=small(store), timeout=30)
    return settings


def small(store):
    from pymilvus import DataType

    schema = store.client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    return schema


@pytest.fixture
def opened_at(
    start: Callable[[Settings], AppTest], filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """A function that opens the page with these link parameters."""
    monkeypatch.setenv("MILVUS_URI", filled.milvus_uri)

    def open_page(**address: str) -> AppTest:
        app = start(filled).switch_page(PAGE)
        for name, value in address.items():
            app.query_params[name] = value
        return fine(app.run())

    return open_page


def test_overview_shows_all_facts_of_a_server(opened_at) -> None:
    app = opened_at(collection="foreign")
    assert "Milvus server v2.3" in words(app)
    assert f"{overview.collection_count(64, 64)}, 25 at a time" in words(app)
    assert not app.error
    assert numbers(app)[stats.ROWS] == str(foreign_collection.ROWS)
    assert row_count(app) == f"row_count {foreign_collection.ROWS}"
    facts = tables(app, "Property")[0].set_index("Property")["Value"]
    assert facts["Replicas"] == "1"
    assert facts["Segments on disk"].endswith(f"{foreign_collection.ROWS} rows")
    assert "about this collection not supported" not in words(app)
    app.text_input(key="find").set_value("MANY_4")
    fine(app.run())
    assert list(tables(app, "Indexes")[0]["Collection"]) == [f"many_{i}" for i in range(40, 50)]
    assert set(tables(app, "Indexes")[0]["Load state"]) == {"NotLoad"}


def test_schema_parameters_are_reported(opened_at) -> None:
    app = opened_at(collection="foreign", section="schema")
    assert parameters(app, "dense")["M"] == ("8", index_parameters.REPORTED)
    assert formatting.plain(index_types.LITE_STATE_NOTE) not in app.table[0].value["What it does"].tolist()


def test_rows_page_and_filter(opened_at) -> None:
    app = opened_at(collection="foreign", section="rows")
    assert tables(app, "title")[0]["n"].iloc[0] == str(2**60)
    press(app, rows.NEXT)
    assert tables(app, "title")[0]["key"].iloc[0] == "k025"
    app.text_input(key="rows_filter").set_value('title == "a\\"b"')
    fine(app.run())
    assert set(tables(app, "title")[0]["title"]) == {'a"b'}
    app = opened_at(collection="foreign", section="rows", filter='title = "a"')
    assert len(app.error) == 1
    assert any("token recognition error" in code.value for code in app.code)


def test_search_by_a_row(opened_at) -> None:
    app = opened_at(collection="foreign", section="search", like="k001", field="dense")
    results = tables(app, "Rank")[0]
    assert "k001" not in set(results["Key"])
    assert results["COSINE"].is_monotonic_decreasing


def test_health_finds_no_drift(opened_at, filled: Settings) -> None:
    app = opened_at(section="health")
    assert vector_health.no_drift(len(workspace.open_workspace(filled).catalog().ids)) in words(app)


def test_changes_need_an_unlock(opened_at, filled: Settings) -> None:
    app = opened_at(collection="many_59", section="change")
    app.selectbox(key="change").set_value("drop_collection")
    fine(app.run())
    app.toggle[0].set_value(True)
    fine(app.run())
    app.text_input(key="drop many_59").set_value("many_59")
    fine(app.run())
    app.button(key="do_change").click()
    fine(app.run())
    with open_store(filled.milvus_uri) as store:
        assert "many_59" not in collections.names(store)


@pytest.mark.parametrize("metric", ["mse", "l1", "l2", "cosine", "ncc"])
def test_photos_are_found_through_the_server_as_by_a_full_scan(filled: Settings, metric: str) -> None:
    opened = workspace.open_workspace(filled)
    space = search.load_space(opened, "resnet18")
    query = find_query(space.catalog, "rose/04.jpg")

    def ids(engine: str) -> list[str]:
        document = search.search(opened, space, query, metric_name=metric, k=20, engine=engine)
        return [row["id"] for row in document["results"]]

    assert ids("milvus") == ids("exact")


def test_five_steps_on_a_server_leave_nothing(opened_at, filled: Settings) -> None:
    app = opened_at(section="steps")
    assert quickstart_page.LOCKED in words(app)
    where = next(radio for radio in app.radio if radio.label == quickstart_page.RUN_ON)
    assert where.options == [quickstart_page.LITE]
    app.query_params["section"] = "change"
    fine(app.run())
    app.toggle[0].set_value(True)
    fine(app.run())
    app.query_params["section"] = "steps"
    fine(app.run())
    where = next(radio for radio in app.radio if radio.label == quickstart_page.RUN_ON)
    where.set_value(where.options[1])
    fine(app.run())
    app = press(app, quickstart_page.RUN_REST)
    assert not app.error
    assert words(app).count(quickstart_page.ANSWER) == 5
    shown = " ".join(str(code.value) for code in app.code)
    assert f"db_name='{DATABASE}'" in shown
    with open_store(filled.milvus_uri) as store:
        assert [name for name in collections.names(store) if name.startswith(quickstart.COLLECTION_PREFIX)]
        press(app, quickstart_page.START_OVER)
        assert not [name for name in collections.names(store) if name.startswith(quickstart.COLLECTION_PREFIX)]
    for home in (filled.artifacts / "scratch").glob("steps-*"):
        shutil.rmtree(home)
