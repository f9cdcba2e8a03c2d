"""lib.learn.recipes: every regime's hyperparameters, and what may be asked for instead."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from lib.errors import QueryError
from lib.learn.recipes import PRESETS, Recipe, recipe
from lib.learn.regimes import REGIMES

ALL = [(regime, preset) for regime in REGIMES for preset in PRESETS]


@pytest.mark.parametrize(("regime", "preset"), ALL)
def test_every_recipe_holds_together(regime: str, preset: str) -> None:
    created = recipe(regime, preset)
    assert created.epochs >= 1
    assert 2 <= created.micro_batch <= created.batch_size
    assert created.image_size is None or created.image_size >= 32
    assert 0 < created.first_size <= created.last_size <= 1
    assert 0 < created.growth <= 1
    assert created.optimizer in {"sgd", "adamw"}
    assert 0 < created.lr < 1
    assert 0 <= created.warmup < 1
    assert 0 <= created.weight_decay < 1
    assert 0 < created.layer_decay <= 1
    assert 0 <= created.label_smoothing < 1
    assert 0 < created.crop <= 1
    assert created.policy in {"trivial", "light", "none"}
    assert min(created.mixup, created.cutmix, created.unmixed) >= 0
    assert 0 <= created.ema < 1
    assert created.views == 1 or regime == "transfer"
    assert not created.zero_init_residual or regime == "scratch"  # it would throw pretrained norms away


@pytest.mark.parametrize(("regime", "preset"), ALL)
def test_a_recipe_goes_into_a_record_whole(regime: str, preset: str) -> None:
    created = recipe(regime, preset)
    written = json.loads(json.dumps(created.as_dict(), allow_nan=False))
    assert set(written) == {field.name for field in fields(Recipe)}
    assert Recipe(**written) == created


@pytest.mark.parametrize("regime", REGIMES)
def test_full_is_the_default_and_takes_the_published_batch(regime: str) -> None:
    assert recipe(regime) == recipe(regime, "full")
    assert recipe(regime).batch_size == 256
    assert recipe(regime).image_size is None  # the weights' own


@pytest.mark.parametrize("regime", REGIMES)
def test_quick_is_smaller(regime: str) -> None:
    quick, full = recipe(regime, "quick"), recipe(regime)
    assert quick.epochs < full.epochs
    assert (quick.image_size or 0) < 128


def test_what_is_named_replaces_and_none_does_not() -> None:
    plain = recipe("init")
    changed = recipe("init", "full", epochs=7, batch_size=None, image_size=96, probe=False)
    assert changed == replace(plain, epochs=7, image_size=96, probe=False)
    assert recipe("init", epochs=None) == plain  # and nothing was changed for the next one
    with pytest.raises(TypeError, match="speed"):
        recipe("init", speed=3)


@pytest.mark.parametrize("name", ["", "Init", "all", "init\n"])
def test_an_unknown_regime_is_refused_with_the_ones_there_are(name: str) -> None:
    with pytest.raises(QueryError, match="choose one of scratch, transfer, finetune, init or all") as caught:
        recipe(name)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(QueryError, match="no preset called 'slow'; choose one of quick, full"):
        recipe("init", "slow")


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        recipe("init").epochs = 2  # type: ignore[misc]
