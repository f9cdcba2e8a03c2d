"""The Milvus page, run by Streamlit's test harness, on Petalscope's own store and on one that other programs made."""

from __future__ import annotations

import csv
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyarrow import parquet
from streamlit.runtime import caching
from streamlit.testing.v1 import AppTest

from lib.commands.inspect import OTHER_DATABASES, show_inspect
from lib.errors import StoreError
from lib.measure import index_recall
from lib.prepare import workspace
from lib.settings import Settings
from lib.store import collections, index_parameters, index_types, inspect, pool
from lib.store import overview as store_overview
from lib.store import rows as store_rows
from lib.store.connection import open_store
from lib.view import cached, cached_milvus, formatting, selection
from lib.view.milvus import (
    changes,
    connect,
    filter_builder,
    load_prompt,
    overview,
    quickstart,
    row_export,
    rows,
    schema,
    stats,
    vector_health,
)
from tests.helpers import foreign_collection, recorded_servers

PAGE = "pages/4_Milvus_Collection.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a foreign store, a plain file, and a Lite 2.x file."""
    folder = tmp_path_factory.mktemp("others")
    with open_store(str(folder / "x.db")) as store:
        foreign_collection.make(store, "foreign")
        for i in range(60):
            store.client.create_collection(f"many_{i:02}", dimension=4, timeout=20)
    (folder / "plain.db").write_text("words")
    (folder / "old.db").write_bytes(b"SQLite format 3\x00")
    return folder


@pytest.fixture
def opened_at(
    start: Callable[[Settings], AppTest], prepared: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., AppTest]]:
    """A function that opens the page with these link parameters."""
    monkeypatch.setenv("PETALSCOPE_FOLDERS", str(folder))

    def open_page(**address: str) -> AppTest:
        app = start(prepared).switch_page(PAGE)
        for name, value in address.items():
            app.query_params[name] = value
        fine(app.run())
        for button in app.button:
            if button.label == load_prompt.LOAD:  # a reopened Lite store comes back with nothing loaded
                button.click()
                fine(app.run())
        return app

    yield open_page


