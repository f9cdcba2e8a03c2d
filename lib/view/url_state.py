"""What users choose, kept in the page's address: the one place where pages read, write and carry it on.

The address alone says what a page shows; a name that it lacks, or a value that makes no sense, means the default. So a
reload, Back and Forward, a second tab and a copied link all show the same. Each session remembers the newest choices of
every page only for the links from page to page, which carry them. (Streamlit's own binding to the address forgets a
choice once a page is drawn without its widget, and would put the options' long titles into links.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lib import limits
from lib.errors import QueryError

HOME, TRAINING, MAP = "Home.py", "pages/1_Training_Regimes.py", "pages/2_Embedding_Map.py"
RETRIEVAL, MILVUS = "pages/3_Retrieval.py", "pages/4_Milvus_Collection.py"
QUERY, PICKED = "q", "sel"
# Every name that stands in the address of a page. Those of `SHARED` mean the same on all pages that have them.
SHARED = (QUERY, PICKED, "space", "metric", "collection")
NAMES: dict[str, tuple[str, ...]] = {
    HOME: (QUERY, PICKED, "classes_shown", "splits_shown", "draw", "steps", "audit"),
    TRAINING: (
        QUERY, PICKED, "section", "runs", "regimes", "x", "lines", "log", "smoothing", "run", "true", "predicted",
        "other", "drawn",
    ),
    MAP: (QUERY, PICKED, "space", "colour", "beside", "map", "metric", "near", "lines", "panel"),
    RETRIEVAL: (
        QUERY, PICKED, "view", "from", "part", "classes", "splits", "copies", "collection", "row", "rows", "space",
        "metric", "k", "engine", "a", "b", "bspace", "unit", "show", "pair", "compared", "torn", "measure", "below",
        "cell", "cell2", "threshold", "metric2", "metric3", "shown", "factor",
        *(f"lab_{kind}" for kind in ("crop", "flip", "shift", "rotate", "brightness", "blur", "jpeg")),
    ),
    MILVUS: (
        QUERY, PICKED, "store", "collection", "part", "find", "filter", "field", "with", "like", "answers", "quality",
        "plane", "by",
    ),
}  # fmt: skip
# Longer values are not carried: browsers and servers between here and there cut off longer addresses.
LONGEST = 6_000
_HERE, _KEPT, _REFUSED = "links_here", "links_kept", "links_refused"
Value = str | list[str]


def read_address(page: str) -> list[str]:
    """Call first on every page: remember what its address says. The sentences say which values are too long, in the
    address or among the choices made since the last run; the page works as if the address did not have them."""
    st.session_state[_HERE] = page
    kept = _kept()
    refused: list[str] = st.session_state.pop(_REFUSED, [])
    for name in NAMES[page]:
        values = st.query_params.get_all(name)
        if sentence := _refusal(name, values):
            refused.append(sentence)
            values = []
        if values:
            kept[_memory(page, name)] = values if len(values) > 1 else values[0]
        else:
            kept.pop(_memory(page, name), None)
    return refused


def _refusal(name: str, values: Sequence[str]) -> str | None:
    """Why these values under `name` are too long for an address; None where they are not."""
    try:
        limits.check(",".join(values), f"The part `{name}=` of this page's address")
    except QueryError as error:
        return str(error)
    return None


def link_to(page: str, **choices: str) -> dict[str, Value]:
    """The address's part that leads to another page, with all that was chosen there and on all pages; `choices` win."""
    kept = _kept()
    found = {name: kept[_memory(page, name)] for name in NAMES[page] if _memory(page, name) in kept}
    return {name: value for name, value in found.items() if sum(map(len, value)) <= LONGEST} | choices


def parameter(name: str) -> str | None:
    """What the address says under `name`; the last of several, None where it says nothing, or too much."""
    return next(reversed(told_all(name)), None)


def told_all(name: str) -> list[str]:
    """All that the address says under `name`; nothing where that is too long, which `arrive` says."""
    values = st.query_params.get_all(name)
    return [] if _refusal(name, values) else values


