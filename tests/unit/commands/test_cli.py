"""The command line as the contract writes it: one JSON document, exit codes, and one clear line for what cannot be."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import pickle
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lib.commands import cli, interrupts
from lib.commands import search as commands_search
from lib.commands.progress import ProgressBar
from lib.errors import QueryError
from lib.learn import hardware
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.settings import PROJECT, Settings
from tests.conftest import COPY, COPY_OF, draw_photos, draw_picture

COMMANDS = ("prepare", "embed", "audit", "search", "compare", "evaluate", "inspect", "doctor")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        assert self.status == 0, self.err
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    @property
    def sentence(self) -> str:
        """The one line on stderr of a command that could not."""
        assert self.status == 1
        assert self.out == ""
        # Progress bars rewrite their line by carriage returns and come before.
        line = self.err.rstrip("\n").split("\n")[-1]
        assert line.startswith("petalscope: ")
        assert line.isprintable()
        assert len(line) < 1000
        assert "Traceback" not in self.err
        return line.removeprefix("petalscope: ")


Run = Callable[..., Done]


@pytest.fixture
def run(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("search", …)`: the command in this process, on the prepared pictures unless it names others."""

    def run(command: str, *arguments: str, **overrides: Any) -> Done:
        named = {
            "--data": str(prepared.data),
            "--artifacts": str(prepared.artifacts),
        }
        if command in {"prepare", "embed", "search", "compare", "evaluate", "doctor"}:
            named["--weights"] = "bundled"
        words = [word for name, value in named.items() if name not in arguments for word in (name, value)]
        capsys.readouterr()
        status = cli.main([command, *arguments, *words], **{"store_wait_s": 0.0, "offline": True, **overrides})
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


def shell(command: str, **environment: str) -> Done:
    """A command line in a shell, `lib` standing for our program."""
    line = command.replace("lib ", f"{shlex.quote(sys.executable)} -m lib ", 1)  # a path may have spaces in it
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=PROJECT,
        env=os.environ | {"PETALSCOPE_OFFLINE": "1"} | environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def place(prepared: Settings) -> dict[str, str]:
    """The prepared pictures as environment variables."""
    return {"PETALSCOPE_DATA": str(prepared.data), "PETALSCOPE_ARTIFACTS": str(prepared.artifacts)}


# -- usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in ("--data", "--artifacts", "--json"):
        assert option in text
    options = {
        "prepare": ["--spaces", "--limit", "--precision", "--weights", "--seed", "--milvus-uri"],
        "embed": ["--spaces", "--limit", "--precision", "--weights", "--seed"],
        "audit": ["--seed"],
        "search": ["IMAGE", "--space", "--metric", "--k", "--engine", "--keep-duplicates", "--weights", "--milvus-uri"],
        "compare": [
            "IMAGE",
            "--space",
            "--a",
            "--b",
            "--b-space",
            "--also",
            "--crop",
            "--normalise",
            "--k",
            "--weights",
        ],
        "evaluate": ["--space", "--metric", "--k", "--queries", "--weights"],
        "inspect": ["--collection", "--milvus-uri"],
        "doctor": ["--weights", "--milvus-uri"],
    }
    for option in options[command]:
        assert option in text


def test_the_program_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"    {command} " in text for command in COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["search"],
        ["search", "x", "--k", "0"],
        ["search", "x", "--k", "-3"],
        ["search", "x", "--k", "ten"],
        ["search", "x", "--k", "1.5"],
        ["search", "x", "--metric", "l3"],
        ["search", "x", "--engine", "fast"],
        ["search", "x", "y"],
        ["search", "x", "--crop", "1,2,3"],
        ["search", "x", "--crop", "a,b,c,d"],
        ["search", "x", "--split", "all"],
        ["compare", "x", "--a", "nothing"],
        ["evaluate", "--queries", "none"],
        ["evaluate", "--k", "0"],
        ["prepare", "--limit", "0"],
        ["prepare", "--seed", "-1"],
        ["prepare", "--seed", str(2**32)],
        ["prepare", "--seed", "x"],
        ["prepare", "--data", ""],
        ["prepare", "--artifacts", ""],
        ["prepare", "--unknown"],
        ["audit", "--milvus-uri", "x"],
    ],
    ids=" ".join,
)
def test_usage_that_does_not_parse_exits_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: python -m lib")
    assert "Traceback" not in captured.err