def fine(app: AppTest) -> AppTest:
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def words(app: AppTest) -> str:
    kinds = (app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def tables(app: AppTest, column: str) -> list:
    return [frame.value for frame in app.dataframe if column in frame.value]


def test_a_foreign_store_opens_by_a_link(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="foreign", section="rows")  # where it is loaded
    app.query_params["section"] = "overview"
    fine(app.run())
    assert not app.error
    assert numbers(app)[stats.ROWS] == str(foreign_collection.ROWS)
    assert connect.READ_ONLY in words(app)
    assert "describe\\_replica" not in words(app)
    assert {"describe_replica", "list_persistent_segments"} <= set(tables(app, "Call")[0]["Call"])


def test_other_databases_of_a_lite_store_are_offered(opened_at, folder: Path) -> None:
    path = folder / "two.db"
    with open_store(str(path)) as store:
        store.client.create_collection("petals", dimension=4, timeout=20)
        store.client.create_database("roses", timeout=20)
        document = inspect.inspect(store)
        assert document["databases"] == ["default", "roses"]
        assert OTHER_DATABASES in show_inspect(document)
    with open_store(f"{path}#roses") as roses, open_store(str(path)) as default:
        roses.client.create_collection("thorns", dimension=4, timeout=20)
        assert (collections.names(roses), collections.names(default)) == (["thorns"], ["petals"])
    with pytest.raises(StoreError, match="has no database tulips"):
        open_store(f"{path}#tulips")

    def choice(label: str):
        return next(box for box in app.selectbox if box.label == label)

    app = opened_at(store=str(path))  # the default database opens
    assert not app.error
    assert choice("Collection").options == ["petals"]
    assert (choice("Database").options, choice("Database").value) == (["default", "roses"], "default")
    fine(choice("Database").set_value("roses").run())
    assert not app.error
    assert choice("Collection").options == ["thorns"]
    assert app.query_params["store"] == f"{path}#roses"  # a link to it opens it
    fine(choice("Database").set_value("default").run())
    assert choice("Collection").options == ["petals"]
    assert app.query_params["store"] == str(path)
    app = opened_at(store=f"{path}#roses")
    assert choice("Collection").options == ["thorns"]


def test_the_own_store_opens_after_another_program_made_a_database(opened_at) -> None:
    opened_at()
    cached.store().client.create_database("others", timeout=20)
    try:
        app = opened_at()
        assert not app.error
        assert "others" in next(box for box in app.selectbox if box.label == "Database").options
    finally:
        cached.store().client.drop_database("others", timeout=20)


def test_a_linked_store_is_free_once_its_last_session_has_ended(opened_at, folder: Path) -> None:
    """Two tabs show it; the second one that goes frees it for other processes."""
    app = opened_at(store=str(folder / "x.db"))
    connection = app.session_state["milvus_typed"][str(folder / "x.db")]
    store, second_tab = cached.pool().get(connection), cached.pool().lease(connection)
    caching.clear_session_resource_cache("test session id")  # as the server does when a tab is closed
    time.sleep(0.2)  # it is let go in a thread
    assert not store.closed
    second_tab.release()
    deadline = time.monotonic() + 20
    while not store.closed:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with open_store(str(folder / "x.db"), wait_s=0.0) as other:
        assert "foreign" in collections.names(other)
    app.run()  # the tab is back
    assert not app.error
    store = cached.pool().get(connection)
    next(button for button in app.button if button.label.startswith("Disconnect")).click().run()
    deadline = time.monotonic() + 20
    while not store.closed:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("plain.db", "is a plain file"),
        ("old.db", "Milvus Lite 2.x"),
        ("none.db", "no Milvus Lite store at"),
        ("../away.db", pool.OUTSIDE),
        ("x.txt", "whose name ends in .db"),
    ],
)
def test_what_a_link_may_not_or_cannot_open(opened_at, folder: Path, name: str, sentence: str) -> None:
    app = opened_at(store=str(folder / name))
    shown = " ".join(str(box.value).replace("\\", "") for box in app.error)
    assert sentence in shown
    assert not (folder / "none.db").exists()


def test_a_link_to_a_server_calls_no_server(opened_at) -> None:
    app = opened_at(store="http://10.255.255.1:19530")
    assert connect.NOT_CONNECTED in words(app)
    assert not app.error


