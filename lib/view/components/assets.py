"""JavaScript and CSS of our own Streamlit components: `X.js` and `X.css` beside `X.py`, joined into one script each.

Streamlit takes the JavaScript of a component as one string. The files are plain ES modules nevertheless, so that they
can be linted, and their pure parts tested by `node --test`. Each imported module becomes a function of its own that
returns what it exports, so equal names in two files do not meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.{1,2}/[^"]+\.js)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|let|class|function) (\w+))", re.MULTILINE)
_IMPORT_OR_EXPORT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_DEFAULT = "export default function "


def bundle(entry: Path) -> str:
    """The module `entry` and all modules that it imports, as one ES module that exports `entry`'s default.

    Raises ValueError for a circle of imports, and for forms of `import` and `export` other than these: named imports
    of a file beside the module, `export` before const, let, class or function, and one default function in `entry`.
    """
    bundled = _Bundle()
    bundled.add(entry.resolve(), ())
    return "".join(bundled.parts)


def styles(entry: Path) -> str | None:
    """The CSS files beside the modules that `entry` imports, then that of `entry`; None where there are none."""
    bundled = _Bundle()
    bundled.add(entry.resolve(), ())  # a module is named after all that it imports
    files = [path.with_suffix(".css") for path in bundled.names]
    return "".join(file.read_text(encoding="utf-8") for file in files if file.exists()) or None


class _Bundle:
    """Modules joined so far: their `parts` of the script, and the names of the constants that hold their exports."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.names: dict[Path, str] = {}

    def add(self, path: Path, importers: tuple[Path, ...]) -> str:
        """Join the module at `path`, once and after all that it imports; returns the name of its constant."""
        if path in importers:
            raise ValueError(f"{path.name} imports itself: {' → '.join(each.name for each in (*importers, path))}")
        if path in self.names:
            return self.names[path]

        def imported(match: re.Match[str]) -> str:
            names, target = match.groups()
            return f"const {names} = {self.add((path.parent / target).resolve(), (*importers, path))};"

        source = _IMPORT.sub(imported, path.read_text(encoding="utf-8"))
        exports = _EXPORT.findall(source) if importers else []
        body = _EXPORT.sub("", source) if importers else source
        for line in _IMPORT_OR_EXPORT.findall(body):
            if importers or not line.startswith(_DEFAULT):
                raise ValueError(f"{path.name}: this form cannot be joined: {line}")
        self.names[path] = f"module{len(self.names)}"
        if importers:
            body = f"const {self.names[path]} = (() => {{\n{body}return {{ {', '.join(exports)} }};\n}})();\n"
        self.parts.append(body)
        return self.names[path]


def on_event(key: str, event: str, callback: Callable[[str], None]) -> Callable[[], None]:
    """A callback of the component `key`: passes the id that `event` has triggered, unless it is None."""

    def forward() -> None:
        value = st.session_state[key][event]
        if value is not None:
            callback(str(value))

    return forward


def nothing() -> None:
    """The callback of an event that the page reads from what the component returns (`triggered`)."""


def triggered(result: Any, event: str) -> str | None:
    """The id that `event` of a component has triggered in this run, else None; the browser may have sent anything."""
    value = getattr(result, event, None)
    return None if value is None else str(value)


@st.cache_resource
def component(stem: str) -> Any:
    """The component whose files are called `stem`, registered as `petalscope_<stem>`.

    Once per process: a second registration under the same name makes Streamlit warn.
    """
    return st.components.v2.component(
        f"petalscope_{stem}",
        js=bundle(FOLDER / f"{stem}.js"),
        css=styles(FOLDER / f"{stem}.js"),
    )
