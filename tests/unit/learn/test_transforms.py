"""lib.learn.transforms and lib.learn.transform_steps: what the network is given, against torchvision's own preset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lib.learn import backbone, transform_steps, transforms
from lib.learn.backbone import IMAGENET_PREPROCESS
from lib.learn.preprocess import Preprocess

STRETCHED = Preprocess(resize=(128, 128), crop=None)
# Odd, tiny, square, portrait, landscape, and as long as they may be without being cut first.
SIZES = [(1, 1), (3, 7), (7, 3), (224, 224), (255, 257), (256, 256), (500, 333), (333, 500), (801, 101), (97, 776)]


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng([width, height])
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", SIZES)
def test_resize_and_normalise_equal_torchvisions_preset(size: tuple[int, int]) -> None:
    from torchvision.models import ResNet18_Weights

    picture = noise(*size)
    ours = transforms.normalise(transforms.resize(picture, IMAGENET_PREPROCESS)[None], IMAGENET_PREPROCESS)[0]
    theirs = ResNet18_Weights.IMAGENET1K_V1.transforms()(picture).numpy()
    assert ours.shape == theirs.shape == (3, 224, 224)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_stretching_equals_torchvisions_resize(size: tuple[int, int]) -> None:
    from torchvision.transforms import v2

    picture = noise(*size)
    theirs = np.asarray(v2.Resize((128, 128), antialias=True)(picture))
    np.testing.assert_array_equal(transforms.resize(picture, STRETCHED), theirs)


@pytest.mark.parametrize("size", [(30_000, 40), (40, 30_000), (5000, 1)])
def test_a_very_long_picture_is_cut_before_it_is_enlarged(size: tuple[int, int]) -> None:
    # Enlarged as a whole, the first would be 192,000 × 256 px.
    created = transforms.resize(Image.new("RGB", size, (10, 20, 30)), IMAGENET_PREPROCESS)
    assert created.shape == (224, 224, 3)
    assert (created == (10, 20, 30)).all()


def test_normalise_undoes_to_the_picture() -> None:
    batch = np.stack([np.asarray(noise(20, 20)), np.asarray(noise(20, 20)) // 2])
    created = transforms.normalise(batch, IMAGENET_PREPROCESS)
    mean, std = (np.array(values)[:, None, None] for values in (IMAGENET_PREPROCESS.mean, IMAGENET_PREPROCESS.std))
    np.testing.assert_allclose((created * std + mean) * 255, batch.transpose(0, 3, 1, 2), atol=1e-3)


@pytest.mark.parametrize(("resize", "crop", "side"), [((256,), 224, 224), ((128, 128), None, 128), ((96, 96), 64, 64)])
def test_the_input_size_is_what_comes_out(resize: tuple[int, ...], crop: int | None, side: int) -> None:
    preprocess = Preprocess(resize=resize, crop=crop)
    assert preprocess.input_size == side
    assert transforms.resize(noise(50, 70), preprocess).shape == (side, side, 3)
    assert transforms.augment(side)(noise(50, 70)).size == (side, side)


@pytest.mark.parametrize("policy", ["trivial", "light", "none"])
def test_a_policy_distorts_and_follows_torchs_generator(policy: str) -> None:
    import torch

    picture = noise(90, 70)

    def drawn(seed: int) -> bytes:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            created = transforms.augment(48, policy=policy)(picture)
        assert created.mode == "RGB"
        return bytes(created.tobytes())

    assert drawn(0) == drawn(0)
    assert len({drawn(seed) for seed in range(8)}) == 8


def test_a_crop_keeps_the_share_of_the_area_that_it_must() -> None:
    import torch

    # A picture whose red says how far right a pixel is: the range of a crop's reds is its width.
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (256, 1))[:, :, None].repeat(3, axis=2))

    def widths(crop: float) -> list[float]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            created = [np.asarray(transforms.augment(32, crop, "none")(ramp)) for _ in range(60)]
        return [(int(one.max()) - int(one.min())) / 255 for one in created]

    assert min(widths(1.0)) > 0.8
    assert min(widths(0.1)) < 0.5


@pytest.mark.parametrize(
    ("size", "short", "shape"),
    [
        ((400, 200), 100, (100, 200, 3)),
        ((200, 400), 100, (200, 100, 3)),
        ((90, 70), 100, (70, 90, 3)),
        ((1, 9), 4, (8, 1, 3)),
    ],
)
def test_a_photo_is_shortened_but_never_enlarged(
    size: tuple[int, int], short: int, shape: tuple[int, int, int]
) -> None:
    created = transforms.shorten(noise(*size), short)
    assert (created.shape, created.dtype) == (shape, np.uint8)


def test_bundled_weights_want_what_they_were_trained_on() -> None:
    assert backbone.bundled().preprocess == STRETCHED


def test_a_batch_is_shown_as_the_network_gets_it() -> None:
    import torch

    photos = [noise(60, 90), noise(90, 60)]
    before = torch.get_rng_state()
    created, again = (transform_steps.batch(photos, STRETCHED, seed=3) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())  # nobody else's random numbers are used up
    assert [picture.size for picture in created.originals] == [(60, 90), (90, 60)]
    assert created.resized.shape == (2, 128, 128, 3)
    np.testing.assert_array_equal(created.normalised, transforms.normalise(created.resized, STRETCHED))
    assert [picture.tobytes() for picture in created.augmented] == [picture.tobytes() for picture in again.augmented]
    other = transform_steps.batch(photos, STRETCHED, seed=4)
    assert [picture.tobytes() for picture in created.augmented] != [picture.tobytes() for picture in other.augmented]


@pytest.mark.parametrize("constant", [True, False])
def test_a_normalised_photo_can_be_looked_at(constant: bool) -> None:
    picture = Image.new("RGB", (8, 6), (3, 3, 3)) if constant else noise(8, 6)
    grey = replace(STRETCHED, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    shown = np.asarray(transform_steps.viewable(transforms.normalise(np.asarray(picture)[None], grey)[0]))
    assert shown.shape == (6, 8, 3)
    assert (shown.min(), shown.max()) == ((0, 0) if constant else (0, 255))


def test_bicubic_resampling_is_pillows() -> None:
    bicubic = Preprocess(resize=(20,), crop=16, interpolation="bicubic")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 30, 3), dtype=np.uint8))
    by_hand = np.asarray(image.resize((25, 20), Image.Resampling.BICUBIC))[2:18, 4:20]
    np.testing.assert_array_equal(transforms.resize(image, bicubic), by_hand)
    np.testing.assert_array_equal(transforms.shrink(image, bicubic), by_hand)
    assert "interpolation" in bicubic.as_dict()
    assert "interpolation" not in Preprocess(resize=(20,), crop=16).as_dict()
