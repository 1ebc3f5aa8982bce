import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from no_copies import NoCopies
from scalewise import checkpoint, params, training
from scalewise.errors import InputError
from scalewise.examples.images import Examples, check_same_categories
from scalewise.examples.segmentation import IGNORED
from scalewise.models import atrous, deeplabv3, segmenter, segnet, weights
from segmentation_cases import CLASSES, MODULES, batch, net, sections, write_dataset

C = len(CLASSES)
VGG = {"base_width": 64, "convolutions": (2, 2, 3, 3, 3), "batch_norm_momentum": 0.5}
MOBILENET = {
    "backbone": "mobilenet_v3_large",
    "groups": 4,
    "output_stride": 16,
    "atrous_rates": (12, 24, 36),
    "pyramid_channels": 256,
}
VGG_POOLS = (6, 13, 23, 33, 43)  # where a VGG16 with batch norm pools
models = pytest.mark.parametrize("name", MODULES)


def inverse_log(labels, classes):
    return segmenter.inverse_log(labels, classes, segmenter.Parameters().inverse_log_offset)


def whole_loss(model, data):
    return sum(model.loss(data).values())


# Both nets ---------------------------------------------------------------------------------


@models
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (120, 160), (360, 480)], ids=str)
def test_images_become_logits_of_their_size(name, size):
    model = net(name, **{"segnet": {"base_width": 2}, "deeplabv3": {}}[name]).eval()
    with torch.inference_mode():
        logits = model(batch(2, *size)["images"])
    assert logits.shape == (2, C, *size) and logits.dtype == torch.float32


@models
def test_every_parameter_gets_a_gradient(name):
    model, data = net(name), batch(4, 64, 80)
    whole_loss(model, model.augment(data, torch.rand(4, training.DRAWS))).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name


@models
def test_one_batch_overfits(name):
    model, data = net(name), batch(4, 32, 32)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = whole_loss(model, data).item()
    for _ in range(80):
        total = whole_loss(model, data)
        if total < 0.25 * first:
            break
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert total < 0.25 * first


@models
def test_a_step_needs_no_values(name):
    """On the meta device there are none: a shape that depends on them, or a look at one, raises."""
    model, data = net(name).to("meta"), {key: v.to("meta") for key, v in batch().items()}
    terms = model.loss(model.augment(data, torch.rand(4, training.DRAWS, device="meta")))
    sum(terms.values()).backward()
    assert all(term.device.type == "meta" for term in terms.values())


@models
def test_a_step_copies_nothing_from_the_host(name):
    model, data = net(name), batch()
    with NoCopies():
        whole_loss(model, model.augment(data, torch.rand(4, training.DRAWS))).backward()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@models
def test_a_step_never_waits_for_the_gpu(name):
    model, data = net(name).cuda(), {key: value.cuda() for key, value in batch().items()}
    draws = torch.rand(4, training.DRAWS, device="cuda")
    whole_loss(model, model.augment(data, draws))  # libraries are loaded once
    torch.cuda.set_sync_debug_mode("error")
    try:
        whole_loss(model, model.augment(data, draws)).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@models
def test_the_order_in_memory_changes_no_answer(name):
    model, data = net(name).eval(), batch(2)["images"]
    plain = net(name).eval().to(memory_format=torch.contiguous_format)
    normal = (data.float() / 255 - plain.mean) / plain.std
    torch.testing.assert_close(model(data), plain.net(normal), atol=1e-4, rtol=1e-4)


@models
@pytest.mark.parametrize("rule", ["median_frequency", "inverse_log"])
def test_a_split_is_trained_on_kept_and_restored(name, rule, tmp_path):
    write_dataset(tmp_path)
    schedule = {"epochs": 2, "batch_size": 2, "precision": "full"}
    given = sections(name, shared={"class_weights": rule}, training=schedule)
    module = checkpoint.find_model(name)
    train, val = (module.examples(given, tmp_path, split) for split in ("train", "val"))
    fabric = training.fabric_for(given[name].training)
    fabric.launch()
    model = checkpoint.fresh(module, given, train)
    outcome = training.fit(fabric, model, train, val, given[name].training, tmp_path / "state.pt")
    assert [row.keys() >= {"train_cross_entropy", "val_total"} for row in outcome.history] == [1, 1]
    checkpoint.save(tmp_path / "net.pt", name, given, train.categories, outcome.state, {})
    again = checkpoint.restore(tmp_path / "net.pt", name).net
    expected = {"median_frequency": segmenter.median_frequency, "inverse_log": inverse_log}[rule](
        train.tensors["labels"], C
    )
    assert torch.equal(again.class_weights, expected) and (expected != 1).any()
    for key, value in again.state_dict().items():
        assert torch.equal(value, outcome.state[key])


