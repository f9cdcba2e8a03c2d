"""Links of strangers: every parameter that a page reads from its address, with nonsense in it.

A page takes what makes sense and leaves the rest: no exception, nothing of the link run or followed, and the next page
is as good as if there had been no link.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib.settings import PROJECT, Settings
from lib.view import url_state
from tests.helpers import browser_driver
from tests.torture import crowd, tally
from tests.torture.tally import Scale

VIEWS = [
    ("Home.py", {}),
    ("Home.py", {"audit": "true"}),
    *(
        ("pages/1_Training_Regimes.py", {"section": part})
        for part in ("results", "curves", "inside", "network", "train")
    ),
    *(("pages/2_Embedding_Map.py", {"panel": part}) for part in ("selection", "findings", "training", "reading")),
    ("pages/2_Embedding_Map.py", {"q": "rose/00.jpg", "beside": "pixels", "colour": "preserved"}),
    *(
        ("pages/3_Retrieval.py", {"view": view, "q": "rose/00.jpg"})
        for view in (
            "Five metrics",
            "Side by side",
            "Disagreements",
            "Scoreboard",
            "Calibration",
            "Robustness lab",
            "Understand",
        )
    ),
    *(("pages/3_Retrieval.py", {"from": source}) for source in ("upload", "selection", "row")),
    *(
        ("pages/4_Milvus_Collection.py", {"part": part})
        for part in ("overview", "schema", "rows", "search", "quality", "health", "map", "steps", "change")
    ),
]
WORDS = [
    "",
    " ",
    "-1",
    "0",
    "00000000000000000000000000007",
    "9" * 400,
    "9" * 5000,
    "1e309",
    "-0.0",
    "nan",
    "inf",
    "٣",
    "²",
    "𝟙𝟚",
    "true",
    "null",
    "[]",
    '["rose", 1]',
    "{}",
    ",,,",
    "nan,nan,nan,nan",
    "0,0,0,0",
    "-5,-5,200,200",
    "10,10,90",
    "9e9,1,2,3",
    "umap,nan,nan,cosine",
    "umap,15,inf,cosine",
    "umap,-3,0.1,euclidean",
    "pca,2,0.5,l1",
    "umap,15,0.1,__class__",
    "resnet18/cosine",
    "pixels resnet18",
    "rose",
    "rose/00.jpg",
    "rose\x00",
    "\u202etxt.exe",
    "🌸" * 3000,
    "a" * 20_000,
    "<script>document.title='x'</script>",
    "[x](javascript:alert(1))",
    "`rm -rf ~`",
    "$x^2$ :red[x] **b**",
    "%",
    "%00%2e%2e%2f",
    "../../../../etc/passwd",
    "/proc/self/environ",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "unix:/var/run/docker.sock",
    "__proto__",
    "id in ['a'] or 1 == 1",
    'id == "',
    "((((((((((" * 50,
    "json_contains(id, 3) and",
    "' OR ''='",
    "\\",
    "\r\nSet-Cookie: x=1",
]
# What a page may never do with such a word.
LIVE = ("<script>document", "root:x:0", "PATH=")


def parameters() -> list[str]:
    """Every name under which some page reads its address."""
    return sorted({name for names in url_state.NAMES.values() for name in names})


def draws(noise: random.Random, names: list[str], own: dict[str, str]) -> Iterator[tuple[str, str | list[str]]]:
    """Some names, each with a word or several of them; what makes the view is mostly left as it is."""
    for name in noise.sample(names, noise.randint(3, len(names))):
        if name in own and noise.random() < 0.8:
            continue
        yield name, [noise.choice(WORDS) for _ in range(3)] if noise.random() < 0.15 else noise.choice(WORDS)


def shown(app: AppTest) -> Iterator[str]:
    """Everything on a page that a browser may take for HTML."""
    for element in app.get("html"):
        yield element.proto.body


def test_the_parameters_are_found() -> None:
    result = parameters()
    known = {"q", "sel", "space", "k", "map", "crop", "section", "filter", "collection", "classes", "draw", "pair"}
    assert known <= set(result)
    assert len(result) > 40


def test_no_nonsense_in_a_link_breaks_a_page(
    prepared: Settings, start: Callable[[Settings], AppTest], scale: Scale, tmp_path: Path
) -> None:
    noise = random.Random(8)
    names, app, tried = parameters(), start(prepared), 0
    views = VIEWS if not scale.short else VIEWS[:: len(VIEWS) // 6]
    for page, own in views:
        app.switch_page(page)
        for _ in range(1 if scale.short else scale.kills):
            link = {**own, **dict(draws(noise, names, own))}
            app.query_params.clear()
            for name, value in link.items():
                app.query_params[name] = value
            app.run()
            assert not app.exception, (page, link, [(e.message, e.stack_trace) for e in app.exception])
            assert app.title, (page, link)
            for text in shown(app):
                assert not any(live in text for live in LIVE), (page, link, text[:300])
            for box in [*app.error, *app.warning, *app.info]:
                assert len(box.value) < 700 and "Traceback" not in box.value, (page, link, box.value[:900])
            tried += 1
        app.query_params.clear()
    tally.note("bad_inputs", tried)
    for page, own in views:  # what such links left in the session does no harm either
        app.switch_page(page)
        app.query_params.clear()
        for name, value in own.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, (page, [entry.message for entry in app.exception])


# What a browser that is none of ours may say of the maps, galleries and fields of a page.
TOLD = [
    None,
    True,
    0,
    -1,
    10**30,
    1e308,
    "",
    "rose/00.jpg",
    "../../../etc/passwd",
    "<script>",
    "a" * 100_000,
    "1-1",
    "-1--1",
    "x-y",
    "0,0,100,100",
    "9,9,9",
    [],
    [[]],
    [1, "x", None],
    {},
    {"polygon": "x"},
    {"polygon": [[0, 0]] * 3, "hidden": [2**70], "position": 5},
    {"polygon": [[0, 1e999]] * 3},
    {"polygon": [[-1e9, -1e9], [1e9, -1e9], [0, 1e9]], "hidden": ["x"], "add": True},
    {"polygon": [[-1e9, -1e9], [1e9, -1e9], [0, 1e9]], "position": 1e300},
    {"plane": "x", "rows": [10**12]},
    {"inview": {"plane": "", "rows": [-1, 10**12, True, None, "1"]}},
    {"value": {"value": {}}},
]


def test_no_nonsense_of_a_browser_breaks_a_page(prepared: Settings, scale: Scale, tmp_path: Path) -> None:
    """Over the wire, as somebody would without a browser; afterwards others see what they saw before."""
    if scale.short:
        pytest.skip("make torture")
    assert prepared.data is not None
    shutil.copytree(prepared.artifacts, tmp_path / "artifacts")
    views = [
        ("", {}),
        ("Embedding_Map", {"q": "rose/00.jpg", "beside": "pixels"}),
        ("Embedding_Map", {"panel": "training"}),
        ("Retrieval", {"q": "rose/00.jpg", "part": "20,20,80,80"}),
        ("Retrieval", {"q": "rose/00.jpg", "view": "Side by side"}),
        ("Retrieval", {"from": "upload"}),
        ("Training_Regimes", {"section": "inside"}),
        ("Milvus_Collection", {"part": "rows"}),
        ("Milvus_Collection", {"part": "map"}),
    ]
    log, shown_text = tmp_path / "log", 0
    with browser_driver.serving(prepared.data, tmp_path / "artifacts", log) as address:
        with crowd.session(address) as other:
            before = other.visit("Retrieval", q="rose/00.jpg", space="pixels")
            for place, (page, link) in enumerate(views):
                with crowd.session(address) as visit:
                    seen = visit.visit(page, **link)
                    assert seen.components or page == "Training_Regimes", (page, link)
                    for value in TOLD if scale.name == "long" else TOLD[place % 2 :: 2]:
                        again = visit.visit(page, events=dict.fromkeys(seen.components, value), **link)
                        assert not again.exceptions, (page, link, value, again.exceptions)
                        shown_text += len(seen.components)
            # What makes sense is taken, so the rest was heard too.
            with crowd.session(address) as visit:
                seen = visit.visit("Retrieval", q="rose/00.jpg")
                events_of = dict.fromkeys(seen.components, "tulip/00.jpg")
                again = visit.visit("Retrieval", events=events_of, q="rose/00.jpg")
                assert [tile["id"] for tile in again.galleries["Query"]] == ["tulip/00.jpg"]
            after = other.visit("Retrieval", q="rose/00.jpg", space="pixels")
        assert after.galleries == before.galleries and after.galleries
    # Streamlit notes in its log what it cannot read itself; nothing got as far as to break a line of ours.
    assert f'File "{PROJECT / "lib"}' not in log.read_text(), log.read_text()[-3000:]
    assert shown_text > 200
    tally.note("bad_inputs", shown_text)
