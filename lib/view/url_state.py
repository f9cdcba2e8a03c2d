"""What users choose, kept in the page's address: the one module that reads and writes it, and carries it to links.

The address alone determines what a page shows; a missing name or an invalid value means the default. So a reload, Back
and Forward, a second tab and a copied link all show the same. Each session also remembers the latest choices of every
page, only for the links from page to page. (Streamlit's own binding to the address forgets a choice once a page is
drawn without its widget, and would put the options' long titles into links.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NotRequired, TypedDict

import streamlit as st

from lib import limits
from lib.errors import QueryError
from lib.text import composed
from lib.view import remedies

HOME, TRAINING, MAP = "Home.py", "pages/1_Training_Regimes.py", "pages/2_Embedding_Map.py"
RETRIEVAL, MILVUS = "pages/3_Retrieval.py", "pages/4_Milvus_Collection.py"
QUERY, PICKED, SECTION, PASSING = "q", "sel", "section", "pass"
# Parameters that the map writes into the address by itself (`scatter_parts/link.js`), without a run of the page.
BY_BROWSER = ("zoom", "zoom2", "hide", "tool", "names", "contours")
# Every parameter of every page. Those in `SHARED` mean the same on all pages that have them.
SHARED = (QUERY, PICKED, "space", "metric", "collection")
NAMES: dict[str, tuple[str, ...]] = {
    HOME: (
        QUERY, PICKED, "classes_shown", "splits_shown", "draw", "steps", "audit", "labels", "space", "sample",
        "sample_size", "sample_by",
    ),
    TRAINING: (
        QUERY, PICKED, SECTION, "runs", "regimes", "x", "lines", "log", "smoothing", "run", "true", "predicted",
        "other", "drawn", "train", "preset", "seeds",
    ),
    MAP: (
        QUERY, PICKED, "space", "colour", "beside", "map", "metric", "near", "lines", "pair", "method", "clusters",
        SECTION, PASSING, *BY_BROWSER,
    ),
    RETRIEVAL: (
        QUERY, PICKED, SECTION, "from", "crop", "classes", "splits", "tags", "copies", "collection", "row", "rows",
        "text", "space", "metric", "k", "engine", "a", "b", "bspace", "unit", "show", "pair", "compared", "torn",
        "measure", "below", "cell", "cell2", "threshold", "metric2", "metric3", "shown", "factor", "why", "feature",
        "only", "order", "lit", "depth", "shorter", "way", "chart", "sorted", "groups", "marks", "marked", "alpha",
        "beta", "gamma",
        *(f"lab_{kind}" for kind in ("crop", "flip", "shift", "rotate", "brightness", "blur", "jpeg")),
    ),
    MILVUS: (
        QUERY, PICKED, "store", "collection", SECTION, "find", "filter", "field", "with", "like", "answers", "quality",
        "plane", "by",
    ),
}  # fmt: skip
# By page, parameters that links of earlier versions have, and what they are called today.
EARLIER: dict[str, dict[str, str]] = {
    MAP: {"panel": SECTION},
    RETRIEVAL: {"view": SECTION, "part": "crop"},
    MILVUS: {"part": SECTION},
}
# By page and parameter of today, values of earlier links, and what they are called today.
EARLIER_VALUES: dict[tuple[str, str], dict[str, str]] = {
    (RETRIEVAL, SECTION): {
        "Five metrics": "grids",
        "Side by side": "l1-cosine",
        "Disagreements": "disagreements",
        "Scoreboard": "scoreboard",
        "Calibration": "calibration",
        "Robustness lab": "robustness",
        "Understand": "understand",
    },
    (MILVUS, SECTION): {"schema": "overview"},
    (TRAINING, SECTION): {"curves": "results"},
}
# By page, what a link with earlier parameters means that does not have today's: the defaults of that time.
EARLIER_DEFAULTS: dict[str, dict[str, str]] = {RETRIEVAL: {SECTION: "grids"}}
# Longer values are not carried: browsers and proxies cut off longer addresses.
MAX_LENGTH = 6_000
Value = str | list[str]
# Names in the session's state: the page that it is on, the latest choices, and the errors that the next run shows.
_PAGE, _CHOICES, _ERRORS = "links_here", "links_kept", "links_refused"


# --- reading and writing ---------------------------------------------------------------------------------------------


def read_address(page: str) -> list[str]:
    """Call first on every page: remember the choices in its address.

    Returns an error for each value that is too long, in the address or among the choices since the last run. The page
    works as if the address did not have them.
    """
    st.session_state[_PAGE] = page
    _rename_earlier(page)
    errors: list[str] = st.session_state.pop(_ERRORS, [])
    for name in NAMES[page]:
        values = st.query_params.get_all(name)
        if error := _length_error(name, values):
            errors.append(error)
            values = []
        _remember(page, name, values)
    return errors


def _remember(page: str, name: str, values: list[str]) -> None:
    if values:
        _choices()[_choice_key(page, name)] = values if len(values) > 1 else values[0]
    else:
        _choices().pop(_choice_key(page, name), None)


def _rename_earlier(page: str) -> None:
    """Rename the parameters and values of an earlier version's link in the address; today's name wins over it."""
    current = {name: st.query_params.get_all(name) for name in st.query_params}
    renamed = {name: values for name, values in current.items() if name not in EARLIER.get(page, {})}
    for earlier, name in EARLIER.get(page, {}).items():
        if earlier in current:
            renamed.setdefault(name, current[earlier])
    if renamed.keys() != current.keys():
        for name, value in EARLIER_DEFAULTS.get(page, {}).items():
            renamed.setdefault(name, [value])
    for name, values in renamed.items():
        words = EARLIER_VALUES.get((page, name), {})
        renamed[name] = [words.get(value, value) for value in values]
    if renamed != current:
        st.query_params.from_dict(renamed)


def open_page() -> str:
    """The page that this session shows, as `read_address` was told; "" before."""
    return str(st.session_state.get(_PAGE, ""))


def noun(name: str) -> str:
    """The noun for the values of a parameter in the error about their length."""
    return f"The part `{name}=` of this page's address"


def _length_error(name: str, values: Sequence[str]) -> str | None:
    """The error when the values of the parameter `name` are too long together; None when they are not."""
    try:
        limits.check_length(",".join(values), noun(name))
    except QueryError as error:
        return remedies.sentence(error)
    return None


def link_to(page: str, **choices: str) -> dict[str, Value]:
    """The parameters of a link to another page: all that was chosen there and on all pages; `choices` win."""
    remembered = _choices()
    keys = {name: _choice_key(page, name) for name in NAMES[page]}
    carried = {name: remembered[key] for name, key in keys.items() if key in remembered}
    return {name: value for name, value in carried.items() if sum(map(len, value)) <= MAX_LENGTH} | choices


def parameter(name: str) -> str | None:
    """The value of a parameter, the last of several; None where the address has none, or it is too long."""
    return next(reversed(parameters(name)), None)


def parameters(name: str) -> list[str]:
    """All values of a parameter; none where they are too long, of which `read_address` returns the error."""
    values = st.query_params.get_all(name)
    return [] if _length_error(name, values) else values


def write(**choices: str | Sequence[str] | None) -> None:
    """Write choices into the address; None removes one.

    Earlier choices on this page are written again: a second click may come from a browser that does not have the
    address after the first one yet. A choice that is too long keeps its old value, and the next run shows the error.
    """
    page, remembered = open_page(), _choices()
    for name in set(BY_BROWSER) & set(NAMES.get(page, ())) - set(choices):
        _remember(page, name, parameters(name))
    for name, value in choices.items():
        if value is not None and (error := _length_error(name, _as_list(value))):
            st.session_state.setdefault(_ERRORS, []).append(error)
        elif value is None:
            remembered.pop(_choice_key(page, name), None)
        else:
            remembered[_choice_key(page, name)] = value if isinstance(value, str) else list(value)
    names = dict.fromkeys((*NAMES.get(page, ()), *choices))
    chosen = {name: remembered[key] for name in names if (key := _choice_key(page, name)) in remembered}
    current = {name: st.query_params.get_all(name) for name in st.query_params}
    # In the order of the current address; parameters that are not this page's stay.
    new = {name: chosen.get(name, value) for name, value in current.items() if name in chosen or name not in names}
    new |= chosen
    if {name: _as_list(value) for name, value in new.items()} != current:
        st.query_params.from_dict(new)


def forget(page: str, *names: str) -> None:
    """Remove choices on `page` from the links to it; `write` removes them from the address."""
    for name in names:
        _choices().pop(_choice_key(page, name), None)


def _choices() -> dict[str, Value]:
    choices: dict[str, Value] = st.session_state.setdefault(_CHOICES, {})
    return choices


def _choice_key(page: str, name: str) -> str:
    return name if name in SHARED else f"{page} {name}"


def _as_list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


# --- arguments that bind a widget to the address ---------------------------------------------------------------------


class Binding(TypedDict):
    """The arguments that bind a widget to the address."""

    key: str
    on_change: Callable[[], None]


class NumberBinding(Binding):
    """The arguments that bind a field for a whole number; `value` only where the session has none."""

    min_value: int
    max_value: int
    value: NotRequired[int]


class FractionBinding(Binding):
    """The arguments that bind a slider for any number; `value` only where the session has none."""

    min_value: float
    max_value: float
    value: NotRequired[float]


def choice(name: str, where: str, options: Sequence[str], default: str) -> Binding:
    """Bind a widget for one of `options`; `where` distinguishes widgets of one parameter."""
    key, value = f"{where}_{name}", parameter(name)
    st.session_state[key] = value if value in options else default
    return _bound(name, key, str)


def number(name: str, least: int, most: int, default: int) -> NumberBinding:
    """Bind an input or a slider for a whole number."""
    value = parse_whole(parameter(name), least, most, default)
    on_change = _bound(name, name, _unless(default))["on_change"]
    bound: NumberBinding = {"key": name, "on_change": on_change, "min_value": least, "max_value": most}
    if not _is_set(name, value, least, most):
        bound["value"] = value
    return bound


def fraction(name: str, least: float, most: float, default: float) -> FractionBinding:
    """Bind a slider for any number."""
    value = parse_real(parameter(name), least, most, default)
    on_change = _bound(name, name, _unless(default))["on_change"]
    bound: FractionBinding = {"key": name, "on_change": on_change, "min_value": least, "max_value": most}
    if not _is_set(name, value, least, most):
        bound["value"] = value
    return bound


def switch(name: str) -> Binding:
    """Bind a toggle, off unless the address has "true"."""
    st.session_state[name] = (parameter(name) or "").lower() == "true"
    return _bound(name, name, lambda on: "true" if on else None)


def several(name: str, options: Sequence[str]) -> Binding:
    """Bind a widget for any of `options`, none by default: the parameter repeats for each."""
    known = {composed(option): option for option in options} | {option: option for option in options}
    found = (known.get(value, known.get(composed(value))) for value in parameters(name))
    st.session_state[name] = list(dict.fromkeys(value for value in found if value is not None))
    return _bound(name, name, lambda chosen: list(chosen) or None)


def text_field(name: str) -> Binding:
    """Bind a field of one line, empty by default."""
    st.session_state[name] = parameter(name) or ""
    return _bound(name, name, lambda text: text.strip() or None)


def _bound(name: str, key: str, encode: Callable[[Any], str | list[str] | None]) -> Binding:
    return {"key": key, "on_change": lambda: write(**{name: encode(st.session_state[key])})}


def _is_set(key: str, value: float, *bounds: float) -> bool:
    """Set the value of a number field or slider where it changes; whether it was set, or is the start value instead.

    A value that is set is sent to the browser, which drops what the user did meanwhile: a slider that is moved on while
    the page is drawn would jump back. So it is set only where the value or the bounds changed, or the widget was not
    drawn in the last run. Else it is the start value, for a browser that had removed the widget and shows it again: it
    would start at the least one, and report that as the user's choice.
    """
    bounds_key = f"bounds of {key}"
    if key not in st.session_state or st.session_state[key] != value or st.session_state.get(bounds_key) != bounds:
        st.session_state[key], st.session_state[bounds_key] = value, bounds
        return True
    return False


def _unless(default: float) -> Callable[[Any], str | None]:
    return lambda value: None if value is None or value == default else f"{value:.10g}"


# --- numbers in an address -------------------------------------------------------------------------------------------


def parse_whole(word: str | None, least: int, most: int, default: int) -> int:
    """The whole number in `word` if it is between `least` and `most`, else `default`."""
    is_number = word is not None and word.removeprefix("-").isdecimal() and len(word) < 10
    return int(word) if is_number and word is not None and least <= int(word) <= most else default


def parse_real(word: str | None, least: float, most: float, default: float) -> float:
    """The number in `word` if it is between `least` and `most`, else `default`."""
    try:
        value = float(word or "")
    except ValueError:
        return default
    return value if math.isfinite(value) and least <= value <= most else default