# Loss --------------------------------------------------------------------------------------


class Said(nn.Module):
    """Stands in for a net, whose logits it knows."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, _):
        return self.logits


def saying(logits):
    return segmenter.Segmenter(Said(logits), logits.shape[1], mirror=False)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_is_torchs_over_the_pixels_that_count(seed, weighted):
    generator = torch.Generator().manual_seed(seed)
    data = batch(3, 9, 11, seed) if seed else batch(3, 9, 9)
    logits = 3 * torch.randn(3, C, *data["labels"].shape[1:], generator=generator)
    if seed % 2:
        data["labels"][torch.rand(data["labels"].shape, generator=generator) < 0.3] = IGNORED
    model = saying(logits)
    if weighted:
        model.class_weights.copy_(torch.rand(C, generator=generator) * torch.arange(C))
    expected = F.cross_entropy(
        logits, data["labels"].long(), model.class_weights, ignore_index=IGNORED
    )
    torch.testing.assert_close(model.loss(data)["cross_entropy"], expected)


def test_loss_by_hand():
    """One pixel each of classes 0 (weight 1) and 1 (weight 3), a third ignored. Logits 0 and ln 3:
    -ln(1/4) = 1.386 for class 0, -ln(3/4) = .288 for class 1; (1.386 + 3 * .288) / 4 = .5623."""
    logits = torch.tensor([0.0, np.log(3)]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    model = saying(logits)
    model.class_weights.copy_(torch.tensor([1.0, 3.0]))
    labels = torch.tensor([[[0, 1, IGNORED]]], dtype=torch.uint8)
    found = model.loss({"images": torch.zeros(1, 3, 1, 3), "labels": labels})["cross_entropy"]
    assert found.item() == pytest.approx((np.log(4) + 3 * np.log(4 / 3)) / 4, abs=1e-6)


@pytest.mark.parametrize("label", [IGNORED, 2], ids=["ignored", "of no weight"])
def test_images_of_nothing_that_counts_cost_nothing(label):
    logits = torch.randn(2, C, 4, 4, requires_grad=True)
    model, labels = saying(logits), torch.full((2, 4, 4), label, dtype=torch.uint8)
    model.class_weights[2] = 0
    total = whole_loss(model, {"images": torch.zeros(2, 3, 4, 4), "labels": labels})
    total.backward()
    assert total == 0 and logits.grad.abs().sum() == 0


@pytest.mark.parametrize("seed", range(6))
def test_median_frequency_equals_the_rule_written_as_loops(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 8))
    labels = rng.integers(0, classes, (5, 6, 7)).astype(np.uint8)
    for image in labels[1:]:  # a class may be absent, or in some images alone
        image[np.isin(image, np.flatnonzero(rng.random(classes) < 0.5))] = rng.integers(classes)
        image[rng.random(image.shape) < rng.random()] = IGNORED
    labels[labels == seed % 3] = 0
    labels[0] = IGNORED if seed == 5 else labels[0]
    frequency = {}
    for label in range(classes):
        own = [(image == label).sum() for image in labels]
        among = [(image != IGNORED).sum() for image in labels if (image == label).any()]
        if sum(own):
            frequency[label] = sum(own) / sum(among)
    middle = np.median(list(frequency.values()))
    expected = [middle / frequency[n] if n in frequency else 0 for n in range(classes)]
    found = segmenter.median_frequency(torch.from_numpy(labels), classes)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_inverse_log_equals_the_rule_written_as_a_loop(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 1, 1, 3, IGNORED], (4, 5, 6)).astype(np.uint8)
    counted = labels[labels != IGNORED]
    offset = 1.02 + 0.1 * seed
    expected = [1 / np.log(offset + (counted == n).mean()) for n in range(5)]
    expected[2] = expected[4] = 0  # absent
    found = segmenter.inverse_log(torch.from_numpy(labels), 5, offset)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[1] < found[0] < 1 / np.log(offset)


@pytest.mark.parametrize("rule", [segmenter.median_frequency, inverse_log])
def test_weights_of_nothing_are_0(rule):
    nothing = torch.full((2, 3, 3), IGNORED, dtype=torch.uint8)
    assert rule(nothing, 3).tolist() == [0, 0, 0]
    assert rule(nothing[:0], 3).tolist() == [0, 0, 0]


def test_images_and_labels_are_mirrored_together():
    data, model = batch(4), net("segnet")
    data["images"] = (50 * data["labels"]).unsqueeze(1).expand(-1, 3, -1, -1)
    data["copy"] = torch.arange(4)
    draws = torch.rand(4, training.DRAWS)
    draws[:, 0] = torch.tensor([0.1, 0.9, 0.49, 0.5])
    found = model.augment(data, draws)
    for n, turned in enumerate([True, False, True, False]):
        expected = data["labels"][n].flip(-1) if turned else data["labels"][n]
        assert torch.equal(found["labels"][n], expected)
    assert torch.equal(found["images"][:, 0], 50 * found["labels"])
    assert torch.equal(found["copy"], data["copy"])
    assert net("segnet", {"mirror": False}).augment(data, draws) is data


# SegNet ------------------------------------------------------------------------------------


def convolutions(module):
    """Channels in and out of each convolution, in their order."""
    return [
        (part.in_channels, part.out_channels)
        for part in module.modules()
        if isinstance(part, nn.Conv2d)
    ]


@pytest.fixture(scope="module")
def vgg():
    """What torchvision's VGG16 with batch norm sees with, running statistics and all at random."""
    with torch.device("meta"):  # the layers after it are large and of no use here
        layers = torchvision.models.vgg16_bn(weights=None).features
    layers.to_empty(device="cpu")
    torch.manual_seed(7)
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            layer.reset_parameters()
    for name, buffer in layers.named_buffers():
        if not name.endswith("num_batches_tracked"):
            buffer.uniform_(0.5, 1.5)
    return layers.eval()


