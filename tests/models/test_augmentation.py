"""The batched augmentation against torchvision's, image by image, with the same parameters.

Places are torchvision's continuous ones: pixel (c, r) covers [c, c + 1] x [r, r + 1].
"""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode

from classifier_cases import CLASSES, batch, net, write_dataset
from scalewise.models import resnet18_augmented as own
from scalewise.models.resnet18_augmented import Augmentation
from scalewise.report import style
from scalewise.training import DRAWS

SIZE = 40
STILL = {
    "translate": 0.0,
    "scale": (1.0, 1.0),
    "brightness": 0.0,
    "contrast": 0.0,
    "sharpness": 1.0,
    "perspective": 0.0,
}
BILINEAR = InterpolationMode.BILINEAR
seeds = pytest.mark.parametrize("seed", range(4))


def only(**changes):
    """An augmentation that does this and nothing else."""
    return Augmentation(**{**STILL, **changes})


def smooth(images=6, size=SIZE, seed=0):
    """[N, 3, S, S] uint8 of coarse noise, drawn out."""
    coarse = torch.rand(images, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    wide = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    return (255 * wide).clamp(0, 255).round().byte()


def drawn(images=6, seed=0):
    return torch.rand(images, DRAWS, generator=torch.Generator().manual_seed(100 + seed))


def close(found, expected, levels):
    """Whether two images differ by at most so many levels anywhere."""
    assert found.shape == expected.shape
    assert (found.float() - expected.float()).abs().max() <= levels


def moved_corners(draws, most, size=SIZE):
    """Where the corners go, px, clockwise from the upper left."""
    inward = draws[8:16].view(4, 2) * most * size / 2
    signs = torch.tensor([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])
    corners = torch.tensor([[0.0, 0], [size, 0], [size, size], [0, size]])
    return corners.tolist(), (corners + signs * inward).tolist()


# Against torchvision -----------------------------------------------------------------------


@seeds
def test_shift_and_size_are_torchvisions_affine(seed):
    images, draws = smooth(seed=seed), drawn(seed=seed)
    found = own.augmented(images, draws, only(translate=0.2, scale=(0.7, 1.4)))
    for image, draw, got in zip(images, draws, found, strict=True):
        shift = ((2 * draw[:2] - 1) * 0.2 * SIZE).tolist()
        scale = 0.7 + 0.7 * float(draw[2])
        expected = F.affine(image.float(), 0.0, shift, scale, [0.0, 0.0], BILINEAR)
        close(got, expected, 0.05)


@seeds
def test_corners_move_as_in_torchvisions_perspective(seed):
    images, draws = smooth(seed=seed), drawn(seed=seed)
    draws[:2, 7] = torch.tensor([0.49, 0.5])  # half of them stay
    found = own.augmented(images, draws, only(perspective=0.5))
    for image, draw, got in zip(images, draws, found, strict=True):
        expected = image.float()
        if draw[7] < 0.5:
            expected = F.perspective(expected, *moved_corners(draw, 0.5), BILINEAR)
        close(got, expected, 0.1)


@seeds
def test_one_resampling_is_nearly_torchvisions_two(seed):
    """Affine, then perspective; the second resampling of two blurs a little more."""
    size = 96
    images, draws = smooth(size=size, seed=seed), drawn(seed=seed)
    found = own.augmented(images, draws, only(translate=0.1, scale=(0.9, 1.1), perspective=0.2))
    for image, draw, got in zip(images, draws, found, strict=True):
        shift, scale = ((2 * draw[:2] - 1) * 0.1 * size).tolist(), 0.9 + 0.2 * float(draw[2])
        corners = moved_corners(draw, 0.2 * float(draw[7] < 0.5), size)
        layers = torch.cat([image.float(), torch.ones(1, size, size)])
        layers = F.affine(layers, 0.0, shift, scale, [0.0, 0.0], BILINEAR)
        *expected, inside = F.perspective(layers, *corners, BILINEAR)
        inside = inside > 0.999  # at the black border the second blur counts
        assert inside.float().mean() > 0.4
        close(got * inside, torch.stack(expected) * inside, 2.5)


@seeds
def test_light_is_torchvisions_brightness(seed):
    images, draws = smooth(seed=seed), drawn(seed=seed)
    found = own.augmented(images, draws, only(brightness=0.6))
    for image, draw, got in zip(images, draws, found, strict=True):
        factor = 1 + 0.6 * (2 * float(draw[3]) - 1)
        close(got, 255 * F.adjust_brightness(image / 255, factor), 0.01)
        close(got, F.adjust_brightness(image, factor), 1.01)  # which cuts the digits off


@seeds
def test_contrast_is_torchvisions_but_for_a_digit_of_red(seed):
    images, draws = smooth(seed=seed), drawn(seed=seed)
    found = own.augmented(images, draws, only(contrast=0.7))
    for image, draw, got in zip(images, draws, found, strict=True):
        factor = 1 + 0.7 * (2 * float(draw[4]) - 1)
        close(got, 255 * F.adjust_contrast(image / 255, factor), 0.03)
        close(got, F.adjust_contrast(image, factor), 1.6)


@seeds
def test_light_and_contrast_come_in_either_order(seed):
    images, draws = smooth(seed=seed), drawn(8, seed)[:6]
    draws[:2, 5] = torch.tensor([0.1, 0.9])
    found = own.augmented(images, draws, only(brightness=0.6, contrast=0.7))
    for image, draw, got in zip(images, draws, found, strict=True):
        light, contrast = (1 + most * (2 * float(draw[n]) - 1) for n, most in ((3, 0.6), (4, 0.7)))
        steps = [(F.adjust_brightness, light), (F.adjust_contrast, contrast)]
        expected = image / 255
        for adjust, factor in steps if draw[5] < 0.5 else steps[::-1]:
            expected = adjust(expected, factor)
        close(got, 255 * expected, 0.04)


@seeds
@pytest.mark.parametrize("sharpness", [0.0, 0.5, 2.0, 5.0])
def test_sharpness_is_torchvisions(sharpness, seed):
    images, draws = batch(6, SIZE, seed)["images"], drawn(seed=seed)  # noise: edges everywhere
    found = own.augmented(images, draws, only(sharpness=sharpness))
    for image, draw, got in zip(images, draws, found, strict=True):
        if draw[6] >= 0.5:
            close(got, image, 0.01)
            continue
        close(got, 255 * F.adjust_sharpness(image / 255, sharpness), 0.02)
        # On whole levels the blur is rounded by up to .5, which counts |1 - sharpness| times.
        close(got, F.adjust_sharpness(image, sharpness), 1.02 + 0.5 * abs(1 - sharpness))


# By itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, SIZE])
def test_nothing_asked_for_changes_nothing(size):
    images = batch(6, SIZE)["images"][..., :size, :size]
    close(own.augmented(images, drawn(), only()), images, 0.01)


EXTREMES = {"least": torch.zeros(1, DRAWS), "most": torch.full((1, DRAWS), 1 - 2**-24)}


@pytest.mark.parametrize("end", EXTREMES)
@pytest.mark.parametrize("strength", ["default", "strongest"])
def test_the_ends_of_the_draws_stay_within_levels(end, strength):
    rules = Augmentation()
    if strength == "strongest":
        rules = Augmentation(translate=0.99, scale=(0.01, 9), brightness=1, contrast=1,
                             sharpness=50, perspective=0.999)  # fmt: skip
    for images in (smooth(1), torch.zeros(1, 3, 16, 16).byte(), torch.full((1, 3, 9, 9), 255)):
        found = own.augmented(images, EXTREMES[end], rules)
        assert found.shape == images.shape and found.dtype == torch.float32
        assert found.isfinite().all() and found.min() >= 0 and found.max() <= 255


def test_the_ends_by_hand():
    """Draw 0 is the least: 8 px to the left and up, half as large, light 1 - .5; 1 the most."""
    white = torch.full((2, 3, SIZE, SIZE), 100, dtype=torch.uint8)
    ends = torch.cat(list(EXTREMES.values()))
    lit = own.augmented(white, ends, only(brightness=0.5))
    assert lit[:, 0, 0, 0].tolist() == pytest.approx([50, 150], abs=1e-3)
    shifted = own.augmented(white, ends, only(translate=0.2))
    there = np.zeros((2, SIZE))
    there[0, :-8] = there[1, 8:] = 100
    for across in (shifted[:, 0, SIZE // 2], shifted[:, 0, :, SIZE // 2]):
        np.testing.assert_allclose(across, there, atol=0.01)
    sized = own.augmented(white, ends, only(scale=(0.5, 2.0)))
    assert (sized[0, 0, 10:30, 10:30] > 99.9).all() and sized[0].sum() == pytest.approx(
        3 * 100 * 20 * 20, rel=1e-3
    )
    assert (sized[1] > 99.9).all()


def test_corners_come_from_the_corners():
    inward = torch.rand(5, 8, generator=torch.Generator().manual_seed(0))
    corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    places = torch.cat([corners * (1 - 0.9 * inward.view(5, 4, 2)), torch.ones(5, 4, 1)], dim=-1)
    old = places @ own.perspective(0.9 * inward).mT
    torch.testing.assert_close(old[..., :2] / old[..., 2:], corners.expand(5, 4, 2), atol=1e-4,
                               rtol=0)  # fmt: skip


def test_an_image_does_not_depend_on_its_batch():
    images, draws = smooth(), drawn()
    together = own.augmented(images, draws, Augmentation())
    assert torch.equal(together, own.augmented(images, draws, Augmentation()))
    for n in range(len(images)):
        alone = own.augmented(images[n : n + 1], draws[n : n + 1], Augmentation())
        close(alone[0], together[n], 1e-2)
    assert (together - images).abs().flatten(1).mean(1).min() > 1  # each is changed


def test_the_first_copy_is_the_image_itself():
    model, data = net("resnet18_augmented"), batch(8)
    found = model.augment(data, drawn(8))
    first = data["copy"] == 0
    assert first.tolist() == [True, False, False, False] * 2
    assert torch.equal(found["images"][first], data["images"][first].float())
    changed = own.augmented(data["images"], drawn(8), model.rules)
    assert torch.equal(found["images"][~first], changed[~first])
    assert found["labels"] is data["labels"]
    assert data["images"].dtype == torch.uint8  # the split on the device is not written to


def test_every_draw_counts_but_for_shares_of_the_copies():
    """A draw that moved nothing would be a strength that the parameters only promise."""
    images, draws = smooth(1), torch.full((1, DRAWS), 0.4)
    draws[0, 3:5] = 0.95  # white is reached: only then the order counts
    before = own.augmented(images, draws, Augmentation())
    for n in range(DRAWS):
        other = draws.clone()
        other[0, n] = 0.6
        change = (own.augmented(images, other, Augmentation()) - before).abs().max()
        assert change > 0.05, n


def test_the_stage_draws_the_first_image_of_each_class(tmp_path, monkeypatch, capsys):
    pixels = write_dataset(tmp_path / "data" / "mine")
    (tmp_path / "params.yaml").write_text(
        "classifier: {image_size: 32}\nresnet18_augmented: {dataset: mine}\n"
    )
    figures = {}
    monkeypatch.setattr(style, "save", lambda figure, path: figures.update({str(path): figure}))
    monkeypatch.setattr(sys, "argv", ["augmentation", "resnet18_augmented"])
    monkeypatch.chdir(tmp_path)
    stages = Path(__file__).parents[2] / "stages"
    runpy.run_path(str(stages / "augmentation.py"), run_name="__main__")
    (figure,) = figures.values()
    assert list(figures) == ["plots/resnet18_augmented/augmentation.png"]
    assert [axes.get_title(loc="left") for axes in figure.axes[::4]] == list(CLASSES)
    for n, axes in enumerate(figure.axes):
        shown, name = (
            np.asarray(axes.images[0].get_array(), int),
            f"{CLASSES[n // 4]}/train{n // 4}.png",
        )
        mean = pixels[name].mean()
        assert shown.shape == (32, 32, 3)
        assert abs(shown.mean() - mean) < 2 if n % 4 == 0 else abs(shown.mean() - mean) > 2
    assert "3 images with 3 augmented copies each" in capsys.readouterr().out
