"""No two functions of lib hold the same logic: their bodies differ in more than names and texts."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from lib.settings import PROJECT

# Nodes of the syntax tree from which on a body is worth sharing: some four lines.
LEAST_NODES = 30
# docs/decisions/017-what-stays-alike.md says why.
ALLOWED = {
    ("data/distortions.distortion", "search/metrics.metric"),
    ("view/url_state.fraction", "view/url_state.number"),
}


class _Normalised(ast.NodeTransformer):
    """Replaces local names by their order, and texts by one text."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def _name(self, name: str) -> str:
        return self.names.setdefault(name, f"name{len(self.names)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._name(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg, node.annotation = self._name(node.arg), None
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("text") if isinstance(node.value, str) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        self.generic_visit(node)
        node.annotation = ast.Name("type", ast.Load())
        return node


def alike(folder: Path) -> list[tuple[str, ...]]:
    """Groups of functions below `folder` whose bodies are the same but for names, texts and docstrings."""
    functions: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if sum(1 for statement in body for _ in ast.walk(statement)) >= LEAST_NODES:
                normalise = _Normalised()
                key = "\n".join(ast.dump(normalise.visit(statement)) for statement in body)
                functions[key].append(f"{path.relative_to(folder).with_suffix('').as_posix()}.{node.name}")
    return sorted(tuple(sorted(names)) for names in functions.values() if len(names) > 1)


def test_no_two_functions_hold_the_same_logic() -> None:
    assert set(alike(PROJECT / "lib")) == ALLOWED


def test_equal_bodies_are_seen_whatever_their_names(tmp_path: Path) -> None:
    body = (
        "    total = sum(each * 2 for each in {0} if each > 3)\n    return 'no {0}' if total else str(len({0}) + 1)\n"
    )
    (tmp_path / "one.py").write_text(f'def first(rows):\n    """Doc."""\n{body.format("rows")}')
    (tmp_path / "two.py").write_text(f"def second(photos: list):\n{body.format('photos')}")
    assert alike(tmp_path) == [("one.first", "two.second")]
    (tmp_path / "two.py").write_text(f"def second(photos: list):\n{body.format('photos')}".replace("> 3", "> 4"))
    assert alike(tmp_path) == []