@pytest.fixture(scope="module")
def features(vgg):
    """Its state, by the names that the whole network has."""
    return {f"features.{name}": value for name, value in vgg.state_dict().items()}


def test_segnet_is_vgg16_and_its_mirror_image():
    model = net("segnet", **VGG).net
    there = [[(3, 64), (64, 64)], [(64, 128), (128, 128)], [(128, 256), *[(256, 256)] * 2]]
    there += [[(256, 512), *[(512, 512)] * 2], [(512, 512)] * 3]
    assert [convolutions(group) for group in model.encoder] == there
    back = [[(out, into) for into, out in reversed(group)] for group in reversed(there)]
    back[-1][-1] = (64, C)
    assert [convolutions(group) for group in model.decoder] == back
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.5} and len(norms) == 13 + 12
    assert isinstance(model.decoder[-1][-1], nn.Conv2d)  # the logits themselves


def test_the_encoder_answers_as_vgg16_group_by_group(vgg, features):
    model = net("segnet", **VGG).eval().net
    model.load_vgg(features, "there")
    own = other = torch.randn(2, 3, 64, 96)
    start = 0
    for group, pool in zip(model.encoder, VGG_POOLS, strict=True):
        own = F.max_pool2d(group(own), 2)
        other = vgg[start : pool + 1](other)
        torch.testing.assert_close(own, other, atol=1e-4, rtol=1e-4)
        start = pool + 1
    assert start == len(vgg)


