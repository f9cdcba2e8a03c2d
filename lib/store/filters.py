"""Milvus filter expressions: built from conditions, with all quoting, and their syntax errors located.

Literals are escaped here and nowhere else: templates (`{p}`) fail on Lite and on servers before 2.5.
Grammar: https://milvus.io/docs/boolean.md. Which expressions each engine accepts is pinned by
tests/unit/store/test_filters.py and test_server.py beside it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lib.documents.inspect import FieldDocument
from lib.errors import QueryError
from lib.store import errors
from lib.store.connection import Store

BROKEN_LIST: Final = "This is not a JSON list: close its quotes and brackets."
_WHOLE: Final = frozenset({"INT8", "INT16", "INT32", "INT64"})
_NUMBERS: Final = _WHOLE | {"FLOAT", "DOUBLE"}
_COMPARE: Final = ("==", "!=", ">", ">=", "<", "<=")
_TEXT: Final = ("==", "!=", "in", "not in", "starts with", "ends with", "contains")
_ARRAY: Final = ("contains", "contains any of", "contains all of", "length ==")
_NULLS: Final = ("is null", "is not null")
# Words of an expression that are not field names.
_KEYWORDS: Final = frozenset(
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
# An unclosed string extends to the end: if it were skipped, each later quote would search for its end once more.
_NAME: Final = re.compile(r'"(?:\\.|[^"\\])*"?|\'(?:\\.|[^\'\\])*\'?|(?<![\w.$])([A-Za-z_]\w*)', re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """One line of the builder. `key` is the key inside a JSON or dynamic field, if any (`a` or `a/b`)."""

    field: str
    operator: str
    value: str = ""
    key: str = ""


@dataclass(frozen=True)
class FilterProblem:
    """An engine's objection to an expression; `column` counts from 0, None if the engine names none."""

    column: int | None
    objection: str

    def with_marker(self, expression: str) -> str:
        """The expression with a mark under the column, as text for a fixed-width font."""
        line = " ".join(expression.split()) if "\n" in expression else expression
        if self.column is None:
            return f"{line}\n{self.objection}"
        return f"{line}\n{' ' * min(self.column, len(line))}^ {self.objection}"


def operators(kind: str, *, nullable: bool = False) -> tuple[str, ...]:
    """The operators for a field of this type; none for vectors."""
    if "VECTOR" in kind:
        return ()
    result: tuple[str, ...] = _TEXT
    if kind in _NUMBERS:
        result = (*_COMPARE, "in", "not in")
    elif kind == "BOOL":
        result = ("is true", "is false")
    elif kind == "ARRAY":
        result = _ARRAY
    elif kind == "JSON":
        result = (*_COMPARE, "in", "contains", "exists")
    return (*result, *_NULLS) if nullable else result


def expression(
    conditions: Sequence[Condition], fields: Sequence[FieldDocument], store: Store | None = None, *, joined: str
) -> str:
    """All conditions as one expression, `joined` by `and` or `or`. `fields` as in `inspect`; a field that is not among
    them is dynamic. Raises QueryError for a value that does not fit its field."""
    fields_by_name = {field["name"]: field for field in fields}
    escapes = _escapes_wildcards(store)
    parts = [_condition(condition, fields_by_name.get(condition.field), escapes) for condition in conditions]
    return parts[0] if len(parts) == 1 else f" {joined} ".join(f"({part})" for part in parts)


def escape(text: object) -> str:
    """`text` escaped for double quotes in an expression."""
    result = str(text)
    for raw, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        result = result.replace(raw, escaped)
    return result


def quoted(text: object) -> str:
    """`text` as a literal of an expression."""
    return f'"{escape(text)}"'


def key_literal(name: str, kind: str, key: str | int) -> str:
    """A key of primary field `name` as a literal of the field's type. Raises QueryError for text where keys are
    numbers."""
    return literal(str(key), kind, name)


def literal(value: str, kind: str, name: str) -> str:
    """A typed value for field `name`, as a literal of the field's type. JSON and dynamic values have no type of their
    own: numbers, true and false are themselves, and anything else is text. Raises QueryError if it does not fit."""
    text = value.strip()
    if kind in _WHOLE:
        if not re.fullmatch(r"[+-]?\d{1,19}", text):
            raise QueryError(f"{name} holds whole numbers, and {value[:40]!r} is not one.")
        return str(int(text))
    if kind in _NUMBERS:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not math.isfinite(number):
            raise QueryError(f"{name} holds numbers, and {value[:40]!r} is not one.")
        return repr(number)
    if kind in {"JSON", ""}:
        if text in {"true", "false"} or re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text):
            return text
        return quoted(text.removeprefix('"').removesuffix('"') if text[:1] == text[-1:] == '"' else value)
    return quoted(value)


