"""lib.view.formatting: text from outside shows as it is, numbers as the browser keeps them."""

from __future__ import annotations

import pytest

from lib.view import formatting


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rose", "rose"),
        ("*rose* [link](x)", r"\*rose\* \[link\]\(x\)"),
        ("run `make quick`, *now*", r"run `make quick`, \*now\*"),
        ("one ` alone", "one ' alone"),
        ("\x1b[31mred", r"�\[31mred"),
        ("<b>$x$</b>", r"\<b\>\$x\$\</b\>"),
    ],
)
def test_of_markdown_only_code_remains(text: str, shown: str) -> None:
    assert formatting.plain(text) == shown


def test_whole_numbers_that_a_browser_would_round_are_text() -> None:
    value = {"id": 2**60 + 1, "deep": [{"n": -(2**53) - 1}, 2**53, True, 0.5, None]}
    assert formatting.exact(value) == {"id": str(2**60 + 1), "deep": [{"n": str(-(2**53) - 1)}, 2**53, True, 0.5, None]}


def test_a_share_in_percent_is_rounded_and_no_share_stays_none() -> None:
    assert formatting.percent(1 / 3) == 33.3333
    assert formatting.percent(0.125, 0) == 12
    assert formatting.percent(None) is None
