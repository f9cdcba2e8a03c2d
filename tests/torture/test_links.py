"""Links of strangers: every parameter that a page reads from its address, with nonsense in it.

A page takes what makes sense and leaves the rest: no exception, nothing of the link run or followed, and the next page
is as good as if there had been no link.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lib.settings import PROJECT, Settings
from tests.torture import tally
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
    """Every name under which some page reads its address, found in the source, so that a new one is tried too."""
    found = set()
    for path in [*(PROJECT / "lib" / "view").glob("*.py"), *(PROJECT / "pages").glob("*.py")]:
        source = path.read_text(encoding="utf-8")
        found |= set(re.findall(r'linked(?:_number)?\(\s*"(\w+)"', source))
        found |= set(re.findall(r'query_params(?:\.get(?:_all)?\(|\[)\s*"(\w+)"', source))
        found |= set(re.findall(r'key="(\w+)"(?:(?!key=)[^()])*bind="query-params"', source))
    return sorted(found | {"q", "sel", "like", "store", "metric", "bmetric", "a", "b"})


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
    found = parameters()
    assert {"q", "sel", "space", "k", "map", "part", "filter", "collection", "classes", "draw", "view", "pair"} <= set(
        found
    )
    assert len(found) > 40


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
