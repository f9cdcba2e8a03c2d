"""Nothing below the commands and the pages names an option, a page or a button: errors carry a remedy instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.settings import PROJECT
from lib.view import page_frame
from lib.view.training import embeddings

LIB = PROJECT / "lib"
SURFACES = ("commands", "view")
EXCEPTIONS = {
    "errors.py": "has the table of remedies in the words of the command line",
    "measure/reproduction.py": "writes command lines and code for the user to copy, like retrieval/reproduce.py",
    "retrieval/reproduce.py": "writes command lines and code for the user to copy: that is its result",
}
OPTION = r"(?<![\w-])--[a-z]"
COMMAND = r"python -m lib|\b(?:run|ran) (?:prepare|train|embed|doctor)\b"
WIDGET = r"\b(?:(?<!web )pages?|buttons?|press(?:es|ed)?|click(?:s|ed)?|tick(?:s|ed)?|sidebar|typed here)\b"
LABELS = [*(re.escape(label) for _, label, _ in page_frame.PAGES), re.escape(embeddings.CREATE)]
# Labels are told from common words by their capital letter: a page is Home, a folder is home.
SURFACE_WORD = re.compile("|".join([OPTION, COMMAND, f"(?i:{WIDGET})", *(rf"\b{label}\b" for label in LABELS)]))


def surface_words(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string in `source` that names an option, a command line, a page or a button.

    Strings that stand alone, as docstrings do, are for readers of the code.
    """
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in alone:
            continue
        if SURFACE_WORD.search(node.value):
            yield node.lineno, node.value


def modules() -> list[str]:
    paths = (path.relative_to(LIB) for path in sorted(LIB.rglob("*.py")))
    return [path.as_posix() for path in paths if path.parts[0] not in SURFACES and path.as_posix() not in EXCEPTIONS]


@pytest.mark.parametrize("module", modules())
def test_no_string_names_an_option_a_page_or_a_button(module: str) -> None:
    found = list(surface_words((LIB / module).read_text(encoding="utf-8")))
    assert not found, f"{module}: carry a Remedy instead, and let lib/errors.py and lib/view/remedies.py word it"


@pytest.mark.parametrize(
    "text",
    [
        "k is too large; use --k 5.",
        "run `python -m lib prepare`",
        "The gallery is damaged; run prepare again.",
        "stop it on the Training regimes page",
        "see Home",
        "Press Train again",
        "a button starts it",
        "check the token typed here",
        "choose Create embeddings",
        "look at the Embedding map",
    ],
)
@pytest.mark.parametrize("code", ["raise QueryError({})", "NOTE = {}", "def f(a={}): ...", "say(f'{{name}}: ' f{})"])
def test_a_planted_string_is_found(text: str, code: str) -> None:
    assert [found for _, found in surface_words(code.format(repr(text)))] in ([text], [f": {text}"])


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    '''What `--k` sets, on the Retrieval page.'''",
        "k: int\n'''The value of --k.'''",
        "# press the button\nraise QueryError('k must be at least 1.')",
        "x = 'a -- b', 'one--two', 'homepage', 'home', 'impressive', 'ticket', 'a web page'",
    ],
)
def test_docstrings_comments_and_other_words_are_let_through(code: str) -> None:
    assert list(surface_words(code)) == []


def test_the_exceptions_are_modules_that_need_it() -> None:
    for module in EXCEPTIONS:
        assert list(surface_words(Path(LIB, module).read_text(encoding="utf-8")))
