from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from classifier_cases import CLASSES, MODULES, batch, net, sections, write_dataset
from no_copies import NoCopies
from scalewise import checkpoint, params, training
from scalewise.errors import InputError
from scalewise.examples.images import Examples
from scalewise.models import classifier
from scalewise.theory import losses

PUBLISHED = classifier.PUBLISHED
RESNETS = ["resnet18", "resnet18_augmented"]
models = pytest.mark.parametrize("name", MODULES)


@models
@pytest.mark.parametrize("size", [16, 48])
def test_images_become_logits(name, size):
    model, data = net(name, size), batch(4, size)
    logits = model(data["images"])
    assert logits.shape == (4, 3) and logits.dtype == torch.float32
    torch.testing.assert_close(model.head(model.features(data["images"])), logits)


@models
def test_every_parameter_gets_a_gradient(name):
    model, data = net(name), batch(8)
    terms = model.loss(model.augment(data, torch.rand(8, training.DRAWS)))
    terms["cross_entropy"].backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name


@models
def test_one_batch_overfits(name):
    model, data = net(name), batch(6)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    drawn = torch.rand(6, training.DRAWS, generator=torch.Generator().manual_seed(1))
    data = model.augment(data, drawn)
    for _ in range(100):
        terms = model.loss(data)
        if terms["cross_entropy"] < 0.1:
            break
        optimizer.zero_grad()
        terms["cross_entropy"].backward()
        optimizer.step()
    assert terms["accuracy"] == 1 and terms["cross_entropy"] < 0.1


@models
def test_a_step_needs_no_values(name):
    """On the meta device there are none: a shape that depends on them, or a look at one, raises."""
    model, data = net(name).to("meta"), {key: v.to("meta") for key, v in batch().items()}
    terms = model.loss(model.augment(data, torch.rand(6, training.DRAWS, device="meta")))
    terms["cross_entropy"].backward()
    assert all(term.device.type == "meta" for term in terms.values())


@models
def test_a_step_copies_nothing_from_the_host(name):
    model, data = net(name), batch()
    with NoCopies():
        terms = model.loss(model.augment(data, torch.rand(6, training.DRAWS)))
        terms["cross_entropy"].backward()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@models
def test_a_step_never_waits_for_the_gpu(name):
    model, data = net(name).cuda(), {key: value.cuda() for key, value in batch().items()}
    draws = torch.rand(6, training.DRAWS, device="cuda")
    model.loss(model.augment(data, draws))  # libraries are loaded once
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.loss(model.augment(data, draws))["cross_entropy"].backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_convnet_is_the_sources_network():
    """Conv 3-32-64-128, 3x3 pad 1, ReLU, max-pool 4, 2, 2; Linear(128*14*14, 10)."""
    model = net("convnet", 224, classes=tuple("abcdefghij"))
    layers = [*model.backbone, model.head]
    kinds = [nn.Conv2d, nn.ReLU, nn.MaxPool2d] * 3 + [nn.Flatten, nn.Linear]
    assert [type(layer) for layer in layers] == kinds
    widths = [(c.in_channels, c.out_channels, c.kernel_size, c.padding) for c in layers[:9:3]]
    assert widths == [(i, o, (3, 3), (1, 1)) for i, o in ((3, 32), (32, 64), (64, 128))]
    assert [pool.kernel_size for pool in layers[2:9:3]] == [4, 2, 2]
    assert (model.head.in_features, model.head.out_features) == (128 * 14 * 14, 10)
    assert model(torch.zeros(1, 3, 224, 224, dtype=torch.uint8)).shape == (1, 10)


def random_resnet(classes=3, seed=5):
    """torchvision's network with random weights, its running statistics too."""
    torch.manual_seed(seed)
    model = torchvision.models.resnet18(num_classes=classes)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize("name", RESNETS)
def test_resnet18_is_torchvisions(name):
    model, other = net(name).eval(), random_resnet()
    model.backbone.load_state_dict(
        {key: value for key, value in other.state_dict().items() if not key.startswith("fc.")}
    )
    model.head.load_state_dict(other.fc.state_dict())
    images = batch()["images"]
    torch.testing.assert_close(model(images), other(images / 255), atol=1e-5, rtol=1e-4)


# Loss --------------------------------------------------------------------------------------


@models
def test_label_smoothing_is_torchs_and_theorys_and_for_training_alone(name):
    model, data = net(name, smoothing=0.2), batch()
    logits = model(data["images"]).detach()  # in training mode the batch's own statistics count
    rows = zip(logits.double().numpy(), data["labels"].tolist(), strict=True)
    by_theory = np.mean([losses.smoothed_cross_entropy(row, label, 0.2) for row, label in rows])
    found = model.loss(data)["cross_entropy"].item()
    by_torch = nn.CrossEntropyLoss(label_smoothing=0.2)(logits, data["labels"])
    assert found == pytest.approx(by_theory, abs=1e-5)
    assert found == pytest.approx(by_torch.item(), abs=1e-5)
    model.eval()
    logits = model(data["images"]).detach()
    plain = nn.CrossEntropyLoss()(logits, data["labels"])
    torch.testing.assert_close(model.loss(data)["cross_entropy"], plain)


