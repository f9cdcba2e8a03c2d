"""lib.learn.loop: what trains and what does not, one step, one epoch, an evaluation, and a run that goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.data.catalog import Catalog
from lib.errors import DataError, TrainingError
from lib.learn import backbone, checkpoints, hardware, loop, photo_dataset, regimes, transforms
from lib.learn.backbone import FEATURES
from lib.learn.batch_sources import Source, feature_source, photo_source
from lib.learn.loop import Callbacks
from lib.learn.preprocess import Preprocess
from lib.learn.recipes import Recipe
from lib.learn.state import State, classifier, freeze, new_state, one_cycle, parameter_groups, train_mode
from tests.helpers import quick_trainings

TRAINABLE = {"scratch": 11_179_077, "transfer": 2_565, "finetune": 4_855_813, "init": 11_179_077}
PREPROCESS = Preprocess(resize=(32, 32), crop=None, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
PLAIN = Recipe(epochs=4, batch_size=16, micro_batch=16, label_smoothing=0.1, weight_decay=0.0)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with quick_trainings.one_thread():
        yield


@pytest.fixture(scope="module")
def catalog(pictures: Path) -> Catalog:
    return quick_trainings.catalog(pictures)


@pytest.fixture
def cpu() -> Any:
    import torch

    return torch.device("cpu")


def head_source(count: int = 40, views: int = 1) -> Source:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(views, count, FEATURES)).astype(np.float32)
    return feature_source(values, rng.integers(0, 5, count), seed=0)


def head_state(recipe: Recipe, steps: int = 12) -> State:
    return new_state(classifier(5, seed=0), recipe, steps)


def epoch_of(state: State, source: Source, recipe: Recipe, cpu: Any, epoch: int = 0) -> dict[str, Any]:
    return loop.train_one_epoch(
        state, source, recipe, epoch=epoch, seed=0, classes=5, device=cpu, callbacks=Callbacks()
    )


def bits(network: Any) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


# --- What trains -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", regimes.REGIMES)
def test_a_regime_trains_as_many_numbers_as_the_design_says(regime: str) -> None:
    network = backbone.resnet18(backbone.random(), 5)
    freeze(network, regimes.frozen_count(regimes.REGIMES[regime], 5))
    found = sum(one.numel() for one in network.parameters() if one.requires_grad)
    assert (sum(one.numel() for one in network.parameters()), found) == (11_179_077, TRAINABLE[regime])
    assert regimes.parameter_counts(regimes.REGIMES[regime], 5) == (11_179_077, TRAINABLE[regime])
    fixed = [name for name, one in network.named_parameters() if not one.requires_grad]
    assert fixed == [tensor.name for tensor in regimes.tensors(5)[: len(fixed)]]


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_an_epoch_leaves_frozen_tensors_and_their_norms_alone(catalog: Catalog, cpu: Any, ema: float) -> None:
    import torch

    recipe = Recipe(epochs=1, batch_size=16, micro_batch=8, ema=ema, optimizer="adamw", lr=1e-2, weight_decay=0.1)
    photos = photo_dataset.TrainingPhotos(photo_dataset.split_photos(catalog, "train"), recipe, PREPROCESS, 0)
    network = backbone.resnet18(backbone.bundled(), 5)
    freeze(network, regimes.frozen_count(regimes.REGIMES["finetune"], 5))
    state = new_state(network, recipe, 4)
    before = bits(network)
    row = epoch_of(state, photo_source(photos, PREPROCESS, cpu), recipe, cpu)
    assert (row["images"], row["lr"] <= 1e-2) == (51, True)
    fixed = {tensor.name for tensor in regimes.tensors(5)[: regimes.FROZEN_IN_FINETUNE]}
    for judged in (state.network, state.evaluated):
        after = bits(judged)
        for name, value in before.items():
            norm = name.rpartition(".")[0]
            stays = name in fixed or ("running" in name and f"{norm}.weight" in fixed)
            if "num_batches" not in name:
                assert torch.equal(value, after[name]) is stays, name


def test_transfer_keeps_every_norm(cpu: Any) -> None:
    network: Any = backbone.resnet18(backbone.random(), 5)
    freeze(network, regimes.frozen_count(regimes.REGIMES["transfer"], 5))
    train_mode(network)
    assert network.training
    assert not any(module.training for name, module in network.named_modules() if "bn" in name)


# --- How it trains ---------------------------------------------------------------------------------------------------


def test_norms_and_biases_do_not_decay_and_early_stages_change_less() -> None:
    network: Any = backbone.resnet18(backbone.random(), 5)
    freeze(network, 3)  # the first convolution and its norm
    recipe = Recipe(epochs=1, lr=0.1, layer_decay=0.5, weight_decay=0.02)
    groups = parameter_groups(network, recipe)
    of = {id(one): group for group in groups for one in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(of) == 62 - 3
    distance = {"fc": 0, "layer4": 1, "layer3": 2, "layer2": 3, "layer1": 4}
    for name, one in network.named_parameters():
        if not one.requires_grad:
            assert id(one) not in of
            continue
        group = of[id(one)]
        assert group["weight_decay"] == (0.02 if one.ndim > 1 else 0.0), name
        assert group["lr"] == pytest.approx(0.1 * 0.5 ** distance[name.partition(".")[0]]), name


def test_the_first_convolution_changes_least_and_a_classifier_alone_as_the_recipe_says() -> None:
    recipe = Recipe(epochs=1, lr=0.1, layer_decay=0.5)
    network: Any = backbone.resnet18(backbone.random(), 5)
    rates = {id(one): group["lr"] for group in parameter_groups(network, recipe) for one in group["params"]}
    assert rates[id(network.conv1.weight)] == rates[id(network.bn1.weight)] == pytest.approx(0.1 / 2**5)
    assert {group["lr"] for group in parameter_groups(classifier(5, 0), recipe)} == {0.1}


@pytest.mark.parametrize("warmup", [0.0, 0.15, 0.5])
def test_the_learning_rate_rises_and_falls_once(warmup: float) -> None:
    rates = [one_cycle(step / 200, warmup) for step in range(201)]
    top = round(200 * warmup)
    assert rates[top] == pytest.approx(1)
    assert rates[0] < 0.05 or warmup == 0
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_optimiser_follows_the_schedule(name: str) -> None:
    recipe = replace(PLAIN, optimizer=name, lr=0.5, warmup=0.25)
    state = head_state(recipe, steps=8)
    rates = []
    for _ in range(8):
        rates.append(state.optimizer.param_groups[0]["lr"])
        state.optimizer.step()
        state.schedule.step()
    assert type(state.optimizer).__name__.lower() == name
    assert rates == pytest.approx([0.5 * one_cycle(step / 8, 0.25) for step in range(8)])
    assert max(rates) == pytest.approx(0.5)


def test_a_step_is_that_of_the_mean_loss_of_its_photos(cpu: Any) -> None:
    import torch
    from torch.nn import functional

    recipe = replace(PLAIN, epochs=1, batch_size=64)
    source, state = head_source(), head_state(recipe, steps=1)
    plain = classifier(5, seed=0)
    values = next(source.batches(0, [np.arange(40)]))
    with hardware.autocast(cpu):
        loss = functional.cross_entropy(plain(values).float(), torch.from_numpy(source.labels), label_smoothing=0.1)
    loss.backward()
    row = epoch_of(state, source, recipe, cpu)
    assert row["train_loss"] == pytest.approx(float(loss.detach()), rel=1e-2)
    # The first step of Nesterov momentum 0.9 from rest is 1.9 gradients.
    rate = 0.1 * one_cycle(0, recipe.warmup)
    for moved, start in zip(state.network.parameters(), plain.parameters(), strict=True):
        expected = start - 1.9 * rate * start.grad
        torch.testing.assert_close(moved.detach(), expected.detach(), atol=1e-4, rtol=1e-3)
        assert not torch.equal(moved, start)


@pytest.mark.parametrize("micro_batch", [2, 5, 8])
def test_a_step_cut_into_passes_is_the_same_step(cpu: Any, micro_batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    # In bfloat16 sums of other parts differ by more than a step does.
    monkeypatch.setattr(hardware, "precision", lambda device: "float32")
    whole, cut = head_state(PLAIN), head_state(PLAIN)
    one = epoch_of(whole, head_source(), PLAIN, cpu)
    other = epoch_of(cut, head_source(), replace(PLAIN, micro_batch=micro_batch), cpu)
    assert one == pytest.approx(other, rel=1e-4)
    for left, right in zip(whole.network.parameters(), cut.network.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


def test_mixed_photos_change_the_epoch_until_its_last_share(cpu: Any) -> None:
    mixing = Recipe(epochs=4, batch_size=16, micro_batch=8, mixup=0.4, cutmix=1.0, unmixed=0.25)
    rng = np.random.default_rng(0)
    pixels, labels = rng.normal(size=(40, 3, 32, 32)).astype(np.float32), rng.integers(0, 5, 40)

    def network() -> Any:
        import torch

        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 5))

    def batches(epoch: int, passes: Sequence[np.ndarray]) -> Iterator[Any]:
        import torch

        return (torch.from_numpy(pixels[places]) for places in passes)

    def loss(recipe: Recipe, epoch: int) -> float:
        state = new_state(network(), recipe, 12)
        return float(epoch_of(state, Source(40, labels, batches), recipe, cpu, epoch)["train_loss"])

    plain = replace(mixing, mixup=0.0, cutmix=0.0)
    for recipe in (mixing, replace(mixing, mixup=0.0), replace(mixing, cutmix=0.0)):
        assert loss(recipe, 2) == loss(recipe, 2)
        assert abs(loss(recipe, 2) - loss(plain, 2)) > 1e-3
        assert loss(recipe, 3) == loss(plain, 3)


def test_the_average_follows_fast_when_young() -> None:
    import torch

    state = head_state(replace(PLAIN, ema=0.9))
    assert state.evaluated is not state.network
    values, average = (1.0, 2.0, 4.0), 1.0  # the first is taken as it is
    for number, value in enumerate(values):
        with torch.no_grad():
            for one in state.network.parameters():
                one.fill_(value)
        state.average.update_parameters(state.network)
        if number:
            decay = min(0.9, (1 + number) / (10 + number))
            average = decay * average + (1 - decay) * value
    for one in state.evaluated.parameters():
        torch.testing.assert_close(one, torch.full_like(one, average))


def test_without_an_average_the_network_itself_is_judged() -> None:
    state = head_state(PLAIN)
    assert state.average is None
    assert state.evaluated is state.network


def test_the_precision_is_one_of_two(cpu: Any) -> None:
    import torch

    found = hardware.precision(cpu)
    assert found in {"float32", "bfloat16"}
    with hardware.autocast(cpu):
        made = torch.nn.Linear(2, 2)(torch.ones(1, 2))
    assert str(made.dtype) == f"torch.{found}"


# --- Where inputs come from ------------------------------------------------------------------------------------------


def test_photos_reach_the_network_normalised(catalog: Catalog, cpu: Any) -> None:
    photos = photo_dataset.TrainingPhotos(photo_dataset.split_photos(catalog, "train"), PLAIN, PREPROCESS, 0)
    source = photo_source(photos, PREPROCESS, cpu)
    passes = [np.array([3, 1]), np.array([50])]
    found = list(source.batches(2, passes))
    assert (source.count, [len(one) for one in found]) == (51, [2, 1])
    for made, places in zip(found, passes, strict=True):
        pixels = np.stack([photos[(2, int(place))][0].permute(1, 2, 0).numpy() for place in places])
        np.testing.assert_allclose(made.numpy(), transforms.normalise(pixels, PREPROCESS), atol=1e-6)


def test_a_photo_that_is_unreadable_in_the_middle_of_an_epoch_is_named(
    catalog: Catalog, cpu: Any, tmp_path: Path
) -> None:
    away = replace(catalog, root=tmp_path)
    photos = photo_dataset.TrainingPhotos(photo_dataset.split_photos(away, "train"), PLAIN, PREPROCESS, 0)
    with pytest.raises(DataError) as caught:
        epoch_of(head_state(PLAIN), photo_source(photos, PREPROCESS, cpu), PLAIN, cpu)
    assert str(caught.value).split(" ")[0] in " ".join(photos.photos.ids)
    assert "\n" not in str(caught.value)


def test_every_epoch_takes_one_view_of_each_photo_by_lot() -> None:
    views = np.stack([np.full((6, FEATURES), float(view), np.float32) for view in range(3)])
    source = feature_source(views, np.arange(6), seed=0)
    places = np.array([4, 0, 2])
    whole = [next(source.batches(epoch, [np.arange(6)]))[:, 0].numpy() for epoch in range(12)]
    np.testing.assert_array_equal(next(source.batches(5, [places]))[:, 0], whole[5][places])
    assert {tuple(row) for row in whole} != {tuple(whole[0])}
    assert set(np.concatenate(whole)) == {0.0, 1.0, 2.0}


def test_a_classifier_follows_from_its_seed() -> None:
    import torch

    first, again, other = (classifier(5, seed) for seed in (0, 0, 1))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


# --- Evaluation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 32, 75])
def test_an_evaluation_equals_a_plain_loop(cpu: Any, count: int) -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(48, 5))
    network.train()
    pixels, labels = torch.randn(count, 3, 4, 4), np.random.default_rng(0).integers(0, 5, count)
    reports: list[tuple[int, int | None]] = []
    scores = loop.evaluate(
        network, lambda places: pixels[places], labels, cpu, lambda done, total: reports.append((done, total))
    )
    network.eval()
    with torch.inference_mode():
        plain = torch.cat([network(one[None]).softmax(1) for one in pixels]).numpy()
    near = 1e-5 if hardware.precision(cpu) == "float32" else 0.02
    np.testing.assert_allclose(scores.probabilities, plain, atol=near)
    chosen = plain[np.arange(count), labels]
    np.testing.assert_allclose(np.exp(-scores.losses), chosen, atol=near)
    assert scores.loss == pytest.approx(float(-np.log(chosen).mean()), rel=10 * near)
    assert scores.accuracy(labels) == float((scores.probabilities.argmax(1) == labels).mean())
    assert scores.accuracy(scores.probabilities.argmax(1)) == 1.0
    assert reports[-1] == (count, count)


# --- A run -----------------------------------------------------------------------------------------------------------


def fit(
    state: State,
    cpu: Any,
    judge: Callable[[Any], tuple[float, float]],
    *,
    recipe: Recipe = PLAIN,
    source: Source | None = None,
    save: Callable[[State], None] = lambda state: None,
    epoch: Callable[[list[dict[str, Any]]], None] = lambda rows: None,
) -> State:
    return loop.fit(
        state,
        source or head_source(views=2),
        judge,
        recipe,
        seed=0,
        classes=5,
        device=cpu,
        callbacks=Callbacks(epoch=epoch),
        save=save,
    )


def scripted(*pairs: tuple[float, float]) -> Callable[[Any], tuple[float, float]]:
    """A judge that says these (loss, accuracy), one an epoch."""
    waiting = iter(pairs)
    return lambda network: next(waiting)


@pytest.mark.parametrize(
    ("judged", "best"),
    [
        ([(1.0, 0.1), (0.9, 0.5), (0.1, 0.4), (0.1, 0.2)], 2),
        ([(1.0, 0.5), (0.9, 0.5), (0.8, 0.5), (0.9, 0.5)], 3),  # of equal ones, the lowest loss
        ([(1.0, 0.5), (1.0, 0.5), (1.0, 0.5), (1.0, 0.5)], 1),
        ([(1.0, 0.0), (2.0, 0.0), (2.0, 0.0), (0.5, 0.25)], 4),
    ],
)
def test_the_best_epoch_is_kept(cpu: Any, judged: list[tuple[float, float]], best: int) -> None:
    import torch

    after: list[dict[str, Any]] = []
    waiting = iter(judged)

    def judge(network: Any) -> tuple[float, float]:
        after.append(bits(network))
        return next(waiting)

    kept, reports = [], []
    state = fit(
        head_state(PLAIN),
        cpu,
        judge,
        save=lambda state: kept.append(len(state.epochs)),
        epoch=lambda r: reports.append(len(r)),
    )
    assert state.best_epoch == best
    assert all(torch.equal(value, after[best - 1][name]) for name, value in state.best.items())
    assert kept == reports == [1, 2, 3, 4]
    assert [row["epoch"] for row in state.epochs] == [1, 2, 3, 4]
    assert [(row["val_loss"], row["val_accuracy"]) for row in state.epochs] == judged
    assert all(row["images"] == 40 and 0 <= row["train_accuracy"] <= 1 for row in state.epochs)
    assert len({row["train_loss"] for row in state.epochs}) == 4


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_that_goes_on_ends_like_one_that_was_never_stopped(cpu: Any, tmp_path: Path, optimizer: str) -> None:
    import torch

    recipe = replace(PLAIN, optimizer=optimizer, lr=0.01, ema=0.9, weight_decay=0.01)

    def judge(network: Any) -> tuple[float, float]:
        weight = network.weight.detach()
        return float(weight.abs().sum()), float(weight[0, 0])

    def save(state: State) -> None:
        if len(state.epochs) == 2:
            checkpoints.save(tmp_path / "run.pt", state.checkpoint())

    whole = fit(head_state(recipe), cpu, judge, recipe=recipe, save=save)
    kept = checkpoints.load(tmp_path / "run.pt")
    assert kept is not None
    later = head_state(recipe)
    later.restore(kept)
    assert len(later.epochs) == 2
    fit(later, cpu, judge, recipe=recipe)
    timeless = [[{**row, "seconds": 0, "cpu_seconds": 0} for row in state.epochs] for state in (whole, later)]
    assert timeless[0] == timeless[1]
    assert whole.best_epoch == later.best_epoch
    for one, other in ((whole.network, later.network), (whole.evaluated, later.evaluated)):
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert all(torch.equal(value, later.best[name]) for name, value in whole.best.items())


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was_before(cpu: Any) -> None:
    healthy, kept = head_source(), []

    def batches(epoch: int, passes: Sequence[np.ndarray]) -> Iterator[Any]:
        for values in healthy.batches(epoch, passes):
            yield values * math.nan if epoch == 2 else values

    with pytest.raises(TrainingError, match=re.escape(str(loop.divergence(math.nan, 3)))) as caught:
        fit(
            head_state(PLAIN),
            cpu,
            lambda network: (1.0, 0.5),
            source=Source(healthy.count, healthy.labels, batches),
            save=lambda state: kept.append(len(state.epochs)),
        )
    assert kept == [1, 2]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_validation_loss_that_is_no_number_ends_the_run_as_well(cpu: Any, loss: float) -> None:
    kept: list[int] = []
    with pytest.raises(TrainingError, match=re.escape(str(loop.divergence(loss, 2, "validation loss")))):
        fit(
            head_state(PLAIN), cpu, scripted((1.0, 0.5), (loss, 0.5)), save=lambda state: kept.append(len(state.epochs))
        )
    assert kept == [1]