@pytest.mark.slow
def test_the_program_without_a_command_exits_2() -> None:
    done = shell("lib ")
    assert (done.status, done.out) == (2, "")


# -- the documents --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_copies_that_are_left_out_are_said(run: Run) -> None:
    note = commands_search.copies_left_out(1)
    assert note == "1 pixel-identical copy left out (--keep-duplicates)"
    for command in ("search", "compare"):
        for words in ((), ("--json",)):
            done = run(command, COPY_OF, *words)
            assert done.err.splitlines() == [note]
            assert note not in done.out
            assert run(command, COPY_OF, *words, "--keep-duplicates").err == ""
    assert run("search", COPY_OF, "--json").document["copies_left_out"] == 1
    assert "copies_left_out" not in run("search", COPY_OF, "--json", "--keep-duplicates").document
    assert "copies_left_out" not in run("search", COPY_OF, "--json", "--also", COPY).document  # both are queries


def test_doctor_names_one_command_a_line(tmp_path: Path, run: Run) -> None:
    out = run("doctor", "--artifacts", str(tmp_path / "empty")).out
    assert "python -m lib prepare" in out
    assert all(line.count("python -m lib prepare") <= 1 for line in out.splitlines()), out


def test_prepare(run: Run, prepared: Settings) -> None:
    done = run("prepare", "--json")
    document = done.document
    assert set(document) >= {"dataset", "spaces", "milvus", "seconds"}
    assert document["dataset"]["images"] == 61
    assert [space["name"] for space in document["spaces"]] == ["pixels", "resnet18"]
    assert all(space["cached"] for space in document["spaces"])
    assert [row["rows"] for row in document["milvus"]["collections"]] == [61, 61, 61]
    assert done.out.count("\n") == 1
    assert "read photos" in done.err
    text = run("prepare").out
    assert "drawn flowers: 61 images of 5 classes, 0 files skipped" in text
    assert "space pixels: 61 × 49,152 (nothing to compute)" in text
    assert "space resnet18: 61 × 512, weights bundled, fp32 (nothing to compute)" in text


