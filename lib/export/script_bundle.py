"""JavaScript and CSS of our own components: `X.js` and `X.css` in `lib/view/components`, joined into one script each.

The files are plain ES modules, so that they can be linted, and their pure parts tested by `node --test`. Where a
script must be one text (a Streamlit component, a web document that stands alone), each imported module becomes a
function of its own that returns what it exports, so equal names in two files do not meet.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "view" / "components"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.{1,2}/[^"]+\.js)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|let|class|function|async function) (\w+))", re.MULTILINE)
_IMPORT_OR_EXPORT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_DEFAULT = "export default function "


def bundle(entry: Path) -> str:
    """The module `entry` and all modules that it imports, as one ES module that exports `entry`'s default.

    Raises ValueError for a circle of imports, and for forms of `import` and `export` other than these: named imports
    of a file beside the module, `export` before const, let, class or (async) function, one default function in `entry`.
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


def expression(entry: Path) -> str:
    """`bundle(entry)` as a JavaScript expression whose value is `entry`'s default function, for a script that joins
    several bundles: none sees the names of another."""
    script = bundle(entry)
    found = re.search(r"^export default function (\w+)", script, re.MULTILINE)
    if found is None:
        raise ValueError(f"{entry.name} exports no default function")
    body = script.replace(f"{_DEFAULT}{found[1]}", f"function {found[1]}", 1)
    return f"(() => {{\n{body}\nreturn {found[1]};\n}})()"


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