def write(**choices: str | Sequence[str] | None) -> None:
    """Write choices into the address; None takes one out.

    What was chosen a moment before on this page is written, too: a second click may come from a browser that has not
    heard of the first one's address yet. A choice that is too long for an address is left as it was before; the next
    run says so.
    """
    page, kept = st.session_state.get(_HERE, ""), _kept()
    for name, value in choices.items():
        if value is not None and (sentence := _refusal(name, _listed(value))):
            st.session_state.setdefault(_REFUSED, []).append(sentence)
        elif value is None:
            kept.pop(_memory(page, name), None)
        else:
            kept[_memory(page, name)] = value if isinstance(value, str) else list(value)
    mine = dict.fromkeys((*NAMES.get(page, ()), *choices))
    wanted = {name: kept[_memory(page, name)] for name in mine if _memory(page, name) in kept}
    held = {name: st.query_params.get_all(name) for name in st.query_params}
    told = {name: wanted.get(name, value) for name, value in held.items() if name in wanted or name not in mine}
    told |= wanted
    if {name: _listed(value) for name, value in told.items()} != held:
        st.query_params.from_dict(told)


def forget(page: str, *names: str) -> None:
    """Let go of choices made on `page`, for when one goes there next; `put` takes them out of the address."""
    for name in names:
        _kept().pop(_memory(page, name), None)


def _kept() -> dict[str, Value]:
    kept: dict[str, Value] = st.session_state.setdefault(_KEPT, {})
    return kept


def _memory(page: str, name: str) -> str:
    return name if name in SHARED else f"{page} {name}"


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


# --- arguments that tie a widget to the address ----------------------------------------------------------------------


def _placed(key: str, value: float, *bounds: float) -> dict[str, float]:
    """For a field or slider: gives it its value where it has another one, other bounds, or was not drawn a moment
    before.

    What is written to it is sent to the browser, which lets go of what the user did meanwhile: a slider that is moved
    on while the page is drawn would jump back. So it is not written where nothing changes; the value is then what a
    browser begins with that had taken the widget away and shows it anew. It would begin with the least one otherwise,
    and tell that as a choice of the user's.
    """
    drawn = f"bounds of {key}"
    if key not in st.session_state or st.session_state[key] != value or st.session_state.get(drawn) != bounds:
        st.session_state[key], st.session_state[drawn] = value, bounds
        return {}
    return {"value": value}


def choice(name: str, where: str, options: Sequence[str], default: str) -> dict[str, Any]:
    """For one of `options`, by their short names. `where` tells widgets of one name apart."""
    key, wanted = f"{where}_{name}", parameter(name)
    st.session_state[key] = wanted if wanted in options else default
    return _tied(name, key, str)


def number(name: str, least: int, most: int, default: int) -> dict[str, Any]:
    """For a whole number of an input or a slider."""
    placed = _placed(name, whole(parameter(name), least, most, default), least, most)
    return {"min_value": least, "max_value": most, **placed, **_tied(name, name, _unless(default))}


def fraction(name: str, least: float, most: float, default: float) -> dict[str, Any]:
    """For any number of a slider."""
    placed = _placed(name, real(parameter(name), least, most, default), least, most)
    return {"min_value": least, "max_value": most, **placed, **_tied(name, name, _unless(default))}


def switch(name: str) -> dict[str, Any]:
    """For a toggle that is off unless the address says true."""
    st.session_state[name] = (parameter(name) or "").lower() == "true"
    return _tied(name, name, lambda on: "true" if on else None)


def several(name: str, options: Sequence[str]) -> dict[str, Any]:
    """For any of `options`, none by default: the name stands in the address once for each."""
    st.session_state[name] = [value for value in dict.fromkeys(told_all(name)) if value in options]
    return _tied(name, name, lambda chosen: list(chosen) or None)


def text_field(name: str) -> dict[str, Any]:
    """For a line of text, empty by default."""
    st.session_state[name] = parameter(name) or ""
    return _tied(name, name, lambda text: text.strip() or None)


def _tied(name: str, key: str, word: Callable[[Any], str | list[str] | None]) -> dict[str, Any]:
    return {"key": key, "on_change": lambda: write(**{name: word(st.session_state[key])})}


def _unless(default: float) -> Callable[[Any], str | None]:
    return lambda value: None if value is None or value == default else f"{value:.10g}"


def whole(word: str | None, least: int, most: int, default: int) -> int:
    """The whole number that `word` names between `least` and `most`, else `default`."""
    sound = word is not None and word.removeprefix("-").isdecimal() and len(word) < 10
    return int(word) if sound and word is not None and least <= int(word) <= most else default


def real(word: str | None, least: float, most: float, default: float) -> float:
    """The number that `word` names between `least` and `most`, else `default`."""
    try:
        value = float(word or "")
    except ValueError:
        return default
    return value if math.isfinite(value) and least <= value <= most else default