def test_embed(run: Run, prepared: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    document = run("embed", "--json").document
    assert set(document) >= {"dataset", "spaces", "seconds"}
    space = document["spaces"][0]
    assert (space["name"], space["precision"], space["cached"]) == ("resnet18", "fp32", True)
    assert space["engine"]["name"] in {"onednn", "torch"}
    assert "`python -m lib prepare` makes maps and collections of it" in run("embed").out

    monkeypatch.setattr(hardware, "precision", lambda device: "float32")
    refused = run("embed", "--precision", "bf16").sentence
    assert "has no bfloat16" in refused
    assert "--precision fp32" in refused


def test_audit(run: Run) -> None:
    document = run("audit", "--json").document
    assert set(document) >= {"duplicates", "corrupt", "images"}
    assert (document["images"], document["corrupt"]) == (61, [])
    exact = [group for group in document["duplicates"] if group["kind"] == "exact"]
    assert exact == [
        {
            "ids": sorted([COPY, COPY_OF]),
            "labels": ["rose", "rose"],
            "conflict": False,
            "kind": "exact",
            "distance": 0,
        }
    ]
    assert "61 images: 1 picture occurs more than once" in run("audit").out


def test_audit_lists_leaks_and_writes_splits_without_them(run: Run, opened: Workspace, tmp_path: Path) -> None:
    catalog = opened.catalog()
    splits = dict(zip(catalog.ids, catalog.frame["split"], strict=True))
    table = tmp_path / "splits.csv"
    document = run("audit", "--json", "--together", str(table)).document
    for leak in document["leaks"]:
        assert leak["splits"] == [splits[name] for name in leak["ids"]]
        assert leak["splits"].count("test") == 1
    with table.open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert list(rows) == catalog.ids
    assert [row["label"] for row in rows.values()] == catalog.labels
    for leak in document["leaks"]:
        assert len({rows[name]["split"] == "test" for name in leak["ids"]}) == 1
    again = run("audit", "--together", str(table))
    assert again.status == 1
    assert "exists already" in again.sentence


def test_audit_finds_no_leaks_before_a_prepare(run: Run, pictures: Path, tmp_path: Path) -> None:
    where = ("--data", str(pictures), "--artifacts", str(tmp_path / "none"))
    assert run("audit", "--json", *where).document["leaks"] is None
    refused = run("audit", "--together", str(tmp_path / "splits.csv"), *where)
    assert (refused.status, (tmp_path / "splits.csv").exists()) == (1, False)
    assert "prepare" in refused.sentence


@pytest.mark.parametrize("engine", ["exact", "milvus"])
def test_search(run: Run, engine: str) -> None:
    document = run("search", COPY_OF, "--json", "--engine", engine, "--k", "4").document
    assert set(document) >= {
        "query",
        "space",
        "metric",
        "engine",
        "higher_is_closer",
        "results",
        "seconds",
        "recall",
    }
    assert (document["query"], document["space"], document["metric"]) == (COPY_OF, "resnet18", "cosine")
    assert (document["engine"], document["higher_is_closer"]) == (engine, True)
    assert document["recall"] == (None if engine == "exact" else 1.0)
    assert [row["rank"] for row in document["results"]] == [1, 2, 3, 4]
    assert {COPY, COPY_OF}.isdisjoint(row["id"] for row in document["results"])
    assert set(document["results"][0]) >= {"rank", "id", "label", "value"}
    kept = run("search", COPY_OF, "--json", "--engine", engine, "--keep-duplicates").document
    assert kept["results"][0]["id"] == COPY
    assert len(kept["results"]) == 10
    text = run("search", COPY_OF, "--engine", engine, "--metric", "l1").out
    assert f"{COPY_OF}  resnet18 · l1 (smaller = closer) · {engine}" in text
    assert ("recall against the full scan" in text) is (engine == "milvus")


def test_search_takes_every_space_and_k_beyond_the_end(run: Run, prepared: Settings) -> None:
    for space, dim in (("pixels", "pixels"), ("transfer", "resnet18")):
        document = run("search", "tulip/04.jpg", "--json", "--space", space, "--k", "1" + "0" * 30).document
        assert document["space"] == dim
        assert len(document["results"]) == 60
    by_path = run("search", f"{prepared.data}/tulip/04.jpg", "--json").document
    assert by_path["query"] == "tulip/04.jpg"


def test_search_by_several_by_a_part_and_among_some(run: Run) -> None:
    several = run("search", "tulip/04.jpg", "--also", COPY_OF, "--json", "--k", "3").document
    assert several["queries"] == ["tulip/04.jpg", COPY_OF]
    assert several["results"][0]["value"] >= 1
    assert "mean rank of 2 queries" in run("search", "tulip/04.jpg", "--also", COPY_OF).out
    part = run("search", "tulip/04.jpg", "--crop", "10,10,90,90", "--label", "tulip", "--json").document
    assert part["query"] == "part 10,10,90,90 of tulip/04.jpg"
    assert {row["label"] for row in part["results"]} == {"tulip"}
    assert "in percent" in run("search", "tulip/04.jpg", "--crop", "50,10,20,90").sentence
    unit = run("search", "tulip/04.jpg", "--normalise", "--metric", "l2", "--json").document
    assert unit["normalised"] is True
    cosine = run("search", "tulip/04.jpg", "--json").document
    assert [row["id"] for row in unit["results"]] == [row["id"] for row in cosine["results"]]


def test_compare_across_spaces(run: Run) -> None:
    document = run("compare", "tulip/04.jpg", "--b-space", "pixels", "--json").document
    assert (document["a"]["space"], document["b"]["space"]) == ("resnet18", "pixels")
    assert len(document["ranks"]["a"]) == 10


def test_compare(run: Run) -> None:
    document = run("compare", "tulip/04.jpg", "--json").document
    assert set(document) >= {"a", "b", "overlap", "rbo", "kendall_tau"}
    assert (document["a"]["metric"], document["b"]["metric"]) == ("l1", "cosine")
    assert document["a"] | {"seconds": 0} == run("search", "tulip/04.jpg", "--json", "--metric", "l1").document | {
        "seconds": 0
    }
    assert 0 <= document["overlap"] <= 1
    assert -1 <= document["kendall_tau"] <= 1
    text = run("compare", "tulip/04.jpg", "--space", "pixels", "--a", "mse", "--b", "l2", "--k", "3").out
    assert "overlap 1.000 · rank-biased overlap 1.000 · Kendall's tau 1.000" in text


def test_evaluate(run: Run) -> None:
    rows = run("evaluate", "--json", "--k", "7").document["rows"]
    assert [(row["space"], row["metric"]) for row in rows] == [
        (space, metric) for space in ("pixels", "resnet18") for metric in METRICS
    ]
    for row in rows:
        assert set(row) >= {"space", "metric", "queries", "gallery", "precision", "recall", "map", "ci95", "seconds"}
        assert set(row["precision"]) == {"1", "5", "7", "10"}
        assert set(row["recall"]) >= {"10"}
        assert row["queries"] + row["gallery"] == 61
        assert row["ci95"]["map"][0] <= row["map"] <= row["ci95"]["map"][1]
    one = run("evaluate", "--json", "--space", "transfer", "--metric", "ncc", "--queries", "all").document["rows"]
    assert [(row["space"], row["metric"], row["queries"], row["gallery"]) for row in one] == [
        ("resnet18", "ncc", 61, 61)
    ]
    text = run("evaluate").out
    assert "P@1" in text
    assert "queries against" in text


def test_map(run: Run, prepared: Settings, copied: Settings) -> None:
    usual = run("map", "--json").document
    assert usual.items() >= {"space": "resnet18", "method": "UMAP", "n_neighbors": 15, "metric": "cosine"}.items()
    assert (usual["cached"], usual["images"], usual["k"]) == (True, 61, 15)
    assert (
        usual["trustworthiness"]
        == workspace.open_workspace(prepared).map("resnet18").facts["fidelity"]["trustworthiness"]
    )
    pca = run("map", "--json", "--space", "pixels", "--method", "pca").document
    assert (pca["method"], pca["metric"], pca["cached"]) == ("PCA", "euclidean", True)
    text = run("map", "--space", "transfer", "--n-neighbors", "9", "--artifacts", str(copied.artifacts)).out
    assert "UMAP of 61 images in transfer: n_neighbors 9, min_dist 0.1, metric cosine, seed 0" in text
    assert "trustworthiness" in text and "computed in" in text
    assert "n_neighbors" not in pca


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--n-neighbors", "201"], "2 to 200 neighbours"),
        (["--min-dist", "1"], "0 to 0.99"),
        (["--space", "scratch"], "not prepared yet"),
        (["--space", "nowhere"], "no space called"),
    ],
)
def test_a_map_that_cannot_be_made_is_one_line(run: Run, options: list[str], said: str) -> None:
    assert said in run("map", *options).sentence


