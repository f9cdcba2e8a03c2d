"""Commands and programs that the retrieval page offers: run, they give the ids that the page shows."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.commands import cli
from lib.commands.options import parser
from lib.prepare.workspace import Workspace
from lib.retrieval import feedback, reproduce, search
from lib.retrieval.feedback import Marks
from lib.retrieval.query import find_query, query_part
from lib.retrieval.reproduce import Place, Reproduction
from lib.retrieval.search import AnswerFilter, SearchableSpace
from lib.search.rocchio import Weights
from lib.settings import PROJECT, Settings
from tests.conftest import COPY, COPY_OF

pytestmark = pytest.mark.slow  # each program runs in a process of its own

METRICS = ("mse", "l1", "l2", "cosine", "ncc")
MARKS = Marks(("tulip/07.png", "tulip/02.jpg"), ("rose/05.png",), Weights(0.8, 1.0, 0.3))
ONLY_RIGHT = Marks(("daisy/05.png",))
LOAD = Callable[[str], SearchableSpace]
RECIPES = [
    *(Reproduction(["tulip/04.jpg"], space, metric, 7) for space in ("resnet18", "pixels") for metric in METRICS),
    Reproduction([COPY_OF], "resnet18", "cosine", 5),
    Reproduction([COPY_OF], "resnet18", "l2", 5, keep_duplicates=True),
    Reproduction(
        ["rose/00.jpg"], "resnet18", "ncc", 60, answer_filter=AnswerFilter(("rose", "tulip"), ("train", "val"))
    ),
    Reproduction(["tulip/04.jpg"], "resnet18", "l1", 9, unit=True),
    *(Reproduction(["tulip/04.jpg", COPY_OF, "daisy/05.png"], "resnet18", metric, 8) for metric in METRICS),
    Reproduction(["tulip/04.jpg", "daisy/05.png"], "pixels", "ncc", 8, answer_filter=AnswerFilter(("rose",))),
    *(Reproduction(["tulip/04.jpg"], "resnet18", metric, 8, part="20,20,80,90") for metric in METRICS),
    Reproduction(["tulip/04.jpg"], "pixels", "ncc", 8, part="20,20,80,90"),
    *(Reproduction(["tulip/04.jpg"], "resnet18", metric, 9, marks=MARKS) for metric in METRICS),
    *(Reproduction(["tulip/04.jpg"], "pixels", metric, 10, marks=MARKS) for metric in ("l1", "cosine", "ncc")),
    Reproduction(["tulip/04.jpg"], "resnet18", "l1", 11, unit=True, marks=ONLY_RIGHT),
    Reproduction(["tulip/04.jpg"], "resnet18", "ncc", 12, part="20,20,80,90", marks=ONLY_RIGHT),
]


def _name(recipe: Reproduction) -> str:
    return (
        f"{recipe.space}-{recipe.metric}-{len(recipe.images)}-{recipe.k}-{recipe.part}{'-moved' * bool(recipe.marks)}"
    )


def _answer(opened: Workspace, loaded: LOAD, recipe: Reproduction) -> tuple[list[str], np.ndarray, Reproduction]:
    """The ids of the exact engine, the first query's vector, and the recipe with its left-out ids."""
    searchable = loaded(recipe.space)
    queries = [find_query(searchable.catalog, image) for image in recipe.images]
    if recipe.part:
        queries = [query_part(searchable.catalog, queries[0], tuple(map(float, recipe.part.split(","))))]
    space = search.normalised(searchable) if recipe.unit else searchable
    vectors = search.query_vectors(opened, space, queries)
    result = search.search(
        opened,
        space,
        queries,
        metric_name=recipe.metric,
        k=recipe.k,
        keep_duplicates=recipe.keep_duplicates,
        answer_filter=recipe.answer_filter,
        vectors=feedback.moved_vectors(space, vectors, recipe.metric, recipe.marks),
    )
    out = {row for query in queries for row in query.left_out(keep_duplicates=recipe.keep_duplicates)}
    left_out = [searchable.catalog.ids[row] for row in sorted(out)]
    vector = search.vector(opened, searchable, queries[0])
    return [row["id"] for row in result["results"]], vector, replace(recipe, left_out=left_out)


