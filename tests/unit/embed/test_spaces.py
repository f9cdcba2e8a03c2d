"""lib.embed.spaces: names, aliases, and what a fingerprint depends on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lib.embed import spaces
from lib.errors import QueryError
from lib.learn import backbone
from lib.learn.backbone import Weights
from lib.learn.preprocess import Preprocess

WEIGHTS = Weights(
    name="mine.pth", sha256="ab" * 32, preprocess=Preprocess(resize=(256,), crop=224), path=Path("/x"), about="mine"
)


def test_the_untrained_spaces_are_as_the_design_says() -> None:
    pixels, resnet18 = spaces.get("pixels"), spaces.get("resnet18")
    assert (pixels.dim, pixels.dtype, pixels.needs_weights, pixels.in_milvus) == (49_152, "uint8", False, False)
    assert (resnet18.dim, resnet18.dtype, resnet18.needs_weights, resnet18.in_milvus) == (512, "float32", True, True)


@pytest.mark.parametrize("name", ["scratch", "finetune", "init"])
def test_a_trained_networks_space_is_like_that_of_the_backbone(name: str) -> None:
    space = spaces.get(name)
    assert (space.name, space.regime) == (name, name)
    assert (space.dim, space.dtype, space.needs_weights, space.in_milvus) == (512, "float32", True, True)
    assert spaces.fingerprint(space, "data", WEIGHTS) != spaces.fingerprint(spaces.get("resnet18"), "data", WEIGHTS)


def test_only_what_needs_no_training_is_made_unasked() -> None:
    assert spaces.DEFAULTS == ("pixels", "resnet18")


def test_transfer_is_another_name_of_resnet18() -> None:
    assert spaces.get("transfer") is spaces.get("resnet18")


@pytest.mark.parametrize("name", ["", "RESNET18", "pixel", "resnet18\n"])
def test_an_unknown_space_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(QueryError, match=re.escape(spaces.unknown_space(name))) as caught:
        spaces.get(name)
    assert str(caught.value).endswith(f"choose one of {', '.join(spaces.SPACES)}, transfer.")
    assert "\n" not in str(caught.value)


def test_a_fingerprint_changes_with_every_input() -> None:
    resnet18 = spaces.get("resnet18")
    plain = spaces.fingerprint(resnet18, "data", WEIGHTS)
    others = [
        spaces.fingerprint(resnet18, "other data", WEIGHTS),
        spaces.fingerprint(resnet18, "data", replace(WEIGHTS, sha256="cd" * 32)),
        spaces.fingerprint(resnet18, "data", replace(WEIGHTS, preprocess=Preprocess(resize=(256,), crop=128))),
        spaces.fingerprint(resnet18, "data", replace(WEIGHTS, preprocess=Preprocess((256,), 224, mean=(0, 0, 0)))),
        spaces.fingerprint(spaces.get("pixels"), "data", None),
    ]
    assert len({plain, *others}) == 1 + len(others)


def test_a_fingerprint_ignores_where_weights_lie_and_what_they_are_called() -> None:
    elsewhere = replace(WEIGHTS, name="copy.pth", path=Path("/y"), about="a copy")
    resnet18 = spaces.get("resnet18")
    assert spaces.fingerprint(resnet18, "data", WEIGHTS) == spaces.fingerprint(resnet18, "data", elsewhere)


@pytest.mark.parametrize("weights", [None, WEIGHTS, backbone.random(), backbone.bundled()])
def test_provenance_is_the_same_after_it_was_written_down(weights: Weights | None) -> None:
    # Vectors are reused when this equals what is stored, so a tuple that comes back as a list would cost everything.
    provenance = spaces.provenance(spaces.get("resnet18"), weights)
    assert json.loads(json.dumps(provenance)) == provenance
    if weights is not None:
        assert json.loads(json.dumps(weights.record())) == weights.record()
