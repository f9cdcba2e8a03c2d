"""Milvus filter expressions: built from conditions with all quoting done, and their errors put at their place.

Literals are escaped here and nowhere else: templates (`{p}`) fail on Lite and on servers before 2.5.
Grammar: https://milvus.io/docs/boolean.md. What each engine takes is pinned by tests/unit/store/test_filters.py and
test_server.py beside it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lib.errors import QueryError
from lib.store import collections, errors
from lib.store.connection import Store

_WHOLE: Final = frozenset({"INT8", "INT16", "INT32", "INT64"})
_NUMBERS: Final = _WHOLE | {"FLOAT", "DOUBLE"}
_COMPARE: Final = ("==", "!=", ">", ">=", "<", "<=")
_TEXT: Final = ("==", "!=", "in", "not in", "starts with", "ends with", "contains")
_ARRAY: Final = ("contains", "contains any of", "contains all of", "length ==")
_NULLS: Final = ("is null", "is not null")
# Words of an expression that are no field names.
_WORDS: Final = frozenset(
    {
        "and",
        "or",
        "not",
        "in",
        "like",
        "is",
        "null",
        "exists",
        "true",
        "false",
        "json_contains",
        "json_contains_all",
        "json_contains_any",
        "array_contains",
        "array_contains_all",
        "array_contains_any",
        "array_length",
        "text_match",
        "phrase_match",
        "st_within",
    }
)
# A string that is not closed goes to the end: were it skipped, each later quote would look for its end once more.
_NAME: Final = re.compile(r'"(?:\\.|[^"\\])*"?|\'(?:\\.|[^\'\\])*\'?|(?<![\w.$])([A-Za-z_]\w*)', re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """One line of the builder. `key` is the key inside a JSON or dynamic field, where there is one (`a` or `a/b`)."""

    field: str
    operator: str
    value: str = ""
    key: str = ""


@dataclass(frozen=True)
class FilterProblem:
    """What an engine says against an expression; `column` counts from 0, None where it does not say."""

    column: int | None
    words: str

    def drawn(self, expression: str) -> str:
        """The expression with a mark under the place, as text for a fixed-width font."""
        line = " ".join(expression.split()) if "\n" in expression else expression
        if self.column is None:
            return f"{line}\n{self.words}"
        return f"{line}\n{' ' * min(self.column, len(line))}^ {self.words}"


def operators(kind: str, *, nullable: bool = False) -> tuple[str, ...]:
    """What can be asked of a field of this type; none of vectors."""
    if "VECTOR" in kind:
        return ()
    found: tuple[str, ...] = _TEXT
    if kind in _NUMBERS:
        found = (*_COMPARE, "in", "not in")
    elif kind == "BOOL":
        found = ("is true", "is false")
    elif kind == "ARRAY":
        found = _ARRAY
    elif kind == "JSON":
        found = (*_COMPARE, "in", "contains", "exists")
    return (*found, *_NULLS) if nullable else found


def expression(
    conditions: Sequence[Condition], fields: Sequence[Mapping[str, Any]], store: Store | None = None, *, joined: str
) -> str:
    """All conditions as one expression, `joined` by `and` or `or`. `fields` as in `inspect`; a field that is not among
    them is a dynamic one. Raises QueryError for a value that does not fit its field."""
    known = {field["name"]: field for field in fields}
    parts = [_condition(condition, known.get(condition.field), _wildcards(store)) for condition in conditions]
    return parts[0] if len(parts) == 1 else f" {joined} ".join(f"({part})" for part in parts)


def escape(text: object) -> str:
    """`text` as it must stand between double quotes in an expression."""
    out = str(text)
    for raw, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        out = out.replace(raw, written)
    return out


def quoted(text: object) -> str:
    """`text` as a literal of an expression."""
    return f'"{escape(text)}"'


def key_literal(field: Mapping[str, Any], key: str | int) -> str:
    """A primary key as a literal. Raises QueryError for words where keys are numbers."""
    return literal(str(key), str(field["type"]), str(field["name"]))


def literal(value: str, kind: str, name: str) -> str:
    """What a user typed for field `name`, as a literal of its type; JSON and dynamic values say themselves what they
    are (numbers, true, false, anything else is text)."""
    text = value.strip()
    if kind in _WHOLE:
        if not re.fullmatch(r"[+-]?\d{1,19}", text):
            raise QueryError(f"{name} holds whole numbers; {value[:40]!r} is none.")
        return str(int(text))
    if kind in _NUMBERS:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not math.isfinite(number):
            raise QueryError(f"{name} holds numbers; {value[:40]!r} is none.")
        return repr(number)
    if kind in {"JSON", ""}:
        if text in {"true", "false"} or re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text):
            return text
        return quoted(text.removeprefix('"').removesuffix('"') if text[:1] == text[-1:] == '"' else value)
    return quoted(value)


def values(text: str) -> list[str]:
    """Several values typed with commas between them; a JSON list keeps commas inside a value."""
    if text.strip().startswith("["):
        try:
            found = json.loads(text)
            return [item if isinstance(item, str) else json.dumps(item) for item in found]
        except (ValueError, RecursionError) as error:  # RecursionError: thousands of brackets inside each other
            raise QueryError("This is no JSON list: close its quotes and brackets.") from error
    return [part.strip() for part in text.split(",") if part.strip()]


def _wildcards(store: Store | None) -> bool:
    """Whether `like` knows an escape for its wildcards: Lite and servers since 2.4 do."""
    if store is None or store.engine == "lite":
        return True
    return collections.version(store) >= (2, 4)


def _condition(condition: Condition, field: Mapping[str, Any] | None, wildcards: bool) -> str:
    kind = "" if field is None else str(field["type"])
    name = _place(condition, kind)
    simple = {
        "is null": f"{name} is null",
        "is not null": f"{name} is not null",
        "exists": f"exists {name}",
        "is true": f"{name} == true",
        "is false": f"{name} == false",
    }
    if condition.operator in simple:
        return simple[condition.operator]
    if kind == "ARRAY":
        return _of_array(name, condition, str((field or {}).get("element_type") or ""))
    if condition.operator in {"in", "not in"}:
        found = [literal(value, kind, condition.field) for value in values(condition.value)]
        if not found:
            raise QueryError(f"Type one or more values for {condition.field}, with commas between them.")
        return f"{name} {condition.operator} [{', '.join(found)}]"
    if condition.operator == "contains" and kind in {"JSON", ""}:
        return f"json_contains({name}, {literal(condition.value, kind, condition.field)})"
    if condition.operator in {"starts with", "ends with", "contains"}:
        return f"{name} like {quoted(_pattern(condition, wildcards))}"
    return f"{name} {condition.operator} {literal(condition.value, kind, condition.field)}"


def _place(condition: Condition, kind: str) -> str:
    """The field, or the place inside it, as an expression names it."""
    path = "".join(f"[{quoted(part)}]" for part in condition.key.split("/") if part)
    if not kind:
        return f"$meta[{quoted(condition.field)}]{path}"
    if kind == "JSON" and not path:
        raise QueryError(f"Name the key inside {condition.field} that you ask for.")
    return condition.field + path if kind == "JSON" else condition.field


def _pattern(condition: Condition, wildcards: bool) -> str:
    part = condition.value
    for wild in ("\\", "%", "_") if wildcards else ():
        part = part.replace(wild, f"\\{wild}")
    before = "" if condition.operator == "starts with" else "%"
    return before + part + ("" if condition.operator == "ends with" else "%")


def _of_array(name: str, condition: Condition, element: str) -> str:
    if condition.operator == "length ==":
        return f"array_length({name}) == {literal(condition.value, 'INT64', f'the length of {name}')}"
    if condition.operator == "contains":
        return f"array_contains({name}, {literal(condition.value, element, name)})"
    found = ", ".join(literal(value, element, name) for value in values(condition.value))
    call = "array_contains_any" if condition.operator == "contains any of" else "array_contains_all"
    return f"{call}({name}, [{found}])"


def unknown_names(text: str, fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names in an expression that no field has: with dynamic fields, an engine takes them for a key and finds none."""
    known = {str(field["name"]) for field in fields}
    found = [match[1] for match in _NAME.finditer(text) if match[1]]
    return [name for name in dict.fromkeys(found) if name not in known and name.lower() not in _WORDS]


def filter_problem(store: Store, error: BaseException, expression: str) -> FilterProblem | None:
    """What the engine has against `expression`, if `error` is about that; None when it is about something else."""
    whole = errors.message(error)
    column = errors.position(whole)
    words = store.reason(error.__cause__ or error)
    about = "cannot parse expression" in whole or "predicate is not" in whole
    if column is None and not about:
        return None
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    hint = lines[-1].rstrip(")>") if len(lines) > 1 and "^" not in lines[-1] else ""
    words = re.sub(r"^cannot parse expression: .*?, error: (line 1:\d+ )?", "", words)
    words = re.sub(r" expecting \{.*", "", re.sub(r" at column \d+$", "", words))
    return FilterProblem(column, f"{words}; {hint}" if hint and hint != words else words)