@pytest.mark.parametrize("recipe", RECIPES, ids=_name)
def test_the_faiss_program_gives_the_same_ids(
    opened: Workspace,
    loaded: LOAD,
    prepared: Settings,
    recipe: Reproduction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, vector, whole = _answer(opened, loaded, recipe)
    monkeypatch.setenv("PETALSCOPE_ARTIFACTS", str(prepared.artifacts))
    monkeypatch.chdir(tmp_path)
    np.savez("query.npz", vector=vector)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(reproduce.faiss_program(whole, reproduce.places(opened, recipe.space)), {})
    assert said.getvalue().split("\n")[:-1] == expected


@pytest.mark.parametrize("recipe", RECIPES, ids=_name)
def test_the_command_gives_the_same_ids(
    opened: Workspace, loaded: LOAD, prepared: Settings, recipe: Reproduction, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, _, whole = _answer(opened, loaded, recipe)
    words = shlex.split(reproduce.command(whole))
    assert words[:3] == ["python", "-m", "lib"]
    places = ["--data", str(prepared.data), "--artifacts", str(prepared.artifacts), "--json"]
    at = words.index("--") if "--" in words else len(words)
    assert cli.main([*words[3:at], *places, *words[at:]]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)["results"]] == expected


def test_the_milvus_programs_give_the_same_ids(
    opened: Workspace, loaded: LOAD, prepared: Settings, tmp_path: Path
) -> None:
    """In a process and on a store of their own, one after the other."""
    shutil.copytree(prepared.artifacts, tmp_path / "artifacts")
    programs, expected = [], []
    for place, recipe in enumerate(RECIPES):
        ids, vector, whole = _answer(opened, loaded, recipe)
        program = reproduce.milvus_program(whole, reproduce.places(opened, recipe.space))
        assert (program is None) == (recipe.space == "pixels" or recipe.unit or len(recipe.images) > 1)
        if program is not None:
            np.savez(tmp_path / f"query{place}.npz", vector=vector)
            programs.append(program.replace("query.npz", f"query{place}.npz"))
            expected.append(ids)
    script = (
        "import json, sys\nfor program in json.load(open('programs.json')):\n    exec(program, {})\n    print('--')\n"
    )
    (tmp_path / "programs.json").write_text(json.dumps(programs))
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "MILVUS_URI": ""},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = [part.strip().split("\n") for part in done.stdout.split("--\n")[:-1]]
    assert len(result) == len(expected) >= 12
    for ids, wanted in zip(result, expected, strict=True):
        assert ids == wanted


def test_two_sides_are_one_command() -> None:
    a, b = Reproduction(["x/1.jpg"], "resnet18", "l1", 5), Reproduction(["x/1.jpg"], "pixels", "ncc", 5)
    line = reproduce.command(a, b)
    options = parser().parse_args(shlex.split(line)[3:])
    assert (options.image, options.space, options.a, options.b, options.b_space, options.k) == (
        "x/1.jpg", "resnet18", "l1", "ncc", "pixels", 5,
    )  # fmt: skip
    assert "--b-space" not in reproduce.command(a, replace(a, metric="ncc"))


HOSTILE = ["-x/1.jpg", "a b/$(rm -rf ~).jpg", 'it\'s "q"/`id`.jpg', "a\nb/1.jpg", "\\/'''.jpg", "é/🌹.jpg"]


@pytest.mark.parametrize(("image", "label"), list(itertools.product(HOSTILE, ['r"o\\se', "-rose"])))
def test_names_from_outside_stay_text(image: str, label: str) -> None:
    answer_filter = AnswerFilter((label,), ("test",))
    for images in ([image], [image, image + "2"]):
        recipe = Reproduction(images, "resnet18", "cosine", 3, answer_filter=answer_filter, left_out=images)
        options = parser().parse_args(shlex.split(reproduce.command(recipe))[3:])
        assert [options.image, *options.also] == images
        assert (options.label, options.split) == ([label], ["test"])
        place = Place("sets/a/catalog.parquet", "sets/a/vectors.npy", "resnet18_1234")
        for program in (reproduce.faiss_program(recipe, place), reproduce.milvus_program(recipe, place)):
            if program is not None:
                compile(program, "program", "exec")
                assert repr(image) in program


def test_no_program_holds_a_place_or_a_token(opened: Workspace, loaded: LOAD, prepared: Settings) -> None:
    secret = replace(prepared, milvus_token="t0ken-of-anna")
    mine = replace(opened, settings=secret)
    for recipe in RECIPES:
        place = reproduce.places(mine, recipe.space)
        texts: list[Any] = [
            reproduce.command(recipe),
            reproduce.faiss_program(recipe, place),
            reproduce.milvus_program(recipe, place) or "",
        ]
        for text in texts:
            assert "t0ken" not in text
            assert str(prepared.artifacts.parent) not in text
            assert str(prepared.data) not in text
            assert not re.search(r"[\"'(\s]/(home|tmp|work|root)", text)
    assert COPY not in reproduce.command(RECIPES[0])
    assert str(PROJECT) not in reproduce.faiss_program(RECIPES[0], reproduce.places(mine, "resnet18"))