def test_accuracy_is_reported_and_not_minimised(tmp_path):
    model, data = net("convnet", 16), batch(8, 16)
    del data["copy"]  # training adds it
    terms = model.loss(data)
    hits = model(data["images"]).argmax(dim=1) == data["labels"]
    assert terms["accuracy"] == hits.float().mean() and not terms["accuracy"].requires_grad
    split = Examples(tuple("abcdefgh"), CLASSES, data, ())
    rules = training.Schedule(epochs=2, batch_size=4, learning_rate=0.001, precision="full")
    fabric = training.fabric_for(rules)
    for row in training.fit(fabric, model, split, split, rules, tmp_path / "x.pt").history:
        for part in ("train", "val"):
            assert row[f"{part}_total"] == row[f"{part}_cross_entropy"]
            assert 0 <= row[f"{part}_accuracy"] <= 1


# Weights and normalisation -----------------------------------------------------------------


@pytest.fixture(scope="module")
def other():
    """torchvision's network for ImageNet's classes, with random weights."""
    return random_resnet(1000)


@pytest.fixture(scope="module")
def file(other, tmp_path_factory):
    """Its state in a file."""
    path = tmp_path_factory.mktemp("weights") / "resnet.pt"
    torch.save(other.state_dict(), path)
    return path


def started(name, weights):
    module, rules = MODULES[name], sections(name, weights=str(weights))
    train = Examples((), CLASSES, {}, ())
    torch.manual_seed(0)
    return checkpoint.fresh(module, rules, train)


@models
def test_fresh_weights_see_levels_from_0_to_1(name):
    own = {} if name == "convnet" else {"weights": "none"}
    model = net(name, **own)
    assert (model.mean == 0).all() and (model.std == 1).all()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = batch()["images"]
    model(images)
    assert torch.equal(seen[0], images / 255)


