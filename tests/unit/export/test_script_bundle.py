"""lib.export.script_bundle: ES modules joined into the one script that Streamlit takes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lib.export import script_bundle

COMPONENTS = (
    "crop_box",
    "figure_files",
    "gallery",
    "histograms",
    "hover_photo",
    "map_page",
    "paste_field",
    "plotly_clicks",
    "rank_lines",
    "scatter",
)
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine: apt-get install nodejs")


def _write(folder: Path, **modules: str) -> Path:
    for name, source in modules.items():
        (folder / f"{name}.js").write_text(source, encoding="utf-8")
    return folder / "main.js"


def _default_of(script: str, folder: Path) -> str:
    """What the default function of a script returns, run by node."""
    (folder / "joined.mjs").write_text(script, encoding="utf-8")
    (folder / "run.mjs").write_text('import main from "./joined.mjs";\nconsole.log(main());\n', encoding="utf-8")
    return subprocess.run(["node", "run.mjs"], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@needs_node
def test_a_joined_script_does_what_its_modules_do(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    entry = _write(
        tmp_path,
        main='import { twice } from "./parts/double.js";\nimport {\n  START,\n  Counter,\n} from "./start.js";\n'
        "const secret = 1;\nexport default function main() {\n  return twice(START) + secret + new Counter().n;\n}\n",
        start="const secret = 3;\nexport const START = 20 + secret;\nexport class Counter {\n  n = 100;\n}\n",
    )
    _write(
        tmp_path / "parts",
        double='import { START } from "../start.js";\nconst secret = START - 21;\n'
        "export function twice(value) {\n  return secret * value;\n}\n",
    )
    assert _default_of(script_bundle.bundle(entry), tmp_path) == str(2 * 23 + 1 + 100)


def test_a_module_is_joined_once_and_before_those_that_import_it(tmp_path: Path) -> None:
    entry = _write(
        tmp_path,
        main='import { a } from "./a.js";\nimport { b } from "./b.js";\nexport default function main() {}\n',
        a='import { c } from "./c.js";\nexport const a = c;\n',
        b='import { c } from "./c.js";\nexport const b = c;\n',
        c="export const c = 1; // shared\n",
    )
    script = script_bundle.bundle(entry)
    assert script.count("// shared") == 1
    assert script.index("// shared") < script.index("const a = c") < script.index("const b = c")
    assert [line for line in script.splitlines() if line.startswith(("import", "export"))] == [
        "export default function main() {}"
    ]


@pytest.mark.parametrize(
    "line",
    [
        'import * as a from "./a.js";',
        'import { a } from "elsewhere";',
        "export { a };",
        "export default 5;",
        "export const a = 1;",
    ],
)
def test_a_form_that_cannot_be_joined_is_refused(tmp_path: Path, line: str) -> None:
    entry = _write(tmp_path, main=f"{line}\nexport default function main() {{}}\n", a="export const a = 1;\n")
    with pytest.raises(ValueError, match="cannot be joined"):
        script_bundle.bundle(entry)


def test_an_imported_default_is_refused(tmp_path: Path) -> None:
    entry = _write(
        tmp_path,
        main='import { a } from "./a.js";\nexport default function main() {}\n',
        a="export default function a() {}\n",
    )
    with pytest.raises(ValueError, match="cannot be joined"):
        script_bundle.bundle(entry)


def test_a_circle_of_imports_is_named(tmp_path: Path) -> None:
    entry = _write(
        tmp_path,
        main='import { a } from "./a.js";\nexport default function main() {}\n',
        a='import { b } from "./b.js";\nexport const a = 1;\n',
        b='import { a } from "./a.js";\nexport const b = 1;\n',
    )
    with pytest.raises(ValueError, match=r"main\.js → a\.js → b\.js → a\.js"):
        script_bundle.bundle(entry)


@needs_node
@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_is_a_script_with_one_default_function(tmp_path: Path, name: str) -> None:
    script = script_bundle.bundle(script_bundle.FOLDER / f"{name}.js")
    # Loading it runs everything but the component itself.
    (tmp_path / "joined.mjs").write_text(script, encoding="utf-8")
    (tmp_path / "run.mjs").write_text('import main from "./joined.mjs";\nconsole.log(typeof main);\n')
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "function"), done.stderr


def test_no_script_or_style_is_a_string_in_python_or_too_long() -> None:
    for file in script_bundle.FOLDER.rglob("*.js"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 350, file
    for file in script_bundle.FOLDER.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "export default" not in text and "display: grid" not in text, file


def test_styles_come_with_the_modules_that_need_them(tmp_path: Path) -> None:
    (tmp_path / "entry.js").write_text(
        'import { part } from "./part.js";\nexport default function entry() {\n  part();\n}\n'
    )
    (tmp_path / "part.js").write_text("export function part() {}\n")
    assert script_bundle.styles(tmp_path / "entry.js") is None
    (tmp_path / "entry.css").write_text("a { color: red; }\n")
    (tmp_path / "part.css").write_text("b { color: blue; }\n")
    assert script_bundle.styles(tmp_path / "entry.js") == "b { color: blue; }\na { color: red; }\n"


@needs_node
def test_bundles_joined_as_expressions_do_not_meet(tmp_path: Path) -> None:
    entries = []
    for name in ("one", "two"):
        (tmp_path / f"{name}_value.js").write_text(f"export const value = '{name}';\n")
        source = f'import {{ value }} from "./{name}_value.js";\nexport default function f() {{\n  return value;\n}}\n'
        entries.append(tmp_path / f"{name}.js")
        entries[-1].write_text(source)
    calls = ", ".join(f"({script_bundle.expression(entry)})()" for entry in entries)
    assert _default_of(f"export default () => [{calls}].join();\n", tmp_path) == "one,two"


def test_a_bundle_without_a_default_function_is_no_expression(tmp_path: Path) -> None:
    entry = _write(tmp_path, main="const a = 1;\n")
    with pytest.raises(ValueError, match="exports no default function"):
        script_bundle.expression(entry)