def parse_values(text: str) -> list[str]:
    """Values typed with commas between them; a JSON list allows commas inside a value. Raises QueryError for a broken
    list."""
    if text.strip().startswith("["):
        try:
            items = json.loads(text)
            return [item if isinstance(item, str) else json.dumps(item) for item in items]
        except (ValueError, RecursionError) as error:  # RecursionError: thousands of nested brackets
            raise QueryError(BROKEN_LIST) from error
    return [part.strip() for part in text.split(",") if part.strip()]


def _escapes_wildcards(store: Store | None) -> bool:
    """Whether wildcards of `like` can be escaped: on Lite and on servers since 2.4."""
    return store is None or store.engine == "lite" or store.version_info >= (2, 4)


def _condition(condition: Condition, field: FieldDocument | None, escapes: bool) -> str:
    kind = "" if field is None else field["type"]
    name = _accessor(condition, kind)
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
        element = "" if field is None else field.get("element_type", "")
        return _array_condition(name, condition, element)
    if condition.operator in {"in", "not in"}:
        literals = [literal(value, kind, condition.field) for value in parse_values(condition.value)]
        if not literals:
            raise QueryError(f"Type one or more values for {condition.field}, with commas between them.")
        return f"{name} {condition.operator} [{', '.join(literals)}]"
    if condition.operator == "contains" and kind in {"JSON", ""}:
        return f"json_contains({name}, {literal(condition.value, kind, condition.field)})"
    if condition.operator in {"starts with", "ends with", "contains"}:
        return f"{name} like {quoted(_pattern(condition, escapes))}"
    return f"{name} {condition.operator} {literal(condition.value, kind, condition.field)}"


def _accessor(condition: Condition, kind: str) -> str:
    """The field, or the key inside it, as an expression names it."""
    path = "".join(f"[{quoted(part)}]" for part in condition.key.split("/") if part)
    if not kind:
        return f"$meta[{quoted(condition.field)}]{path}"
    if kind == "JSON" and not path:
        raise QueryError(f"Name the key inside {condition.field} to filter by.")
    return condition.field + path if kind == "JSON" else condition.field


def _pattern(condition: Condition, escapes: bool) -> str:
    """The pattern of `like` for a condition on a part of a text."""
    text = condition.value
    for wildcard in ("\\", "%", "_") if escapes else ():
        text = text.replace(wildcard, f"\\{wildcard}")
    before = "" if condition.operator == "starts with" else "%"
    return before + text + ("" if condition.operator == "ends with" else "%")


def _array_condition(name: str, condition: Condition, element: str) -> str:
    if condition.operator == "length ==":
        return f"array_length({name}) == {literal(condition.value, 'INT64', f'the length of {name}')}"
    if condition.operator == "contains":
        return f"array_contains({name}, {literal(condition.value, element, name)})"
    literals = ", ".join(literal(value, element, name) for value in parse_values(condition.value))
    call = "array_contains_any" if condition.operator == "contains any of" else "array_contains_all"
    return f"{call}({name}, [{literals}])"


def unknown_names(text: str, fields: Sequence[FieldDocument]) -> list[str]:
    """Names in an expression that are not fields. With dynamic fields, an engine reads them as keys that no row has."""
    field_names = {field["name"] for field in fields}
    names = [match[1] for match in _NAME.finditer(text) if match[1]]
    return [name for name in dict.fromkeys(names) if name not in field_names and name.lower() not in _KEYWORDS]


def filter_problem(store: Store, error: BaseException, expression: str) -> FilterProblem | None:
    """The engine's objection to `expression`; None if `error` has another cause."""
    message = errors.full_message(error)
    column = errors.error_column(message)
    if column is None and "cannot parse expression" not in message and "predicate is not" not in message:
        return None
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    hint = lines[-1].rstrip(")>") if len(lines) > 1 and "^" not in lines[-1] else ""
    objection = store.reason(error.__cause__ or error)
    objection = re.sub(r"^cannot parse expression: .*?, error: (line 1:\d+ )?", "", objection)
    objection = re.sub(r" expecting \{.*", "", re.sub(r" at column \d+$", "", objection))
    return FilterProblem(column, f"{objection}; {hint}" if hint and hint != objection else objection)
