"""TREC files of the scores: trec_eval reads them and finds the same scores."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytrec_eval

from lib.commands import options
from lib.errors import QueryError
from lib.measure import trec_files
from lib.settings import Settings

NAMES = {"map": "map", "r_precision": "Rprec", "mrr": "recip_rank"}


def evaluate(settings: Settings, *words: str) -> dict:
    parsed = options.parser().parse_args(["evaluate", *words])
    document: dict = parsed.run(settings, parsed)
    return document


@pytest.mark.parametrize("metric", ["cosine", "l1"])
@pytest.mark.parametrize("queries", ["test", "all"])
def test_trec_eval_finds_the_same_scores(prepared: Settings, tmp_path: Path, metric: str, queries: str) -> None:
    run, qrels = tmp_path / "x.run", tmp_path / "x.qrels"
    words = ["--space", "resnet18", "--metric", metric, "--queries", queries]
    document = evaluate(prepared, *words, "--run", str(run), "--qrels", str(qrels))
    assert document["files"] == [str(run), str(qrels)]
    with qrels.open() as judgements, run.open() as rankings:
        judged = pytrec_eval.RelevanceEvaluator(
            pytrec_eval.parse_qrel(judgements), {*NAMES.values(), "P_5", "recall_10", "ndcg_cut_10"}
        ).evaluate(pytrec_eval.parse_run(rankings))
    (row,) = document["rows"]
    assert len(judged) == row["queries"]

    def mean(name: str) -> float:
        return sum(each[name] for each in judged.values()) / len(judged)

    for ours, theirs in NAMES.items():
        assert row[ours] == pytest.approx(mean(theirs), abs=1e-6)
    assert row["precision"]["5"] == pytest.approx(mean("P_5"), abs=1e-6)
    assert row["recall"]["10"] == pytest.approx(mean("recall_10"), abs=1e-6)
    assert row["ndcg"]["10"] == pytest.approx(mean("ndcg_cut_10"), abs=1e-6)
    first = run.read_text().splitlines()[0].split()
    assert (first[1], first[3], first[5]) == ("Q0", "1", f"resnet18.{metric}")


def test_several_runs_have_a_file_each(prepared: Settings, tmp_path: Path) -> None:
    document = evaluate(prepared, "--space", "resnet18", "--run", str(tmp_path / "all.txt"))
    assert len(document["files"]) == 5
    assert str(tmp_path / "all.resnet18.ncc.txt") in document["files"]
    assert sorted(document["files"]) == sorted(map(str, tmp_path.iterdir()))


def test_an_id_is_one_word() -> None:
    assert trec_files.word("a b/50% ü\t1.jpg") == "a%20b/50%25%20ü%091.jpg"


def test_a_folder_is_not_replaced_and_a_file_does_not_hold_both(prepared: Settings, tmp_path: Path) -> None:
    for flag in ("--run", "--qrels"):
        with pytest.raises(QueryError, match="is a folder"):
            evaluate(prepared, flag, str(tmp_path))
    with pytest.raises(QueryError, match="both"):
        evaluate(prepared, "--run", str(tmp_path / "x"), "--qrels", str(tmp_path / "x"))
    assert list(tmp_path.iterdir()) == []