@pytest.mark.parametrize("name", RESNETS)
def test_weights_of_a_file_come_with_imagenets_normalisation(name, file, other):
    model, fresh = started(name, file).eval(), net(name)
    images, seen = batch()["images"], []
    hook = other.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    normal = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    other(normal(images / 255))
    hook.remove()
    torch.testing.assert_close(model.features(images), seen[0], atol=1e-4, rtol=1e-4)
    assert torch.equal(model.head.weight, fresh.head.weight)  # the file's is left out
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("head", [{}, {"fc.weight": torch.zeros(7, 512), "fc.bias": torch.ones(7)}])
def test_a_files_last_layer_does_not_matter(head, file, other, tmp_path):
    plain = {key: v for key, v in other.state_dict().items() if not key.startswith("fc.")}
    torch.save({**plain, **head}, tmp_path / "x.pt")
    one, two = (started("resnet18", path).state_dict() for path in (file, tmp_path / "x.pt"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_published_weights_are_fetched_and_checked(other, monkeypatch):
    asked = []

    def fetch(url, **options):
        asked.append((url, options["check_hash"]))
        return other.state_dict()

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", fetch)
    model = started("resnet18", PUBLISHED)
    assert asked == [(torchvision.models.ResNet18_Weights[PUBLISHED].url, True)]
    assert torch.equal(model.backbone.conv1.weight, other.conv1.weight)
    assert model.mean.flatten().tolist() == pytest.approx(classifier.IMAGENET_MEAN)
    assert model.std.flatten().tolist() == pytest.approx(classifier.IMAGENET_STD)


@pytest.mark.parametrize(
    "error",
    [URLError("no route to host"), RuntimeError('invalid hash value (expected "f37072fd")')],
)
def test_no_network_is_one_error_and_never_fresh_weights(error, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", fail)
    with pytest.raises(InputError, match=f"{PUBLISHED} cannot be downloaded .*; give the path"):
        started("resnet18", PUBLISHED)


def other_net(folder):
    torch.save(torchvision.models.squeezenet1_1().state_dict(), folder / "x.pt")


def deeper(folder):
    torch.save(torchvision.models.resnet34().state_dict(), folder / "x.pt")


BAD_WEIGHTS = {
    "missing": (lambda folder: None, r"x\.pt: no such file, and no name of published ones"),
    "folder": (lambda folder: (folder / "x.pt").mkdir(), r"x\.pt: not a file of weights"),
    "text": (lambda folder: (folder / "x.pt").write_text("hello"), r"x\.pt: not a file of weights"),
    "empty": (lambda folder: (folder / "x.pt").touch(), r"x\.pt: not a file of weights"),
    "code": (
        lambda folder: torch.save({"conv1.weight": print}, folder / "x.pt"),
        r"x\.pt: not a file of weights \(Weights only load failed",
    ),
    "list": (lambda f: torch.save([1], f / "x.pt"), r"x\.pt: expected a state_dict"),
    "nested": (
        lambda folder: torch.save({"state": {"conv1.weight": torch.ones(1)}}, folder / "x.pt"),
        r"x\.pt: expected a state_dict, names and tensors",
    ),
    "numbered": (lambda f: torch.save({0: torch.ones(1)}, f / "x.pt"), "expected a state_dict"),
    "another net": (other_net, r"x\.pt: not those of a ResNet-18: .*Missing key.*conv1\.weight"),
    "deeper": (deeper, r"x\.pt: not those of a ResNet-18: .*Unexpected key.*layer1\.2"),
    "nothing in it": (lambda f: torch.save({}, f / "x.pt"), "not those of a ResNet-18: .*Missing"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights_are_one_error_that_names_the_file(case, fresh_resnet, tmp_path):
    make, message = BAD_WEIGHTS[case]
    make(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        classifier.load_resnet18(fresh_resnet, str(tmp_path / "x.pt"))
    assert len(str(error.value)) < 700 and (fresh_resnet.std == 1).all()


@pytest.fixture(scope="module")
def fresh_resnet():
    return net("resnet18")


def test_a_name_that_is_neither_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="weights IMAGENET1K_V2: no such file, and no name of pub"):
        started("resnet18_augmented", "IMAGENET1K_V2")


@models
def test_a_checkpoint_holds_weights_and_normalisation(name, tmp_path, monkeypatch):
    """Restoring one reads no other weights, even where training started from published ones."""
    own = {} if name == "convnet" else {"weights": PUBLISHED}
    model = net(name, **own)
    model.normalise_as_imagenet()
    monkeypatch.setattr(classifier, "load_resnet18", None)
    path = tmp_path / "m.pt"
    checkpoint.save(path, name, sections(name, **own), CLASSES, model.state_dict(), {})
    again = checkpoint.restore(path, name)
    images = batch()["images"]
    assert torch.equal(again.net(images), model.eval()(images))
    assert torch.equal(again.net.mean, model.mean) and again.net.mean.max() > 0.4


@models
def test_a_checkpoint_with_another_head_is_named(name, tmp_path):
    state = net(name, classes=tuple("abcd")).state_dict()
    checkpoint.save(tmp_path / "m.pt", name, sections(name), CLASSES, state, {})
    told = r"m\.pt: weights of another architecture: .*size mismatch for head\.weight.*\[4, .*\[3, "
    with pytest.raises(InputError, match=told):
        checkpoint.restore(tmp_path / "m.pt", name)


@models
def test_examples_are_images_and_labels(name, tmp_path):
    write_dataset(tmp_path)
    read = MODULES[name].examples(sections(name, 16), tmp_path, "train")
    assert read.categories == CLASSES and len(read.names) == 9
    assert read.tensors["images"].shape == (9, 3, 16, 16)
    assert read.tensors["images"].dtype == torch.uint8
    assert read.tensors["labels"].tolist() == [0, 1, 2] * 3


AUGMENTATION = MODULES["resnet18_augmented"].Parameters
BAD = {
    "size": (classifier.Parameters, {"image_size": 40}, "multiple of 16"),
    "smoothing": (classifier.Parameters, {"label_smoothing": 1.0}, "less than 1"),
    "copies": (AUGMENTATION, {"augmentation": {"copies": -1}}, "augmentation.copies"),
    "scale 0": (AUGMENTATION, {"augmentation": {"scale": [0, 1]}}, "rising, from above 0"),
    "falling": (AUGMENTATION, {"augmentation": {"scale": [1.1, 0.9]}}, "rising, from above 0"),
    "corners": (AUGMENTATION, {"augmentation": {"perspective": 1.0}}, "less than 1"),
    "bright": (AUGMENTATION, {"augmentation": {"brightness": 2}}, "less than or equal to 1"),
    "typo": (AUGMENTATION, {"weight": "none"}, "did you mean 'weights'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_parameters_are_named(case):
    record, values, message = BAD[case]
    with pytest.raises(InputError, match=message):
        params.parse(record, values, "params.yaml: x")


def test_only_the_augmented_one_shows_copies():
    assert not any(hasattr(net(name), "copies") for name in ("convnet", "resnet18"))
    for count in (0, 3):
        assert net("resnet18_augmented", augmentation={"copies": count}).copies == 1 + count