def test_inspect(run: Run, prepared: Settings) -> None:
    document = run("inspect", "--json").document
    assert set(document) >= {"uri", "engine", "server_version", "collections"}
    assert (document["uri"], document["engine"]) == (prepared.own_store, "lite")
    base = workspace.open_workspace(prepared).collection("resnet18")
    assert [entry["name"] for entry in document["collections"]] == [base, f"{base}_centred", f"{base}_l2"]
    one = run("inspect", "--json", "--collection", base).document["collections"]
    assert [entry["name"] for entry in one] == [base]
    index = one[0]["indexes"][0]
    assert (index["index_type"], index["metric_type"]) == ("HNSW", "COSINE")
    assert index["params"] == {"M": 16, "efConstruction": 200}
    text = run("inspect").out
    assert "index on vector: HNSW COSINE M=16 [reported], efConstruction=200 [reported]" in text


def test_doctor(run: Run) -> None:
    document = run("doctor", "--json").document
    assert document["ready"] is True
    assert all(check["ready"] for check in document["checks"])
    assert run("doctor").out.count("ready  ") == len(document["checks"])


def test_a_seed_splits_anew_without_preparing(run: Run) -> None:
    one, other = (
        run("evaluate", "--json", "--space", "resnet18", "--metric", "l2", "--seed", seed).document["rows"][0]
        for seed in ("1", "2")
    )
    assert one["map"] != other["map"]


# -- what cannot be done --------------------------------------------------------------------------------------------


