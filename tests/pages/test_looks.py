"""Details of figures and pages: ticks, labels, and the collection that the Milvus page begins with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from lib.prepare.workspace import Workspace
from lib.settings import Settings
from lib.view.figures import index_quality, style


@pytest.mark.parametrize("values", [[3.0, 6.1], [2.99, 3.3], [2.0, 95.0], [0.004, 12_000.0], [7.0]])
def test_ticks_of_a_logarithmic_axis_name_their_values(values: list[float]) -> None:
    ticks = style.log_ticks(values)
    assert [float(text.replace(",", "")) for text in ticks["ticktext"]] == pytest.approx(ticks["tickvals"])
    inside = [tick for tick in ticks["tickvals"] if min(values) <= tick <= max(values)]
    assert len(values) == 1 or len(inside) >= 2
    assert min(ticks["tickvals"]) <= min(values) <= max(values) <= max(ticks["tickvals"])


def test_an_axis_without_positive_values_keeps_its_own_ticks() -> None:
    assert style.log_ticks([0.0, -1.0]) == {} == style.log_ticks([])


def test_labels_of_settings_do_not_cover_each_other() -> None:
    latencies = [2.9, 2.91, 2.92, 3.0, 3.4, 4.5, 9.0]
    rows = [{"p50_ms": ms, "p95_ms": 2 * ms, "params": {"ef": 2**place}} for place, ms in enumerate(latencies)]
    labels, places = index_quality.spaced_labels(rows, 18.0)
    drawn = [(math.log10(rows[i]["p50_ms"]), places[i], label) for i, label in enumerate(labels) if label]
    for (at, side, _), (other, beside, _) in itertools.combinations(drawn, 2):
        assert side != beside or abs(at - other) >= 0.05 * math.log10(18.0 / 2.9)
    assert labels[0] == "ef 1" and labels[-1] == "ef 64" and labels[2] == ""


def test_the_recall_figure_writes_its_settings_and_both_axes() -> None:
    rows = [
        {"index_type": "HNSW", "params": {"ef": ef}, "recall": recall, "p50_ms": ms, "p95_ms": 2 * ms}
        for ef, recall, ms in ((16, 0.9, 3.0), (64, 0.99, 4.0), (512, 1.0, 9.0))
    ]
    figure = index_quality.frontier(rows, 10)
    assert list(figure.data[0].text) == ["ef 16", "ef 64", "ef 512"]
    assert figure.layout.yaxis.tickvals and max(figure.layout.yaxis.tickvals) == 1  # no recall is above 1
    assert "10" in figure.layout.xaxis.ticktext


def test_the_milvus_page_begins_with_the_space_of_the_other_pages(
    start: Callable[[Settings], AppTest], prepared: Settings, opened: Workspace
) -> None:
    app = start(prepared).switch_page("pages/4_Milvus_Collection.py").run()
    assert not app.exception
    chosen = next(box for box in app.selectbox if box.label == "Collection")
    base = opened.collection("resnet18")
    assert chosen.value == base
    assert list(chosen.options[:3]) == [base, f"{base}_centred", f"{base}_l2"]
