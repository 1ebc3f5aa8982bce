import json

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from no_copies import NoCopies
from scalewise import coco, params
from scalewise.errors import InputError
from scalewise.models import anchors, multiscale
from scalewise.prediction import detection as prediction

SMALL = {
    "image_size": 64,
    "stem": (8,),
    "widths": (8, 16, 24),
    "neck": 8,
    "convolutions": (1, 1, 1),
}
GRID = anchors.Parameters(scales=((8, 12), (20, 28), (40, 56)))
CLASSES = 3


def sections(**changes):
    return {"multiscale": multiscale.Parameters(**{**SMALL, **changes}), "anchors": GRID}


def net(**changes):
    torch.manual_seed(0)
    return multiscale.build(sections(**changes), "abcdefgh"[:CLASSES])


def batch(images=4, objects=5, seed=0, empty=()):
    """Random images; object counts differ, images in `empty` have none."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(images, objects, 2, generator=generator) * 40
    side = 6 + torch.rand(images, objects, 2, generator=generator) * 30
    labels = torch.randint(0, CLASSES, (images, objects), generator=generator)
    labels[torch.arange(images)[:, None] % objects > torch.arange(objects)] = -1
    labels[list(empty)] = -1
    boxes = torch.cat([low, low + side], -1).clamp(max=64) * (labels >= 0).unsqueeze(-1)
    pixels = torch.randint(0, 256, (images, 3, 64, 64), generator=generator, dtype=torch.uint8)
    ignored = torch.zeros(images, objects, dtype=torch.bool)
    return {"images": pixels, "boxes": boxes, "labels": labels, "ignored": ignored}


def one_image(*rows, ignored=()):
    """A batch of one image with objects (x1, y1, x2, y2, label)."""
    table = torch.tensor(rows)
    flags = torch.zeros(1, len(rows), dtype=torch.bool)
    flags[0, list(ignored)] = True
    return {"boxes": table[None, :, :4], "labels": table[None, :, 4].long(), "ignored": flags}


def perfect(detector, data):
    """What the net would say if it said just the targets."""
    targets = multiscale.assign(detector.anchors, data, detector.assignment)
    return multiscale.Raw(
        torch.where(targets.positive, 20.0, -20.0),
        40.0 * torch.nn.functional.one_hot(targets.labels, CLASSES),
        multiscale.encode_boxes(targets.boxes, detector.anchors),
    )


@pytest.mark.parametrize("changes", [{}, {"top_down": False}, {"stem": (8, 8)}], ids=str)
def test_every_parameter_gets_a_gradient(changes):
    detector = net(**changes)
    sum(detector.loss(batch()).values()).backward()
    for name, parameter in detector.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_homework_network_is_a_setting():
    """3->32->64 (112), 128 (56), 256 (28), 512 (14), no top-down path, three square anchors."""
    parameters = multiscale.Parameters(
        stem=(32, 64), widths=(128, 256, 512), convolutions=(1, 1, 1), top_down=False
    )
    homework = anchors.Parameters(scales=((16, 24, 32), (48, 64, 96), (96, 128, 192)))
    detector = multiscale.build({"multiscale": parameters, "anchors": homework}, "abc")
    image = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    assert [tuple(m.shape[1:]) for m in detector.maps(image)] == [
        (128, 56, 56),
        (256, 28, 28),
        (512, 14, 14),
    ]
    assert detector(image).offsets.shape == (1, 3 * (56**2 + 28**2 + 14**2), 4)


def test_one_batch_overfits():
    detector, data = net(), batch()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=0.01)
    first = last = None
    for _ in range(60):
        total = sum(detector.loss(data).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        first, last = first or total.item(), total.item()
    assert last < 0.25 * first


def test_answers_stand_in_the_order_of_the_anchors():
    """Light one cell of one level: only the answers of the anchors near it may change."""
    detector = net(top_down=False)
    shapes = zip((8, 16, 24), anchors.STRIDES, strict=True)
    features = [torch.zeros(1, w, 64 // s, 64 // s) for w, s in shapes]
    for n, (stride, head) in enumerate(zip(anchors.STRIDES, detector.heads, strict=True)):
        head.hidden = torch.nn.Identity()  # a 1x1 answer is left: one cell, one answer
        row, column = 64 // stride - 1, 1
        before = head(features[n])
        lit = features[n].clone()
        lit[0, :, row, column] = 1
        changed = (head(lit) != before).any(-1)[0]
        boxes = detector.anchors[detector.level == n][changed]
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        expected = torch.tensor([(column + 0.5) * stride, (row + 0.5) * stride])
        assert len(centres) == 2 and (centres == expected).all()


@pytest.mark.parametrize("seed", range(5))
def test_perfect_answers_decode_to_the_truth(seed):
    """Targets, losses and decoding share one order of anchors, or this finds nothing."""
    detector, data = net(), batch(seed=seed)
    raw = perfect(detector, data)
    boxes = multiscale.decode_boxes(raw.offsets, detector.anchors)
    scores = raw.objectness.sigmoid().unsqueeze(-1) * raw.classes.softmax(-1)
    found = prediction.suppress(
        boxes, scores, prediction.Parameters(score_floor=0.5, nms_iou=0.999)
    )
    targets = multiscale.assign(detector.anchors, data, detector.assignment)
    for image in range(len(boxes)):
        reached = targets.boxes[image][targets.positive[image]].unique(dim=0)
        iou = box_iou(reached, found.boxes[found.image == image])
        assert (iou.amax(1) > 0.999).all() and (iou.amax(0) > 0.999).all()


def test_perfect_answers_cost_nothing():
    detector, data = net(), batch()
    targets = multiscale.assign(detector.anchors, data, detector.assignment)
    terms = multiscale.losses(perfect(detector, data), targets, detector.anchors, 3)
    assert all(term < 1e-6 for term in terms.values()), terms


def _inside(anchors_, boxes):
    """[A, M] share of each anchor that lies in each box."""
    low = torch.maximum(anchors_[:, None, :2], boxes[:, :2])
    high = torch.minimum(anchors_[:, None, 2:], boxes[:, 2:])
    own = (anchors_[:, 2:] - anchors_[:, :2]).prod(-1)
    return ((high - low).clamp(min=0).prod(-1) / own[:, None]).numpy()


@pytest.mark.parametrize("seed", range(5))
def test_assignment_equals_the_rule_written_as_loops(seed):
    detector, data = net(), batch(seed=seed, empty=(2,))
    data["ignored"] = (
        torch.rand(data["labels"].shape, generator=torch.Generator().manual_seed(seed)) < 0.3
    )
    rule = detector.assignment
    got = multiscale.assign(detector.anchors, data, rule)
    for image in range(4):
        rows = [m for m in range(5) if data["labels"][image, m] >= 0]
        iou = box_iou(detector.anchors, data["boxes"][image]).numpy()
        inside = _inside(detector.anchors, data["boxes"][image])
        forced = {}
        for m in rows:
            best = iou[:, m].max()
            if best >= rule.forced_iou and not data["ignored"][image, m]:
                for a in np.flatnonzero(iou[:, m] == best):
                    if a not in forced or iou[a, m] > iou[a, forced[a]]:
                        forced[a] = m
        for a in range(len(iou)):
            m = forced.get(a, max(rows, key=lambda m: iou[a, m], default=None))
            best = -1 if m is None else iou[a, m]
            good = m is not None and not data["ignored"][image, m]
            assert got.positive[image, a] == (good and (a in forced or best >= rule.positive_iou))
            spared = any(data["ignored"][image, m] and inside[a, m] >= 0.5 for m in rows)
            low = a not in forced and best < rule.negative_iou
            assert got.negative[image, a] == (low and not spared)
            if got.positive[image, a]:
                assert got.labels[image, a] == data["labels"][image, m]
                assert (got.boxes[image, a] == data["boxes"][image, m]).all()


def test_a_poor_best_anchor_is_not_forced():
    """A 2x2 object meets 8x8 anchors at IoU 4/64 = .06 at best: nothing may learn from it."""
    targets = multiscale.assign(
        net().anchors, one_image((30.0, 30, 32, 32, 1)), multiscale.Assignment()
    )
    assert not targets.positive.any()
    tiny = multiscale.Assignment(forced_iou=0.05)
    assert multiscale.assign(net().anchors, one_image((30.0, 30, 32, 32, 1)), tiny).positive.any()


def test_an_ignored_object_is_neither_positive_nor_negative():
    data = one_image((10.0, 10, 30, 30, 1), ignored=(0,))
    targets = multiscale.assign(net().anchors, data, multiscale.Assignment())
    near = box_iou(net().anchors, data["boxes"][0])[:, 0] >= 0.3
    assert near.any() and not targets.positive.any() and not targets.negative[0, near].any()


def test_anchors_inside_a_crowd_are_not_background():
    data = one_image((2.0, 2, 62, 62, 1), ignored=(0,))
    targets = multiscale.assign(net().anchors, data, multiscale.Assignment())
    inside = _inside(net().anchors, data["boxes"][0])[:, 0] > 0.51
    assert inside.any() and not targets.negative[0, inside].any()
    assert targets.negative.any()


def test_encoding_by_hand():
    """Anchor 10x10 at (5, 5), truth 20x10 centred (10, 5): shift .5 / .1, stretch ln 2 / .2."""
    offsets = multiscale.encode_boxes(
        torch.tensor([[0.0, 0, 20, 10]]), torch.tensor([[0.0, 0, 10, 10]])
    )
    torch.testing.assert_close(offsets, torch.tensor([[5.0, 0, np.log(2) / 0.2, 0]]).float())


def test_encoding_and_decoding_are_inverse():
    anchors_, data = net().anchors, batch()
    boxes = data["boxes"][0, 0].expand_as(anchors_)
    torch.testing.assert_close(
        multiscale.decode_boxes(multiscale.encode_boxes(boxes, anchors_), anchors_),
        boxes.clone(),
        atol=1e-3,
        rtol=1e-4,
    )


def test_hardest_by_hand():
    loss = torch.tensor([[0.1, 0.9, 0.5, 0.7], [0.4, 0.3, 0.2, 0.1]])
    candidates = torch.tensor([[True, False, True, True], [True, True, False, False]])
    got = multiscale.hardest(loss, candidates, torch.tensor([2, 9]))
    assert got.tolist() == [[False, False, True, True], [True, True, False, False]]


def test_mirroring_twice_changes_nothing_and_once_moves_boxes():
    data = batch(empty=(1,))
    every = torch.ones(4, dtype=torch.bool)
    once = multiscale.mirrored(data, every)
    assert (once["boxes"][1] == 0).all()
    present = data["labels"] >= 0
    x1, y1, x2, y2 = data["boxes"][present].unbind(-1)
    torch.testing.assert_close(once["boxes"][present], torch.stack([64 - x2, y1, 64 - x1, y2], -1))
    twice = multiscale.mirrored(once, every)
    for name, value in data.items():
        torch.testing.assert_close(twice[name], value)


def test_an_images_loss_does_not_depend_on_its_batch():
    """Which is why two processes train like one."""
    detector, data = net().eval(), batch(empty=(3,))
    together = detector.loss(data)
    alone = [detector.loss({k: v[n : n + 1] for k, v in data.items()}) for n in range(4)]
    for name, term in together.items():
        torch.testing.assert_close(term, torch.stack([a[name] for a in alone]).mean())


def test_images_without_objects_have_a_finite_loss():
    terms = net().loss(batch(empty=(0, 1, 2, 3)))
    assert terms["box"] == 0 and terms["classification"] == 0
    assert 0 < terms["objectness"] < 10


def test_a_step_needs_no_values():
    """On the meta device there are none: a shape that depends on them, or a look at one, raises."""
    detector, data = net().to("meta"), {name: value.to("meta") for name, value in batch().items()}
    terms = detector.loss(detector.augment(data, torch.rand(4, 8, device="meta")))
    sum(terms.values()).backward()
    assert all(term.device.type == "meta" for term in terms.values())


def test_a_step_copies_nothing_from_the_host():
    detector, data = net(), batch()
    with NoCopies():
        terms = detector.loss(detector.augment(data, torch.rand(4, 8)))
        sum(terms.values()).backward()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_never_waits_for_the_gpu():
    detector, data = net().cuda(), {name: value.cuda() for name, value in batch().items()}
    draws = torch.rand(4, 8, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        sum(detector.loss(detector.augment(data, draws)).values()).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_examples_pad_and_scale(shapes_folder):
    truth = coco.read_truth(shapes_folder / "train.json")
    read = multiscale.examples(sections(image_size=32), shapes_folder, "train")
    assert read.names == truth.file_names and read.categories == truth.category_names
    data = read.tensors
    assert data["images"].shape == (6, 3, 32, 32)
    for n in range(6):
        mine = truth.image == n
        count = int(mine.sum())
        assert (data["labels"][n, count:] == -1).all() and (data["boxes"][n, count:] == 0).all()
        np.testing.assert_allclose(data["boxes"][n, :count], truth.boxes[mine] / 2, atol=1e-4)
        np.testing.assert_array_equal(data["labels"][n, :count], truth.category[mine])


def test_a_split_without_objects_cannot_be_trained_on(document, shapes_folder, tmp_path):
    document["annotations"] = document["annotations"][1:]  # crowd and ignored ones are left
    (tmp_path / "images.tar").symlink_to(shapes_folder / "images.tar")
    (tmp_path / "t.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"t\.json: there is no object"):
        multiscale.examples(sections(), tmp_path, "t")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widths": [8, 8]}, "widths"),
        ({"image_size": 100}, "multiple of 16"),
        ({"assignment": {"positive_iou": 0.2}}, "negative_iou 0.3 is above positive_iou 0.2"),
        ({"training": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"training": {"optimizer": "lion"}}, "'sgd' or 'adamw'"),
        ({"training": {"epochs": "3"}}, "integer"),
        ({"dataset": 3}, "string"),
        ({"stem": [0]}, "multiscale.stem.0"),
        ({"widths": [-8, 8, 8]}, "multiscale.widths.0"),
        ({"convolutions": [0, 1, 1]}, "multiscale.convolutions.0"),
        ({"assignment": {"negative_iou": 0}}, "negative_iou"),
    ],
)
def test_bad_parameters_are_named(values, message):
    with pytest.raises(InputError) as error:
        params.parse(multiscale.Parameters, values, "params.yaml: multiscale")
    assert message in str(error.value)