def test_folders(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    elsewhere = ("--artifacts", str(tmp_path / "a"))
    for command in ("prepare", "audit"):
        assert "does not exist" in run(command, "--data", str(tmp_path / "gone"), *elsewhere).sentence
        assert "is not a folder" in run(command, "--data", str(tmp_path / "file"), *elsewhere).sentence
        assert "no readable image" in run(command, "--data", str(tmp_path / "empty"), *elsewhere).sentence
    for words in (["search", "x"], ["compare", "x"], ["evaluate"]):
        assert "does not exist" in run(*words, "--data", str(tmp_path / "gone"), *elsewhere).sentence
        assert "python -m lib prepare --data" in run(*words, "--data", str(tmp_path / "empty"), *elsewhere).sentence
    assert "There is no Milvus Lite store" in run("inspect", *elsewhere).sentence
    assert not (tmp_path / "a" / "petalscope.db").exists()


def test_artifacts_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in ("prepare", "audit"):
        assert "--artifacts" in run(command, "--artifacts", str(tmp_path / "file")).sentence


def test_pictures(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("I am a flower")
    Image.new("L", (20_000, 10_000)).save(tmp_path / "huge.png")
    for name, reason in {
        "empty.jpg": "is empty",
        "text.jpg": "is not a JPEG",
        "huge.png": "megapixels",
        "gone.jpg": "neither an image id",
        ".": "regular file",
    }.items():
        for command in ("search", "compare"):
            assert reason in run(command, str(tmp_path / name)).sentence


@pytest.mark.parametrize(
    "name", ["", "nobody/knows.jpg", "\x1b[31mred", "li\nne", "\udcff.jpg", "x" * 5000, "~nobody-of-this-name/x", "-"]
)
def test_unknown_ids(run: Run, name: str) -> None:
    assert "neither an image id of the catalog nor a file" in run("search", name).sentence


def test_spaces(run: Run) -> None:
    for command in (["search", "rose/00.jpg"], ["compare", "rose/00.jpg"], ["evaluate"]):
        assert "no space called 'umap'" in run(*command, "--space", "umap").sentence
    assert "no space called 'umap'" in run("prepare", "--spaces", "pixels,umap").sentence
    assert "No space was named" in run("prepare", "--spaces", " , ").sentence
    text = run("search", "rose/00.jpg", "--space", "pixels", "--engine", "milvus").sentence
    assert "--engine exact" in text


class _Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pickle-was-run",)


def test_weights(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = ("--artifacts", str(tmp_path / "a"))
    assert "does not exist" in run("prepare", "--weights", "gone.pth", *elsewhere).sentence
    Path("trap.pth").write_bytes(pickle.dumps(_Trap()))
    np.savez("foreign.safetensors", x=np.zeros(3))
    for name in ("trap.pth", "foreign.safetensors.npz"):
        sentence = run("prepare", "--weights", name, *elsewhere).sentence
        assert "damaged or not a weights file" in sentence or "archive without torch" in sentence
    assert not Path("pickle-was-run").exists()
    text = run("prepare", "--weights", "imagenet", *elsewhere, torch_home=tmp_path).sentence
    assert "resnet18-f37072fd.pth" in text
    assert "prepared with the bundled weights" in run("search", "rose/00.jpg", "--weights", "random").sentence


def test_without_a_network_the_bundled_weights_serve_and_this_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = draw_photos(tmp_path / "photos", per_class=1)
    words = ["--data", str(photos), "--artifacts", str(tmp_path / "a"), "--json"]
    overrides = {"offline": True, "torch_home": tmp_path}
    assert cli.main(["prepare", *words], **overrides) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["spaces"][1]["weights"] == "bundled"
    assert captured.err.count("Using the bundled Tiny ImageNet weights instead.") == 1
    assert cli.main(["search", "rose/00.jpg", *words, "--k", "1" + "0" * 30], **overrides) == 0
    assert len(json.loads(capsys.readouterr().out)["results"]) == 4


def test_a_k_beyond_all_bounds(run: Run) -> None:
    many = "1" + "0" * 30
    row = run("evaluate", "--json", "--metric", "l2", "--space", "resnet18", "--k", many).document["rows"][0]
    assert row["precision"][many] < 1e-20
    text = run("search", "rose/00.jpg", "--engine", "milvus", "--k", many).sentence
    assert "Milvus returns 1 to 16384 results" in text


@pytest.mark.parametrize(
    "damage",
    [
        lambda opened: (opened.folder / "state.json").write_text("{"),
        lambda opened: (opened.folder / opened.state["catalog"]).write_bytes(b"PAR1"),
        lambda opened: (opened.folder / opened.space("resnet18")["folder"] / "vectors.npy").write_bytes(b""),
        lambda opened: (opened.folder / opened.space("resnet18")["folder"] / "meta.json").write_text("[]"),
    ],
)
def test_damaged_results(run: Run, prepared: Settings, tmp_path: Path, damage: Callable[[Any], object]) -> None:
    shutil.copytree(prepared.artifacts / "sets", tmp_path / "sets")
    settings = Settings(data=prepared.data, artifacts=tmp_path, weights="bundled", offline=True)
    damage(workspace.open_workspace(settings))
    for command in (["search", "rose/00.jpg"], ["compare", "rose/00.jpg"], ["evaluate", "--space", "resnet18"]):
        text = run(*command, "--artifacts", str(tmp_path)).sentence
        assert "cannot be read; delete it and run `python -m lib prepare`" in text
    assert run("doctor", "--artifacts", str(tmp_path)).status == 0  # it tells, it does not fail


# -- the store ------------------------------------------------------------------------------------------------------


def test_a_store_that_is_held_names_its_owner_and_the_ways_out(run: Run, held: tuple[str, int]) -> None:
    store, pid = held
    for command in (["prepare"], ["inspect"]):
        text = run(*command, "--milvus-uri", store).sentence
        assert f"in use by the app (process {pid}, since" in text
        assert "stop that process" in text
        assert "give --milvus-uri a server" in text
    # What does not need the store does not mind.
    assert run("search", "rose/00.jpg", "--json", "--milvus-uri", store).status == 0
    assert run("doctor", "--json", "--milvus-uri", store).document["ready"] is False

    # One that becomes free in time is waited for.
    timer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    timer.start()
    assert run("inspect", "--json", "--milvus-uri", store, store_wait_s=30.0).document["collections"] == []
    timer.join()


def test_stores_that_cannot_be(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file.db").write_text("SQLite format 3")
    for uri, reason in {
        "http://localhost:9": "No Milvus server answers at http://localhost:9",
        "http://anna:p4ss@localhost:9": "No Milvus server answers at http://localhost:9",
        "ftp://host/x": "begins with 'ftp'",
        "nonsense": "neither a Milvus Lite store",
        str(tmp_path / "file.db"): "version 3 cannot read",
        str(tmp_path / "no" / "folder" / "x.db"): "",
    }.items():
        for command in ("prepare", "inspect"):
            text = run(command, "--milvus-uri", uri, milvus_token="t0ken-of-anna").sentence
            assert reason in text
            assert "p4ss" not in text
            assert "t0ken" not in text


def test_an_unknown_collection(run: Run) -> None:
    assert "There is no collection nobody" in run("inspect", "--collection", "nobody").sentence
    assert "\n" not in run("inspect", "--collection", "bad\nname").sentence


@pytest.mark.slow
def test_no_library_logs_through_us(place: dict[str, str]) -> None:
    # Milvus Lite logs a traceback for each of the calls that it does not have; pymilvus one for a server that is dead.
    done = shell("lib inspect --json", **place)
    assert done.status == 0, done.err
    assert done.err == ""
    dead = shell("lib inspect --json --milvus-uri http://localhost:9", **place, MILVUS_TOKEN="anna:t0ken")
    assert dead.err.count("\n") == 1
    assert "t0ken" not in dead.sentence


# -- pipes, terminals, signals --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_answer_goes_to_stdout_alone(place: dict[str, str]) -> None:
    done = shell("lib evaluate --json", **place)
    assert len(done.document["rows"]) == 10
    assert "evaluate pixels" in done.err


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_error(place: dict[str, str]) -> None:
    done = shell("lib evaluate --json 2>/dev/null | head -c 1; exit ${PIPESTATUS[0]}", **place)
    assert (done.status, done.out) == (0, "{")
    closed = shell("lib search rose/00.jpg --k 50 | true; exit ${PIPESTATUS[0]}", **place)
    assert (closed.status, closed.err) == (0, "")


@pytest.mark.slow
def test_an_answer_that_cannot_be_written_is_an_error(place: dict[str, str]) -> None:
    full = shell("lib search rose/00.jpg --json > /dev/full", **place)
    assert full.sentence == "The result could not be written: No space left on device."
    assert full.err.count("\n") == 1
    closed = shell("lib search rose/00.jpg --json >&-", **place)
    assert "Standard output is closed" in closed.sentence


@pytest.mark.slow
def test_closed_stderr_and_stdin_do_not_leak_into_the_answer(place: dict[str, str]) -> None:
    done = shell("lib evaluate --json --metric l2 2>&- <&-", **place)
    assert len(done.document["rows"]) == 2
    failed = shell("lib search nobody --json 2>&-", **place)
    assert (failed.status, failed.out) == (1, "")


@pytest.mark.slow
def test_a_terminal_without_the_letters_still_gets_the_rest(place: dict[str, str]) -> None:
    done = shell("lib search rose/00.jpg", **place, PYTHONIOENCODING="ascii")
    assert done.status == 0, done.err
    assert "resnet18 \\xb7 cosine" in done.out


def test_names_cannot_command_the_terminal(run: Run, tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", per_class=1)
    for number, name in enumerate(("li\nne.png", "red\x1b[31m.png")):
        draw_picture(0, 90 + number).save(photos / "rose" / name)
        draw_picture(0, 90 + number).save(photos / "tulip" / name)
    (photos / "rose" / "broken\x1b]0;title\x07.jpg").write_bytes(b"")
    words = ("--data", str(photos), "--artifacts", str(tmp_path / "a"))
    for command in (("audit",), ("prepare", "--spaces", "pixels"), ("search", "rose/li\nne.png", "--space", "pixels")):
        done = run(*command, *words)
        assert done.status == 0, done.err
        assert all(line.isprintable() for line in done.out.splitlines())
    document = run("search", "rose/li\nne.png", "--json", "--space", "pixels", *words, "--keep-duplicates").document
    assert document["query"] == "rose/li\nne.png"
    assert document["results"][0]["id"] == "tulip/li\nne.png"


def test_one_picture_is_enough_for_everything_but_a_score(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos" / "rose").mkdir(parents=True)
    draw_picture(0, 0).save(tmp_path / "photos" / "rose" / "only.png")
    words = ["--data", str(tmp_path / "photos"), "--artifacts", str(tmp_path / "a")]
    stored = ["search", "rose/only.png", "--engine", "milvus"]
    for command in (["prepare"], ["audit"], stored, ["inspect"], ["doctor"], ["evaluate", "--queries", "all"]):
        assert run(*command, *words).status == 0, command
    assert "overlap undefined" in run("compare", "rose/only.png", *words).out
    assert "1 image leaves no test queries or no gallery" in run("evaluate", *words).sentence

    words.append("--json")
    exact, found = run("search", "rose/only.png", *words).document, run(*stored, *words).document
    assert (exact["results"], found["results"], found["recall"]) == ([], [], None)
    compared = run("compare", "rose/only.png", *words).document
    assert (compared["overlap"], compared["rbo"], compared["kendall_tau"]) == (None, None, None)
    row = run("evaluate", "--queries", "all", *words).document["rows"][0]
    assert (row["precision"]["1"], row["recall"]["10"], row["map"], row["ci95"]["map"]) == (None, None, None, None)


@pytest.mark.slow
def test_a_folder_whose_name_is_not_text(place: dict[str, str], tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / os.fsdecode(b"fl\xffwers"), per_class=1)
    variables = {"PETALSCOPE_DATA": os.fsdecode(os.fsencode(photos)), "PETALSCOPE_ARTIFACTS": str(tmp_path / "a")}
    done = shell("lib prepare --spaces pixels", **variables)
    assert done.status == 0, done.err
    found = shell("lib search rose/00.jpg --space pixels --json", **variables)
    assert len(found.document["results"]) == 4


INTERRUPTS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", INTERRUPTS)
@pytest.mark.parametrize("stage", ["read photos", "embed pixels"])
def test_an_interrupt_is_one_sentence(prepared: Settings, tmp_path: Path, stage: str, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "lib", "prepare", "--json", "--weights", "bundled"]
    command += ["--data", str(prepared.data), "--artifacts", str(tmp_path / "a")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        seen = b""
        while stage.encode() not in seen:
            part = process.stderr.read1(4096)  # type: ignore[attr-defined]
            assert part, seen
            seen += part
        process.send_signal(number)
        end = threading.Timer(120, process.kill)  # a command that hangs must not keep all other tests waiting
        end.start()
        seen += process.stderr.read()
        end.cancel()
        done = Done(process.wait(), process.stdout.read().decode(), seen.decode())
    assert done.sentence == "Interrupted; run the same command again to go on."
    assert list((tmp_path / "a").rglob(".tmp-*")) == []


INTERRUPTED_IMPORT = """
import os, sys
module, number = sys.argv.pop(1), int(sys.argv.pop(1))

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        global module
        if name == module:
            module = None
            os.kill(os.getpid(), number)

sys.meta_path.insert(0, Interrupting())
from lib.__main__ import run
run()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", INTERRUPTS)
@pytest.mark.parametrize("module", ["lib.commands.options", "numpy", "torch", "torch.nn", "torch.distributed"])
def test_an_interrupt_while_a_module_is_imported(
    prepared: Settings, tmp_path: Path, module: str, number: signal.Signals
) -> None:
    """Half of torch is then imported, which no later step may import again."""
    words = ["prepare", "--spaces", "resnet18", "--weights", "random", "--data", str(prepared.data)]
    words += ["--artifacts", str(tmp_path / "a")]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT, module, str(int(number)), *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == f"petalscope: {interrupts.SENTENCE}"
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (1, "")


def test_an_interrupt_that_a_library_swallows_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    reached: list[str] = []

    def run(settings: Settings, options: argparse.Namespace) -> Any:
        with ProgressBar() as progress:
            progress.update("embed", 0, 2)
            with contextlib.suppress(KeyboardInterrupt):  # as some libraries do while they are imported
                exec("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
            reached.append("swallowed")
            progress.update("embed", 1, 2)
            reached.append("not here")

    options = argparse.Namespace(data=None, artifacts=None, json=True, run=run, show=str)
    status = cli._run(options, {})
    captured = capsys.readouterr()
    done = Done(status, captured.out, captured.err)
    assert done.sentence == "Interrupted; run the same command again to go on."
    assert reached == ["swallowed"]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_inside_a_librarys_exec_still_exits_1(tmp_path: Path) -> None:
    # Without care Python ends by the signal then, which a shell calls 130; only when it was started with -m.
    (tmp_path / "interrupted.py").write_text(
        "import argparse, sys; from lib.commands import cli, interrupts\n"
        "def run(*_):\n    exec('raise KeyboardInterrupt')\n"
        "sys.exit(cli._run(argparse.Namespace(data=None, artifacts=None, json=True, run=run, show=str), {}))"
    )
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert Done(done.returncode, done.stdout, done.stderr).sentence.startswith("Interrupted")


# -- what the system may throw --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (QueryError("No.\nNot\x1b at all."), "No. Not� at all."),
        (MemoryError(), "There is not enough memory; close other programs or use --limit."),
        (
            ModuleNotFoundError("No module named 'torch'"),
            "A library is missing or broken (No module named 'torch'); run `pip install -r requirements.lock`.",
        ),
        (
            PermissionError(13, "Permission denied", "/x"),
            "The operating system refused: Permission denied (/x).",
        ),
        (KeyboardInterrupt(), "Interrupted; run the same command again to go on."),
    ],
)
def test_what_is_thrown_becomes_a_sentence(error: BaseException, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    def run(settings: Settings, options: argparse.Namespace) -> Any:
        print("a library that prints")
        raise error

    options = argparse.Namespace(data=None, artifacts=None, json=True, run=run, show=str)
    status = cli._run(options, {})
    captured = capsys.readouterr()
    done = Done(status, captured.out, captured.err)
    assert done.sentence == text


def test_a_library_that_prints_does_not_spoil_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    def run(settings: Settings, options: argparse.Namespace) -> Any:
        print("a library that prints")
        return {"answer": 1}

    options = argparse.Namespace(data=None, artifacts=None, json=True, run=run, show=str)
    assert cli._run(options, {}) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"answer": 1}
    assert "a library that prints" in captured.err


# -- real photos ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.slow
def test_features_beat_pixels_on_real_photos(run: Run, photos: Path, tmp_path: Path) -> None:
    words = ("--data", str(photos), "--artifacts", str(tmp_path / "a"))
    document = run("prepare", "--json", "--limit", "200", *words).document
    assert document["dataset"]["images"] == 200
    rows = run("evaluate", "--json", "--queries", "all", *words).document["rows"]
    scores = {(row["space"], row["metric"]): row["map"] for row in rows}
    assert all(scores["resnet18", metric] > scores["pixels", metric] + 0.03 for _, metric in scores)
