import json
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scalewise import checkpoint, confusion, label_maps
from scalewise.checkpoint import Trained
from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.examples import segmentation as examples
from scalewise.prediction import segmentation as prediction
from segmentation_cases import CLASSES, SIZES, VOID, Colours, net, sections, write_dataset

CPU = torch.device("cpu")
MIXED = {"val": [(40, 32)], "test": [(40, 32), (64, 48), (33, 50), (17, 90), (40, 32)]}


def trained(model=None, height=32, width=40, void="kept", categories=CLASSES):
    given = sections("segnet", height, width, {"void": void})
    return Trained("segnet", (model or Colours()).eval(), given, categories, "models/segnet.pt")


def written(tmp_path, model, batch_size=2):
    """Truth, confusions and written masks of the test split, in order."""
    out = tmp_path / "out"
    prediction.write(model, tmp_path, out, prediction.Parameters(batch_size=batch_size), CPU)
    truth = label_maps.read_truth(out / "test_truth.json")
    found = confusion.read(out / "test.npz", len(truth), len(CLASSES))
    masks = Store.over(out / "test_masks.tar").many(truth.file_names, "L")
    return truth, found, masks


def test_the_truths_colours_give_the_truth_back(tmp_path):
    masks = write_dataset(tmp_path, {"val": [(40, 32)], "test": [(40, 32)] * 3})
    truth, found, said = written(tmp_path, trained())
    assert truth.images == str(tmp_path) and found.matrices.shape == (3, 4, 4)
    for matrix, mask, name in zip(found.matrices, said, truth.file_names, strict=True):
        np.testing.assert_array_equal(mask, masks[name])
        counts = np.bincount(masks[name].ravel(), minlength=4)
        np.testing.assert_array_equal(matrix, np.diag(counts))


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_whatever_the_input_only_edges_are_lost(tmp_path, factor):
    """By half a pixel of the smaller grid to each side of an edge, and there are few edges."""
    sizes = [(160, 128), (192, 144), (99, 150)]
    write_dataset(tmp_path, {"val": [(40, 32)], "test": sizes})
    truth, found, _ = written(tmp_path, trained(height=32 * factor, width=40 * factor))
    for matrix, (width, height) in zip(found.matrices, sizes, strict=True):
        assert matrix.sum() == width * height
        assert np.trace(matrix) / matrix.sum() > {1: 0.85, 2: 0.92, 4: 0.96}[factor]
    assert [tuple(size) for size in truth.sizes] == sizes


def test_masks_and_matrices_agree_at_every_size(tmp_path):
    masks = write_dataset(tmp_path, MIXED)
    truth, found, said = written(tmp_path, trained(height=36, width=34))
    assert [mask.shape[::-1] for mask in said] == MIXED["test"]
    for matrix, mask, name in zip(found.matrices, said, truth.file_names, strict=True):
        np.testing.assert_array_equal(matrix, confusion.confusion(masks[name], mask, 4))


@pytest.mark.parametrize("batch_size", [1, 3, 5, 64])
def test_the_batch_size_changes_nothing(tmp_path, batch_size):
    write_dataset(tmp_path, MIXED)
    one = written(tmp_path, trained(height=36, width=34), batch_size)
    first = (tmp_path / "out" / "test_masks.tar").read_bytes()
    two = written(tmp_path, trained(height=36, width=34), 2)
    np.testing.assert_array_equal(one[1].matrices, two[1].matrices)
    np.testing.assert_allclose(one[1].loss, two[1].loss, rtol=1e-6)
    assert (tmp_path / "out" / "test_masks.tar").read_bytes() == first


@pytest.mark.parametrize("void", ["kept", "ignored"])
def test_each_images_loss_is_torchs_at_its_own_size(tmp_path, void):
    masks = write_dataset(tmp_path, MIXED)
    truth, found, _ = written(tmp_path, trained(height=36, width=34, void=void))
    split = examples.read(tmp_path, "test")
    inputs = examples.examples(split, 36, 34, ignore_void=False).tensors["images"]
    ignored = VOID if void == "ignored" else -100
    for n, name in enumerate(truth.file_names):
        logits = F.interpolate(Colours()(inputs[n : n + 1]), masks[name].shape, mode="bilinear")
        target = torch.from_numpy(masks[name]).long().unsqueeze(0)
        expected = F.cross_entropy(logits, target, ignore_index=ignored)
        assert found.loss[n] == pytest.approx(expected.item(), rel=1e-5)


