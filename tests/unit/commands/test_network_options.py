"""lib.commands.network_options: which weights `--weights` names, and for which network."""

from __future__ import annotations

import pytest

from lib.commands.network_options import weights_choice
from lib.commands.options import parser
from lib.errors import QueryError
from lib.settings import Settings


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ([], (None, ())),
        (["--weights", "random"], ("random", ())),
        (["--weights", "resnet18=a.pth"], ("a.pth", ())),
        (["--weights", "folder/a=b.pth"], ("folder/a=b.pth", ())),
        (["--weights", "a=b", "--weights", "c.pth"], QueryError),
        (["--weights", "vgg16=random", "--weights", "bundled"], ("bundled", (("vgg16", "random"),))),
        (["--weights", "vgg16=a.pth", "--weights", "vgg16=b=c.pth"], (None, (("vgg16", "b=c.pth"),))),
    ],
)
def test_weights_are_those_of_the_named_network(words: list[str], chosen: object) -> None:
    options = parser().parse_args(["prepare", *words])
    if chosen is QueryError:
        with pytest.raises(QueryError, match="no network called 'a'"):
            weights_choice(options)
        return
    assert weights_choice(options) == chosen


def test_settings_hand_the_weights_to_another_process() -> None:
    settings = Settings(weights="bundled", network_weights=(("vgg16", "random"),))
    words = settings.options()
    again = weights_choice(parser().parse_args(["prepare", *words]))
    assert again == ("bundled", (("vgg16", "random"),))
    assert settings.weights_of("resnet18") == "bundled"
    assert settings.weights_of("vgg16") == "random"
    assert settings.weights_of("alexnet") is None
