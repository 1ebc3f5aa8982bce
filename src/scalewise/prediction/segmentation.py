"""A segmenter's answers -> confusion matrices and masks at the images' own size.

Section `prediction.segmentation` of params.yaml. Images are decoded, asked about and counted batch
by batch: any number of them takes the memory of one batch.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from scalewise import confusion, label_maps
from scalewise.checkpoint import Trained
from scalewise.data import store
from scalewise.examples import segmentation
from scalewise.examples.segmentation import IGNORED, Split
from scalewise.files import write_json
from scalewise.params import Record


class Parameters(Record):
    """How a segmenter is asked."""

    batch_size: int = Field(8, gt=0)
    """Images at a time."""


def write(
    trained: Trained, folder: Path, out: Path, rules: Parameters, device: torch.device
) -> None:
    """Confusion matrices, losses and masks on val and test, beside the truth.

    Args:
        trained: the net.
        folder: its dataset.
        out: gets `<split>.npz`, `<split>_masks.tar`, `<split>_truth.json` and, where there is a
            train split and sequences are known, `seen.json`: the test images that have a train or
            val image of their sequence within `label_maps.NEARBY` frames.
        rules: how the segmenter is asked.
        device: where to compute.

    Raises:
        InputError: the dataset has other classes than the net; what `labelled` refuses.
    """
    net, own = trained.net.to(device), trained.sections["segmenter"]
    splits = {name: segmentation.read(folder, name) for name in ("val", "test")}
    truths = [split.truth for split in splits.values()]
    if (folder / "train.json").is_file():
        truths.append(label_maps.read_truth(folder / "train.json"))
    for truth in truths:
        label_maps.check_categories(truth, trained.categories, str(trained.source))
    for name, split in splits.items():
        counted = confusion.Accumulator(len(split.truth), len(trained.categories))
        losses: list[float] = []
        masks = _masks(net, split, own, rules.batch_size, device, counted, losses)
        store.pack(out / f"{name}_masks.tar", masks)
        confusion.write(out / f"{name}.npz", counted.matrices, np.array(losses))
        label_maps.write_truth(out / f"{name}_truth.json", split.truth, folder)
    val, test, *train = truths
    if train and any(test.sequences):
        seen = label_maps.near(test, *train) | label_maps.near(test, val)
        write_json(out / "seen.json", [test.file_names[n] for n in np.flatnonzero(seen)])


def _masks(
    net: torch.nn.Module,
    split: Split,
    own: Any,
    batch_size: int,
    device: torch.device,
    counted: confusion.Accumulator,
    losses: list[float],
) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of each image's mask; counts pixels and losses on the way."""
    order = list(range(len(split.truth)))
    with tqdm(total=len(order), unit="image", disable=not sys.stderr.isatty()) as shown:
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            images, labels = segmentation.batch(split, chosen, own.height, own.width)
            found = said(net, images.to(device), labels, _ignored(split, own))
            counted.add(labels, [mask for mask, _ in found])
            losses += [loss for _, loss in found]
            for n, (mask, _) in zip(chosen, found, strict=True):
                yield split.truth.file_names[n], store.encode_png(mask)
            shown.update(len(chosen))


def _ignored(split: Split, own: Any) -> int:
    """The label that takes no part in the loss."""
    void = split.truth.void
    return IGNORED if own.void == "kept" or void is None else void


@torch.inference_mode()
def said(
    net: torch.nn.Module, images: Tensor, labels: list[np.ndarray], ignored: int
) -> list[tuple[np.ndarray, float]]:
    """Mask [H, W] uint8 and mean cross-entropy of each image, at the size of its labels.

    Args:
        net: images to logits.
        images: [B, 3, h, w] uint8.
        labels: B label maps [H, W], each of its own size.
        ignored: label whose pixels have no loss; an image of nothing else has a loss of 0.
    """
    logits, found = net(images), []
    for answer, truth in zip(logits, labels, strict=True):
        size = (int(truth.shape[0]), int(truth.shape[1]))
        large = F.interpolate(answer.unsqueeze(0), size, mode="bilinear", align_corners=False)
        target = torch.from_numpy(truth.astype(np.int64)).to(large.device).unsqueeze(0)
        losses = F.cross_entropy(large, target, ignore_index=ignored, reduction="none")
        loss = losses.sum() / (target != ignored).sum().clamp(min=1)
        found.append((large.argmax(dim=1)[0].byte().cpu().numpy(), float(loss)))
    return found