def test_unpooling_puts_values_where_pooling_took_them():
    """With groups that change nothing, what comes out are the maxima, each in its own place."""
    model = net("segnet", convolutions=(1, 1)).net
    model.encoder = nn.ModuleList([nn.Identity(), nn.Identity()])
    model.decoder = nn.ModuleList([nn.Identity(), nn.Identity()])
    images = torch.rand(2, 3, 9, 14)
    found, expected = model(images), torch.zeros(2, 3, 9, 14)
    for image, channel, row, column in np.ndindex(2, 3, 2, 3):
        place = (image, channel, slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
        cell = images[place]
        expected[place] = torch.where(cell == cell.max(), cell, 0.0)
    assert torch.equal(found, expected)


def test_a_frozen_encoder_stays_as_it_is():
    model = net("segnet", frozen=True)
    encoder = {k: v.clone() for k, v in model.net.encoder.state_dict().items()}
    decoder = {k: v.clone() for k, v in model.net.decoder.state_dict().items()}
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for step in range(3):
        model.eval()  # as between epochs
        model.train()
        whole_loss(model, batch(seed=step)).backward()
        optimizer.step()
    assert all(parameter.grad is None for parameter in model.net.encoder.parameters())
    for name, value in model.net.encoder.state_dict().items():
        assert torch.equal(value, encoder[name]), name
    for name, value in model.net.decoder.state_dict().items():
        assert not torch.equal(value, decoder[name]), name


def test_training_moves_no_frozen_encoder(tmp_path):
    schedule = {"epochs": 1, "batch_size": 2, "precision": "full", "weight_decay": 0.1}
    given = sections("segnet", frozen=True, training=schedule)
    data = batch(4)
    split = Examples(tuple("abcd"), CLASSES, data, ())
    fabric = training.fabric_for(given["segnet"].training)
    fabric.launch()
    model = checkpoint.fresh(segnet, given, split)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fit = training.fit(fabric, model, split, split, given["segnet"].training, tmp_path / "s.pt")
    moved = {k for k, v in fit.state.items() if not torch.equal(v, before[k])}
    assert moved == {k for k in before if k.startswith("net.decoder.")}


# Weights -----------------------------------------------------------------------------------


def nothing():
    """A split that no class is weighed by."""
    return Examples((), CLASSES, {"labels": torch.zeros(0, 1, 1, dtype=torch.uint8)}, ())


def warmed(name, **own):
    module, given = MODULES[name], sections(name, **own)
    return checkpoint.fresh(module, given, nothing())


@pytest.mark.parametrize("counters", [True, False])
def test_segnet_starts_from_a_file_with_or_without_counters(features, tmp_path, counters):
    """Files from before 2018, as the published one, do not count a batch norm's batches."""
    given = {k: v for k, v in features.items() if counters or "num_batches" not in k}
    torch.save(given, tmp_path / "vgg.pt")
    model = warmed("segnet", weights=str(tmp_path / "vgg.pt"), **VGG)
    lasting = {k: v for k, v in features.items() if "num_batches" not in k}
    own = {k: v for k, v in model.net.encoder.state_dict().items() if "num_batches" not in k}
    assert len(own) == len(lasting) == 13 * 6
    for one, other in zip(own.values(), lasting.values(), strict=True):
        assert torch.equal(one, other)


def test_segnet_of_another_shape_takes_no_vgg(features, tmp_path):
    torch.save(features, tmp_path / "vgg.pt")
    for own in (
        {},
        {**VGG, "convolutions": (2, 2, 3, 3)},
        {**VGG, "convolutions": (2, 2, 4, 4, 4)},
    ):
        with pytest.raises(InputError) as error:
            warmed("segnet", weights=str(tmp_path / "vgg.pt"), **own)
        assert "vgg.pt: expected the layers of a VGG16 with batch norm" in str(error.value)
        assert "base_width 64 and convolutions [2, 2, 3, 3, 3]" in str(error.value)


def torchvisions(backbone, classes, aux=None):
    torch.manual_seed(3)
    builder = getattr(torchvision.models.segmentation, f"deeplabv3_{backbone}")
    return builder(weights=None, weights_backbone=None, num_classes=classes, aux_loss=aux).eval()


@pytest.mark.parametrize("aux", [None, True])
def test_deeplabv3_is_torchvisions_with_another_last_layer(tmp_path, aux):
    """From weights of 21 classes all but the last layer; an auxiliary head is left aside."""
    other = torchvisions("mobilenet_v3_large", 21, aux)
    torch.save(other.state_dict(), tmp_path / "voc.pt")
    model = warmed("deeplabv3", weights=str(tmp_path / "voc.pt"), **MOBILENET).eval()
    inner = model.net.net
    assert inner.aux_classifier is None
    assert inner.classifier[4].weight.shape == (C, 256, 1, 1)
    other.classifier[4] = inner.classifier[4]
    images = batch(2, 64, 64)["images"]
    normal = (images.float() / 255 - model.mean) / model.std
    torch.testing.assert_close(model(images), other(normal)["out"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_the_published_resnets_are_torchvisions(backbone):
    """Names, shapes, strides and dilations: on the meta device no numbers are needed."""
    own = MOBILENET | {"backbone": backbone, "output_stride": 8}
    with torch.device("meta"):
        inner = net("deeplabv3", classes=[str(n) for n in range(21)], **own).net.net
        other = torchvisions(backbone, 21)
    shapes = [{n: v.shape for n, v in part.state_dict().items()} for part in (inner, other)]
    assert shapes[0] == shapes[1]
    for one, two in zip(laid_out(inner), laid_out(other), strict=True):
        assert one == two


def laid_out(module):
    return [
        (part.kernel_size, part.stride, part.padding, part.dilation)
        for part in module.modules()
        if isinstance(part, nn.Conv2d)
    ]


@pytest.mark.parametrize(("stride", "step"), [(4, 8), (8, 4), (16, 2), (32, 1)])
def test_dilated_backbones_say_the_same_more_often(stride, step):
    """Where the strided net looks, the dilated one has just its answers: that is atrous."""
    torch.manual_seed(0)
    strided, _ = atrous.resnet("resnet18", 4, 32)
    dilated, channels = atrous.resnet("resnet18", 4, stride)
    dilated.load_state_dict(strided.state_dict())
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        expected, found = (part.eval()(images)["out"] for part in (strided, dilated))
    assert found.shape == (2, channels, 64 // stride, 96 // stride) and channels == 512
    torch.testing.assert_close(found[..., ::step, ::step], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("counters", [True, False])
@pytest.mark.parametrize(
    ("own", "whole"),
    [({}, torchvision.models.resnet18), (MOBILENET, torchvision.models.mobilenet_v3_large)],
    ids=["resnet18", "mobilenet"],
)
def test_deeplabv3_starts_from_a_published_backbone(own, whole, counters, monkeypatch):
    """Files from before 2018, as the published ResNets, do not count a batch norm's batches."""
    torch.manual_seed(5)
    state = whole(weights=None).state_dict()
    state = {k: v for k, v in state.items() if counters or "num_batches" not in k}
    monkeypatch.setattr("scalewise.models.weights.downloaded", lambda *_: state)
    inner = warmed("deeplabv3", weights=deeplabv3.BACKBONE, **own).net.net
    for name, value in weights.lasting(inner.backbone.state_dict()).items():
        there = state.get(name, state.get(f"features.{name}"))
        assert torch.equal(value, there), name


@models
@pytest.mark.parametrize("kind", ["missing", "pickled", "text", "no state", "other names"])
def test_weights_that_cannot_be_used_are_named(name, kind, tmp_path):
    path = tmp_path / "weights.pt"
    if kind == "text":
        path.write_text("no weights")
    elif kind != "missing":
        held = {"pickled": {"a": print}, "no state": [1, 2], "other names": {"a": torch.ones(1)}}
        torch.save(held[kind], path)
    with pytest.raises(InputError) as error:
        warmed(name, weights=str(path))
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    told = {
        "missing": "no such file, and no name of published ones",
        "pickled": "not a file of weights",
        "text": "not a file of weights",
        "no state": "expected a state_dict",
    }
    last = {"segnet": "expected the layers of a VGG16", "deeplabv3": "unknown: a; "}[name]
    assert told.get(kind, last) in message


def test_weights_of_another_backbone_are_named(tmp_path):
    """Both have layers called classifier.0.convs.0.0, of different widths."""
    path = tmp_path / "resnet.pt"
    state = {"classifier.0.convs.0.0.weight": torch.zeros(256, 2048, 1, 1)}
    torch.save(state | {"backbone.layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}, path)
    with pytest.raises(InputError) as error:
        warmed("deeplabv3", weights=str(path), **MOBILENET)
    message = str(error.value)
    assert f"{path}: not the weights of a deeplabv3_mobilenet_v3_large" in message
    assert "unknown: backbone.layer1.0.conv1.weight" in message
    assert "of another shape: classifier.0.convs.0.0.weight" in message


@models
def test_a_download_that_fails_is_told(name, monkeypatch):
    def fails(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fails)
    published = {"segnet": segnet.PUBLISHED, "deeplabv3": deeplabv3.BACKBONE}[name]
    with pytest.raises(InputError, match=rf"{published} cannot be downloaded \(no route to host\)"):
        warmed(name, weights=published, **VGG if name == "segnet" else {})


@pytest.mark.parametrize("backbone", ["resnet50", "resnet101", "mobilenet_v3_large"])
def test_every_backbone_has_published_weights(backbone):
    entry = deeplabv3._published(backbone)
    assert entry.name == deeplabv3.WHOLE and backbone.split("_")[0] in entry.url


def test_an_image_a_process_is_too_few(monkeypatch):
    monkeypatch.setenv("SCALEWISE_PROCESSES", "4")
    with pytest.raises(InputError, match=r"SCALEWISE_PROCESSES is 4: .*batch_size 6 must be .* 8"):
        warmed("deeplabv3", training={"batch_size": 6})
    warmed("deeplabv3", training={"batch_size": 8})


def test_a_backbone_without_a_published_whole_is_told():
    with pytest.raises(InputError, match="no COCO_WITH_VOC_LABELS_V1 for resnet18 .*resnet50"):
        warmed("deeplabv3", weights=deeplabv3.WHOLE)


# Parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "values", "message"),
    [
        (deeplabv3.Parameters, {"training": {"batch_size": 1}}, "batch_size must be at least 2"),
        (deeplabv3.Parameters, {"backbone": "vgg16"}, "'resnet18', 'resnet34', 'resnet50',"),
        (deeplabv3.Parameters, {"backbone": "mobilenet_v3_large"}, "groups 4 and output_stride 16"),
        (deeplabv3.Parameters, {"output_stride": 2}, "deeplabv3.output_stride"),
        (deeplabv3.Parameters, {"atrous_rates": []}, "deeplabv3.atrous_rates"),
        (deeplabv3.Parameters, {"groups": 5}, "deeplabv3.groups"),
        (deeplabv3.Parameters, {"output_stride": 16}, "output_stride is 16, but groups 2 stride"),
        (deeplabv3.Parameters, {"groups": 1, "output_stride": 8}, "groups 1 stride by 4"),
        (segnet.Parameters, {"convolutions": []}, "segnet.convolutions"),
        (segnet.Parameters, {"convolutions": [2] * 6}, "segnet.convolutions"),
        (segnet.Parameters, {"convolutions": [2, 0]}, "segnet.convolutions.1"),
        (segnet.Parameters, {"base_width": 0}, "segnet.base_width"),
        (segnet.Parameters, {"batch_norm_momentum": 0}, "segnet.batch_norm_momentum"),
        (segnet.Parameters, {"freeze": True}, "did you mean 'frozen'"),
        (segmenter.Parameters, {"height": 16}, "segmenter.height"),
        (segmenter.Parameters, {"inverse_log_offset": 1}, "segmenter.inverse_log_offset"),
        (segmenter.Parameters, {"void": "void"}, "'kept' or 'ignored'"),
        (
            segmenter.Parameters,
            {"class_weights": "median"},
            "'none', 'median_frequency' or 'inverse_log'",
        ),
    ],
)
def test_bad_parameters_are_named(record, values, message):
    with pytest.raises(InputError) as error:
        params.parse(record, values, record.__module__.split(".")[-1])
    assert message in str(error.value)


@models
def test_splits_of_other_classes_are_refused(name, tmp_path):
    """By training; prediction refuses a dataset that has others than the checkpoint."""
    write_dataset(tmp_path)
    text = (tmp_path / "val.json").read_text()
    (tmp_path / "val.json").write_text(text.replace('"car"', '"bus"'))
    read = [MODULES[name].examples(sections(name), tmp_path, split) for split in ("train", "val")]
    with pytest.raises(InputError, match=r"val\.json: its categories are sky, road, bus, void"):
        check_same_categories(*read)