def test_an_image_of_void_alone_has_a_loss_of_0_where_void_is_ignored():
    labels, dark = [np.full((5, 7), VOID, np.uint8)], torch.full((1, 3, 4, 4), 30)
    (mask, loss), *_ = prediction.said(Colours(), dark, labels, VOID)
    assert loss == 0 and (mask == VOID).all()
    (_, loss), *_ = prediction.said(Colours(), dark, labels, examples.IGNORED)
    assert loss > 0


class Watch(Colours):
    """Notes at each question how many decoded images and masks are held, and how many came."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.alive, self.came, self.notes = weakref.WeakSet(), 0, []
        monkeypatch.setattr(examples, "labelled", self.labelled(examples.labelled))

    def labelled(self, original):
        def labelled(split, n):
            image, mask = (Held.of(array) for array in original(split, n))
            self.alive |= {image.holder, mask.holder}
            self.came += 1
            return image, mask

        return labelled

    def forward(self, images):
        self.notes.append((self.came, len(self.alive)))
        return super().forward(images)


class Holder:
    """Lives as long as the array that holds it."""


class Held(np.ndarray):
    @classmethod
    def of(cls, array):
        held = array.view(cls)
        held.holder = Holder()
        return held


@pytest.mark.parametrize("batch_size", [1, 4])
def test_one_batch_is_held_at_a_time(tmp_path, monkeypatch, batch_size):
    count = 13
    write_dataset(tmp_path, {"val": [(40, 32)], "test": [(50, 40)] * count})
    watch = Watch(monkeypatch)
    written(tmp_path, trained(watch), batch_size)
    assert watch.came == 1 + count
    ends = [*range(batch_size, count, batch_size), count]
    assert [came - 1 for came, _ in watch.notes[1:]] == ends
    assert max(alive for _, alive in watch.notes) <= batch_size  # the masks; images are let go


def test_images_near_those_that_training_saw_are_named(tmp_path):
    """The numbers in the names are a few frames apart."""
    write_dataset(tmp_path, {"train": [(40, 32)], "val": [(40, 32)], "test": [(50, 40)] * 5})
    for split, sequences in {"train": "a", "val": "c", "test": "aabc-"}.items():
        path = tmp_path / f"{split}.json"
        document = json.loads(path.read_text())
        for image, sequence in zip(document["images"], sequences, strict=True):
            image["sequence"] = sequence.strip("-")
        path.write_text(json.dumps(document))
    written(tmp_path, trained())
    told = json.loads((tmp_path / "out/seen.json").read_text())
    assert told == ["test/0.png", "test/1.png", "test/3.png"]


def test_a_trained_net_is_restored_and_asked(tmp_path):
    """The files of a checkpoint say what its input is; the dataset's own sizes do not matter."""
    write_dataset(tmp_path)
    given, path = sections("segnet", 48, 32, {"void": "ignored"}), tmp_path / "segnet.pt"
    state = net("segnet").state_dict()
    checkpoint.save(path, "segnet", given, CLASSES, state, {})
    _, found, masks = written(tmp_path, checkpoint.restore(path, "segnet"))
    assert np.isfinite(found.loss).all() and len(found.loss) == len(SIZES["test"])
    assert found.matrices.sum() == sum(mask.size for mask in masks)


@pytest.mark.parametrize(
    ("categories", "told"),
    [
        (("sky", "road", "void", "car"), "sky, road, void, car"),
        (("sky", "road", "car"), "sky, road, car"),
    ],
)
def test_a_dataset_of_other_classes_is_refused_before_anything_is_written(
    tmp_path, categories, told
):
    write_dataset(tmp_path)
    with pytest.raises(InputError) as error:
        written(tmp_path, trained(categories=categories))
    message = str(error.value)
    assert f"{tmp_path / 'val.json'}: its classes are sky, road, car, void" in message
    assert f"those of models/segnet.pt are {told}" in message
    assert not (tmp_path / "out").exists()


def test_a_bad_mask_leaves_no_half_written_file(tmp_path):
    write_dataset(tmp_path, **{"labels/test/4.png": b"no image"})
    with pytest.raises(InputError, match=r"image 'labels/test/4\.png' cannot be decoded"):
        written(tmp_path, trained())
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"val.npz", "val_masks.tar", "val_truth.json"}