def test_overview_searches_and_pages_many_collections(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"))
    assert f"{overview.collection_count(61, 61)}, 25 at a time" in words(app)
    assert len(tables(app, "Indexes")[0]) == 25
    app.text_input(key="find").set_value("MANY_4")
    fine(app.run())
    assert list(tables(app, "Indexes")[0]["Collection"]) == [f"many_{i}" for i in range(40, 50)]


def test_schema_shows_every_field_and_index(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="foreign", section="schema")
    fields = tables(app, "Type")[0].set_index("Field")
    assert fields.loc["dense", "Type"] == "FLOAT_VECTOR"
    assert fields.loc["words", "Type"] == "SPARSE_FLOAT_VECTOR"
    assert fields.loc["tags", "Type"] == "ARRAY<VARCHAR>"
    assert fields.loc["key", schema.ATTRIBUTES] == "primary key"
    assert parameters(app, "dense")["M"] == ("8", index_parameters.REPORTED)
    assert f"{schema.MEMORY}: **6.72 kB**" in words(app)  # 60 × (4·8 + 8·8 + 16)
    notes = app.table[0].value["What it does"].tolist()
    assert formatting.plain(index_types.LITE_STATE_NOTE) in notes


def test_rows_page_with_vectors_and_back(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="foreign", section="rows")
    assert tables(app, "title")[0]["n"].iloc[0] == str(2**60)  # a browser would round the number
    app.multiselect(key="row_vectors").set_value(["dense", "words"])
    fine(app.run())
    table = tables(app, "title")[0]
    assert len(table["dense"].iloc[0]) == 8
    assert {"dense norm", "dense std", "words nonzero"} <= set(table)
    assert table["words norm"].iloc[1] == pytest.approx((0.5**2 + 0.25**2) ** 0.5)
    next(button for button in app.button if button.label == rows.NEXT).click()
    fine(app.run())
    assert tables(app, "title")[0]["key"].iloc[0] == "k025"
    next(button for button in app.button if button.label == rows.BACK).click()
    fine(app.run())
    assert tables(app, "title")[0]["key"].iloc[0] == "k000"


def test_a_bad_filter_is_marked_at_its_column(opened_at, folder: Path) -> None:
    for part in ("rows", "search"):
        app = opened_at(
            store=str(folder / "x.db"), collection="foreign", section=part, filter='title = "a"', like="k001"
        )
        assert len(app.error) == 1
        assert any(code.value.startswith('title = "a"\n      ^ unexpected character') for code in app.code), part


def test_the_builder_writes_the_filter(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="foreign", section="rows")
    app.selectbox(key="rows_field_0").set_value("title")
    fine(app.run())
    app.text_input(key="rows_value_0").set_value('a"b')
    fine(app.run())
    app.button(key="rows_use").click()
    fine(app.run())
    assert app.query_params["filter"] == 'title == "a\\"b"'
    assert set(tables(app, "title")[0]["title"]) == {'a"b'}
    app.text_input(key="rows_filter").set_value("tilte == 3")
    fine(app.run())
    assert filter_builder.unknown_field("tilte") in words(app)


def test_search_by_row_and_by_a_typed_vector(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="foreign", section="search", like="k001", field="other")
    results = tables(app, "Rank")[0]
    assert "k001" not in set(results["Key"])
    assert results["L2²"].is_monotonic_increasing
    assert "squared L2 distance" in words(app)
    app = opened_at(
        store=str(folder / "x.db"), collection="foreign", section="search", field="words", **{"with": "typed"}
    )
    app.text_area(key="typed words").set_value("1003:1 5:1")
    fine(app.run())
    assert tables(app, "Rank")[0]["IP"].iloc[0] == pytest.approx(0.5)
    app.text_area(key="typed words").set_value("nonsense")
    fine(app.run())
    assert "This is not a vector" in words(app)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_an_export_equals_the_stored_rows(opened_at, folder: Path, kind: str) -> None:
    """With a filter, with a dense and a sparse vector field, and with dynamic fields."""
    address = {"store": str(folder / "x.db"), "collection": "foreign", "section": "rows", "filter": "extra >= 12"}
    app = opened_at(**address)
    app.selectbox(key="export_kind").set_value(kind)
    app.multiselect(key="export_vectors").set_value(["dense", "words"])
    fine(app.run())
    press(app, row_export.EXPORT_MATCHES)
    target = Path(app.session_state["exported"])
    for _ in range(200):
        if target.is_file() and not app.get("progress"):
            break
        time.sleep(0.05)
        fine(app.run())
    assert f"{formatting.plain(target.name)} · " in words(app)
    assert [button.proto.label for button in app.get("download_button")] == [row_export.DOWNLOAD]
    assert next(box for box in app.expander if box.label == "Export").proto.expanded  # the file is in sight
    with open_store(str(folder / "x.db")) as store:  # the same client as the app's: one process, one store
        stored = store_rows.by_keys(store, "foreign", [f"k{i:03}" for i in range(12, 60)], vectors=["dense", "words"])
    assert len(stored) == 48
    assert exported(target) == stored
    target.unlink()


def exported(target: Path) -> list[dict[str, Any]]:
    """The rows of a file; values that its format keeps as JSON text are parsed."""
    if target.suffix == ".json":
        return list(json.loads(target.read_text("utf-8")))
    if target.suffix == ".csv":
        with target.open(encoding="utf-8", newline="") as file:
            table: list[dict[str, Any]] = list(csv.DictReader(file))
        for row in table:
            row["n"], row["score"], row["flag"] = int(row["n"]), float(row["score"]), row["flag"] == "True"
            row["dense"] = json.loads(row["dense"])
    else:
        table = parquet.read_table(target).to_pylist()
    return [
        {name: value for name, value in row.items() if name not in {"doc", "tags", "words", "$meta"}}
        | {name: json.loads(row[name]) for name in ("doc", "tags", "words")}
        | json.loads(row["$meta"])
        for row in table
    ]


def test_selected_photos_are_the_rows(opened_at, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    app = opened_at(section="rows", sel=selection.encode(range(3, 9), len(photos.ids), photos.contents))
    assert list(tables(app, "split")[0]["id"]) == list(photos.ids[3:9])


def test_without_photos_other_stores_still_open(
    start, prepared: Settings, folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("PETALSCOPE_FOLDERS", str(folder))
    app = start(replace(prepared, artifacts=tmp_path / "nothing")).switch_page(PAGE)
    app.query_params["store"] = str(folder / "x.db")
    fine(app.run())
    assert overview.collection_count(61, 61) in words(app)


def test_a_typed_token_is_nowhere_to_be_seen(opened_at) -> None:
    app = opened_at()
    inputs = {box.label: box for box in app.text_input}
    inputs["Address"].set_value("http://127.0.0.1:1")
    inputs["Token or user:password"].set_value("root:s3cret")
    next(button for button in app.button if button.label == connect.CONNECT).click()
    fine(app.run())
    assert "No Milvus server answers" in " ".join(str(box.value) for box in app.error)
    assert "s3cret" not in words(app)
    assert "s3cret" not in str(app.query_params)


def test_a_server_that_becomes_slow_still_has_a_page(start, tmp_path: Path) -> None:
    app = start(Settings(data=tmp_path, artifacts=tmp_path / "none")).switch_page(PAGE)
    with recorded_servers.serving() as (port, server):
        app.run()
        next(box for box in app.text_input if box.label == "Address").set_value(f"http://127.0.0.1:{port}")
        press(app, connect.CONNECT)
        assert row_count(app) == f"row_count {recorded_servers.ROWS}"
        for store in cached.pool()._stores.values():
            store.timeout_s = 0.3
        server.slow.add("GetCollectionStatistics")
        press(app, connect.REFRESH)
        assert (row_count(app), numbers(app)[stats.ROWS]) == ("row_count not known", str(recorded_servers.ROWS))
        unavailable = tables(app, "Call")[0].set_index("Call")
        assert unavailable.loc["get_collection_stats", "Reason"] == "it did not answer in time"
        server.slow.add("DescribeCollection")
        press(app, connect.REFRESH)
        assert "it did not answer in time" in " ".join(str(box.value) for box in app.error)
        server.slow.clear()
        press(app, connect.REFRESH)
        assert row_count(app) == f"row_count {recorded_servers.ROWS}"
        assert not app.error


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return fine(app.run())


def numbers(app: AppTest) -> dict[str, str]:
    return {metric.label.replace("\\", ""): str(metric.value) for metric in app.metric}


def row_count(app: AppTest) -> str:
    """The engine's statistic, below the counted rows."""
    return next(metric.delta for metric in app.metric if metric.label.replace("\\", "") == stats.ROWS)


def parameters(app: AppTest, field: str) -> dict[str, tuple[str, str]]:
    """By name, value and source of each parameter of the index on a field."""
    table = next(each.value for each in app.table if each.value.columns[0].startswith(f"Index on {field}"))
    return {
        name.replace("\\", ""): (value.replace("\\", "").strip("*"), source)
        for name, value, source in zip(table.iloc[:, 0], table["Value"], table[schema.SOURCE], strict=True)
    }


def test_an_index_is_measured(opened_at, folder: Path) -> None:
    app = press(opened_at(store=str(folder / "x.db"), collection="foreign", section="quality"), "Measure")
    table = tables(app, "Median ms")[0]
    assert list(table["Setting"])[:2] == ["ef 11", "ef 16"]
    assert table["Recall@10"].iloc[-1] == 1
    assert len(app.get("plotly_chart")) == 2
    assert "Recommended\\: ef" in words(app)


def test_an_index_that_is_not_measured_is_with_one_button(opened_at, folder: Path) -> None:
    """The verdict says what is known of it; the button measures it in the section on its quality."""
    app = opened_at(store=str(folder / "x.db"), collection="foreign")
    assert f"HNSW, M 8, efConstruction 64 (reported): {index_recall.NOT_MEASURED}" in words(app).replace("\\", "")
    app.button(key="measure dense").click()
    fine(app.run())
    assert app.query_params["section"] == "quality"
    assert "of the exact top 10 (at least" in words(app).replace("\\", "")
    app.query_params["section"] = "overview"
    fine(app.run())
    assert "measure dense" not in [button.key for button in app.button]
    assert "of the exact top 10 (at least" in words(app).replace("\\", "")


def test_the_recall_that_prepare_measured_is_the_verdict_unless_it_is_of_another_index(
    start: Callable[[Settings], AppTest], prepared: Settings, tmp_path: Path
) -> None:
    settings = replace(prepared, artifacts=tmp_path / "artifacts")
    shutil.copytree(prepared.artifacts, settings.artifacts)
    opened = workspace.open_workspace(settings)
    index_recall.measure_all(opened, lambda done, total: None)
    app = fine(start(settings).switch_page(PAGE).run())
    assert "of the exact top 10 (at least" in words(app).replace("\\", "")
    cached.release_store()
    for path in (opened.folder / index_recall.FOLDER).glob("*index-recall*"):
        stored = json.loads(path.read_text("utf-8"))
        stored["of"]["rows"] += 1  # as if rows had been deleted since
        path.write_text(json.dumps(stored), "utf-8")
    app = fine(start(settings).switch_page(PAGE).run())
    assert index_recall.NOT_MEASURED in words(app)


def test_other_types_are_compared_on_a_copy(opened_at, folder: Path, prepared: Settings) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="foreign", section="quality", quality="compare")
    assert "Not offered: IVF\\_PQ" in words(app) or "Not offered: IVF_PQ" in words(app)
    app.multiselect(key="kinds").set_value(["FLAT", "IVF_SQ8"])
    app = press(app, "Build and measure")
    assert set(tables(app, "Build s")[0]["Index"]) == {"FLAT", "IVF_SQ8"}
    assert not list((prepared.artifacts / "scratch").glob("scratch-*"))


def test_ivf_is_drawn(opened_at, prepared: Settings) -> None:
    photos = len(workspace.open_workspace(prepared).catalog().ids)
    app = opened_at(section="quality", quality="ivf")
    assert "the space's UMAP map" in words(app)
    app.slider(key="ivf_cells").set_value(8)
    fine(app.run())
    app.slider(key="ivf_probes").set_value(8)
    fine(app.run())
    assert numbers(app)["Neighbours retrieved"] == "10 of 10"
    assert numbers(app)["Rows scanned"] == "100.0%"
    app.slider(key="ivf_probes").set_value(1)
    fine(app.run())
    assert float(numbers(app)["Rows scanned"].rstrip("%")) < 100 * (photos - 1) / photos


def test_health_of_petalscopes_own_collection(opened_at, prepared: Settings) -> None:
    app = opened_at(section="health")
    assert vector_health.no_drift(len(workspace.open_workspace(prepared).catalog().ids)) in words(app)
    shown = numbers(app)
    assert (shown["Zero"], shown["NaN or inf"], shown["Duplicates"]) == ("0", "0", "1")  # the copy in the fixture


def test_health_of_a_foreign_one_has_no_drift(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="foreign", section="health")
    assert "rift" not in words(app)
    assert numbers(app)["Dead dims"] == "0"


def test_a_foreign_field_is_mapped(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="foreign", section="map", by="title", field="other")
    assert "PCA of all rows" in words(app)
    assert "extra" in app.selectbox(key="milvus_map_by").options
    (sent,) = (
        json.loads(each.proto.json)
        for each in app.get("bidi_component")
        if each.proto.component_name == "petalscope_scatter"
    )
    assert {entry["name"] for entry in sent["legend"]} == set(foreign_collection.TITLES)
    assert json.loads(sent["ids"]) == [f"k{row:03}" for row in range(60)]


def test_five_steps_end_with_photos(opened_at, prepared: Settings) -> None:
    app = press(opened_at(section="steps"), quickstart.run_step(1))
    assert "milvus_lite" in " ".join(str(code.value) for code in app.code)
    app = press(app, quickstart.RUN_REST)
    assert quickstart.ALL_DONE in [button.label for button in app.button]
    assert words(app).count(quickstart.ANSWER) == 5
    press(app, quickstart.START_OVER)
    homes = list((prepared.artifacts / "scratch").glob("steps-*"))
    assert len(homes) == 1  # of the new lesson
    shutil.rmtree(homes[0])


def test_changes_need_an_unlock_and_the_name(opened_at, folder: Path) -> None:
    app = opened_at(store=str(folder / "x.db"), collection="many_59", section="change")
    assert app.button(key="do_change").disabled
    app.selectbox(key="change").set_value("drop_collection")
    fine(app.run())
    assert app.button(key="do_change").disabled
    assert "client.drop_collection('many_59')" in [code.value for code in app.code]
    app.toggle[0].set_value(True)
    fine(app.run())
    assert app.button(key="do_change").disabled
    app.text_input(key="drop many_59").set_value("many_58")
    fine(app.run())
    assert app.button(key="do_change").disabled
    app.text_input(key="drop many_59").set_value("many_59")
    fine(app.run())
    app.button(key="do_change").click()
    fine(app.run())
    assert changes.DONE in " ".join(str(box.value) for box in app.success)
    app.query_params["section"] = "overview"
    fine(app.run())
    assert overview.collection_count(60, 60) in words(app)


def test_an_overview_of_a_slow_server_fills_as_answers_come(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, gone_on = threading.Event(), threading.Event()

    class Pool:
        generation = 0

        def get(self, _: object) -> SimpleNamespace:
            return SimpleNamespace(late=False)

    def some(_: object, names: Sequence[str], add: Callable[[dict[str, Any]], None]) -> None:
        add(store_overview.empty_summary(names[0]) | {"row_count": 7})
        gone_on.set()
        assert answer.wait(60)
        add(store_overview.empty_summary(names[1]) | {"row_count": 8})

    monkeypatch.setattr(cached, "pool", Pool)
    monkeypatch.setattr(store_overview, "summarise_all", some)
    monkeypatch.setattr(cached_milvus, "PATIENCE_S", 0.0)
    slow = pool.Connection("slow", f"http://127.0.0.1:9/{os.urandom(4).hex()}", "", "typed")
    cached_milvus.summaries(slow, ["a", "b"])
    assert gone_on.wait(60)
    assert [row["row_count"] for row in cached_milvus.summaries(slow, ["a", "b"])[0]] == [7, None]
    assert not cached_milvus.summaries(slow, ["a", "b"])[1]
    answer.set()
    monkeypatch.setattr(cached_milvus, "PATIENCE_S", 60.0)
    summaries, complete = cached_milvus.summaries(slow, ["a", "b"])
    assert complete and [(row["name"], row["row_count"]) for row in summaries] == [("a", 7), ("b", 8)]


def test_another_state_of_the_photos_has_its_collections_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was cached before a `prepare` names collections that it has dropped, and not those that it made."""
    answers = iter(["old", "new"])
    monkeypatch.setattr(collections, "names", lambda store: [next(answers)])
    monkeypatch.setattr(cached, "pool", lambda: SimpleNamespace(generation="of this test", get=lambda connection: None))
    own = pool.Connection(pool.MAIN, "x.db")
    assert [cached_milvus.collection_names(own, state) for state in ("1", "1", "2", "2")] == [
        ["old"],
        ["old"],
        ["new"],
        ["new"],
    ]
