import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import jensenshannon
from torch import nn

from no_copies import NoCopies
from scalewise import checkpoint, params
from scalewise.coco_keypoints import swaps
from scalewise.data import poses
from scalewise.errors import InputError
from scalewise.models import keypoints, soft_argmax
from scalewise.models.keypoints import Jitter
from scalewise.prediction.decoding import decode

NAMES = poses.KEYPOINTS
K = len(NAMES)
SWAP = torch.tensor(swaps(NAMES))
SIZE = 32
MODELS = ("heatmap", "regression", "soft_argmax")
VARIANTS = [
    ("heatmap", {}, {}),
    ("heatmap", {}, {"skips": False, "resolution": 8}),
    ("heatmap", {}, {"resolution": 32}),
    ("regression", {"head": "spatial"}, {}),
    ("regression", {"head": "pooled", "error": "l2", "dropout": 0.1}, {}),
    ("regression", {"hidden": ()}, {}),
    ("soft_argmax", {}, {}),
    ("soft_argmax", {"one_peak": 0}, {"skips": False}),
]
ALL = {"rotation": 30, "scale": 0.2, "shift": 0.1, "mirror": "renamed"}


def net(model, own=None, widths=(4, 6, 8, 8), size=SIZE, jitter=None, **rules):
    """A tiny net, whose maps are half of its input unless said otherwise."""
    shown = {"input": {"size": size}, "widths": widths, "jitter": jitter or {}}
    shared = keypoints.Parameters(encoder=shown, **{"resolution": size // 2, "sigma": 1} | rules)
    module = checkpoint.find_model(model)
    given = {"keypoints": shared, "keypoints.encoder": shared.encoder}
    given[model] = module.Parameters(**own or {})
    torch.manual_seed(0)
    return module.build({name: given[name] for name in module.SECTIONS}, NAMES)


def batch(images=4, seed=0, size=SIZE, hidden=0.0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (images, 1, size, size), generator=generator, dtype=torch.uint8)
    points = 4 + (size - 8) * torch.rand(images, K, 2, generator=generator)
    visible = torch.rand(images, K, generator=generator) >= hidden
    return {"images": pixels, "points": points, "visible": visible}


def total(detector, data):
    return sum(detector.loss(data).values())


class Says(nn.Module):
    """Stands in for a part of a net, whose answer it knows."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, _):
        return self.answer


def perfect(model, data, **rules):
    """A net that says just the truth of a batch."""
    detector, size = net(model, **rules), data["images"].shape[-1]
    if model == "regression":
        detector.encoder = Says([None])
        detector.head = Says((data["points"] / size).logit().flatten(1))
        return detector
    own = detector.rules
    maps = keypoints.gaussians(data["points"], size, own.resolution, own.sigma)
    detector.net = Says(maps if model == "heatmap" else maps.clamp(min=1e-30).log())
    return detector


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("resolution", [32, 64, 128])
@pytest.mark.parametrize("model", ["heatmap", "soft_argmax"])
def test_maps_have_the_side_asked_for(model, resolution, skips):
    maps = net(model, size=128, resolution=resolution, skips=skips)(batch(2, size=128)["images"])
    assert maps.shape == (2, K, resolution, resolution) and maps.dtype == torch.float32


@pytest.mark.parametrize("size", [16, 48])
@pytest.mark.parametrize("share", [1, 2, 4])
def test_maps_fit_inputs_of_any_multiple_of_16(size, share):
    maps = net("heatmap", size=size, resolution=size // share)(batch(2, size=size)["images"])
    assert maps.shape[2:] == (size // share, size // share)


@pytest.mark.parametrize("head", ["pooled", "spatial"])
def test_coordinates_are_shares_of_the_side(head):
    detector, data = net("regression", {"head": head}).eval(), batch()
    found = detector(data["images"])
    assert found.shape == (4, K, 2) and ((found > 0) & (found < 1)).all()
    points, scores = detector.points(data["images"])
    torch.testing.assert_close(points, found * SIZE)
    assert (scores == 1).all() and scores.shape == (4, K)


def test_the_homework_nets_are_settings():
    """Encoder 32/64/128/256, decoder 128/64/32 with skips, 5x64x64; or the mean, 128, 64, 10."""
    widths = (32, 64, 128, 256)
    detector = net("heatmap", widths=widths, size=128)
    image = torch.zeros(1, 1, 128, 128, dtype=torch.uint8)
    found = [tuple(m.shape[1:]) for m in detector.net.encoder(image)]
    assert found == [(32, 64, 64), (64, 32, 32), (128, 16, 16), (256, 8, 8)]
    assert [rise[0].out_channels for rise in detector.net.decoder.rising] == [128, 64, 32]
    assert detector(image).shape == (1, 5, 64, 64)
    head = net("regression", {"head": "pooled"}, widths, 128).head
    assert [layer.out_features for layer in head if hasattr(layer, "bias")] == [128, 64, 10]


def test_only_the_spatial_head_sees_where_things_are():
    """The pooled one says the same when the cells of the last map change places."""
    cells = torch.rand(1, 8, 8, 8)
    moved = cells.flip(-1)
    for head, same in (("pooled", True), ("spatial", False)):
        part = net("regression", {"head": head}, size=128).eval().head
        assert torch.allclose(part(cells), part(moved), atol=1e-5) == same


def test_skips_bring_in_the_encoders_maps():
    """Without them nothing but the last map matters."""
    for skips in (True, False):
        decoder = net("heatmap", skips=skips).eval().net.decoder
        maps = [torch.rand(1, w, s, s) for w, s in zip((4, 6, 8, 8), (16, 8, 4, 2), strict=True)]
        one, two = decoder(maps), decoder([torch.rand_like(m) for m in maps[:-1]] + maps[-1:])
        assert torch.equal(one, two) != skips


@pytest.mark.parametrize(("model", "own", "rules"), VARIANTS, ids=str)
def test_every_parameter_gets_a_gradient(model, own, rules):
    detector, data = net(model, own, jitter=ALL, **rules), batch(hidden=0.2)
    total(detector, detector.augment(data, torch.rand(4, 8))).backward()
    for name, parameter in detector.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("model", MODELS)
def test_one_batch_overfits(model):
    detector, data = net(model, widths=(8, 12, 16, 16)), batch()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=0.01)
    first = last = None
    for _ in range(80):
        loss = total(detector, data)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = first or loss.item(), loss.item()
    assert last < 0.25 * first


@pytest.mark.parametrize(("model", "own", "rules"), VARIANTS, ids=str)
def test_a_figures_loss_does_not_depend_on_its_batch(model, own, rules):
    """Which is why two processes train like one."""
    detector, data = net(model, own, **rules).eval(), batch(hidden=0.4)
    together = detector.loss(data)
    alone = [detector.loss({k: v[n : n + 1] for k, v in data.items()}) for n in range(4)]
    for name, term in together.items():
        torch.testing.assert_close(term, torch.stack([a[name] for a in alone]).mean())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("away", [3, -1e6, 1e9])
def test_invisible_keypoints_take_no_part(model, away):
    detector, data = net(model), batch(hidden=0.5)
    other = {**data, "points": data["points"] + away * ~data["visible"].unsqueeze(-1)}
    grads = []
    for given in (data, other):
        detector.zero_grad()
        total(detector, given).backward()
        grads.append([p.grad.clone() for p in detector.parameters()])
    torch.testing.assert_close(*grads, rtol=0, atol=0)
    assert total(detector.eval(), data) == total(detector, other) > 0


@pytest.mark.parametrize("model", MODELS)
def test_without_a_visible_keypoint_there_is_nothing_to_learn(model):
    detector, data = net(model), batch(hidden=1.1)
    loss = total(detector, data)
    loss.backward()
    assert loss == 0
    assert all((p.grad == 0).all() for p in detector.parameters())


@pytest.mark.parametrize("model", MODELS)
def test_perfect_answers_cost_nothing_and_worse_ones_more(model):
    data = batch(seed=1)
    data["points"] = data["points"] / 2 + SIZE / 4  # the whole Gaussian is within the map
    costs = []
    for shift in (0, 1, 2, 4):
        moved = {**data, "points": data["points"] + shift}
        costs.append(total(perfect(model, moved), data).item())
    assert costs == sorted(costs) and costs[0] < 2e-4 < 10 * costs[0] + 0.01 < costs[1]


@pytest.mark.parametrize("model", ["regression", "heatmap"])
def test_losses_by_hand(model):
    """Every point is 1 px to the right and 1 px lower than said.

    Regression: 1 / 32 of the side along either axis. Heatmap: Gaussians of sigma s = 1 cell whose
    centres are d = sqrt(1/2) cells apart; the squares sum to pi s^2 each, the product to
    pi s^2 exp(-d^2 / 4 s^2), so 2 pi (1 - exp(-1 / 8)) = .7383.
    """
    data = batch(seed=1)
    data["points"] = data["points"] / 2 + SIZE / 4
    said = perfect(model, {**data, "points": data["points"] + 1})
    expected = 0.7383 if model == "heatmap" else 1 / 32
    assert total(said, data).item() == pytest.approx(expected, rel=1e-3)


# Targets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [1, 2, 3, 4])
@pytest.mark.parametrize("cells", [32, 64, 128])
def test_gaussians_decode_to_where_they_were_drawn(cells, sigma):
    """To .02 px; a divisor of R - 1 would be up to 3.6 px off at R = 32."""
    generator = torch.Generator().manual_seed(cells + sigma)
    points = 8 + 112 * torch.rand(20, K, 2, generator=generator)
    maps = keypoints.gaussians(points, 128, cells, sigma)
    found, score = decode(maps, 128, "taylor")
    assert (found - points).abs().max() < 0.02
    # At worst the point is where four cells meet, half a cell away from each along x and y.
    assert (score > np.exp(-0.25 / sigma**2) - 1e-6).all() and (score <= 1).all()


def test_a_gaussian_by_hand():
    """Centre 6, 2 px of 8 is 3, 1 cells of 4: between columns 2 and 3, rows 0 and 1."""
    (found,) = keypoints.gaussians(torch.tensor([[[6.0, 2.0]]]), 8, 4, 1.0)[0]
    along_x = np.exp(-(np.array([2.5, 1.5, 0.5, 0.5]) ** 2) / 2)
    along_y = np.exp(-(np.array([0.5, 0.5, 1.5, 2.5]) ** 2) / 2)
    np.testing.assert_allclose(found, np.outer(along_y, along_x), rtol=1e-6)


def test_a_gaussian_of_a_far_point_is_nothing():
    maps = keypoints.gaussians(torch.tensor([[[1e9, 5.0], [-1e6, -1e6]]]), 32, 16, 2.0)
    assert (maps == 0).all()


# Soft-argmax -------------------------------------------------------------------------------


def distributions(seed, sharp, count=3, cells=12):
    generator = torch.Generator().manual_seed(seed)
    logits = sharp * torch.randn(count, K, cells * cells, generator=generator)
    return logits.log_softmax(-1).view(count, K, cells, cells)


@pytest.mark.parametrize("sharp", [0, 1, 10])
def test_the_mean_place_is_the_centre_of_mass(sharp):
    shares = distributions(sharp, sharp).exp()
    found = soft_argmax.mean_place(shares, 48)
    for n, k in np.ndindex(3, K):
        y, x = ndimage.center_of_mass(shares[n, k].numpy())
        expected = ((x + 0.5) * 4, (y + 0.5) * 4)
        assert found[n, k].tolist() == pytest.approx(expected, abs=1e-3)


def test_the_mean_place_is_exact_in_mixed_precision():
    shares = distributions(0, 5).exp()
    with torch.autocast("cpu", torch.bfloat16):
        found = soft_argmax.mean_place(shares, 128)
    torch.testing.assert_close(found, soft_argmax.mean_place(shares, 128))


@pytest.mark.parametrize("sharp", [0.1, 1, 10])
def test_the_divergence_is_scipys(sharp):
    target, logs = distributions(1, sharp).exp(), distributions(2, sharp)
    found = soft_argmax.divergence(target, logs)
    for n, k in np.ndindex(3, K):
        one, two = target[n, k].flatten().numpy(), logs[n, k].exp().flatten().numpy()
        assert found[n, k].item() == pytest.approx(jensenshannon(one, two) ** 2, abs=1e-5)


def test_the_divergence_of_equals_is_0_and_of_strangers_ln_2():
    logs = distributions(0, 3)
    torch.testing.assert_close(soft_argmax.divergence(logs.exp(), logs), torch.zeros(3, K))
    apart = torch.full((1, 1, 2, 2), -1e4)
    apart[..., 0, 0] = 0
    target = torch.zeros(1, 1, 2, 2)
    target[..., 1, 1] = 1
    assert soft_argmax.divergence(target, apart).item() == pytest.approx(np.log(2), abs=1e-6)


def test_a_sharp_peak_has_a_high_score_and_a_flat_map_a_low_one():
    data = batch(seed=1)
    detector = perfect("soft_argmax", data)
    points, scores = detector.points(data["images"])
    assert (points - data["points"]).abs().max() < 0.5
    # Of a Gaussian, 1 - exp(-1 / 2) = .39 lies within a sigma; few cells make that uneven.
    assert ((scores > 0.2) & (scores < 0.6)).all()
    detector.net = Says(torch.zeros(4, K, 16, 16))
    assert (detector.points(data["images"])[1] < 0.03).all()


@pytest.mark.parametrize("model", ["heatmap", "soft_argmax"])
def test_snapshots_are_small_and_show_the_peaks(model):
    data = batch(seed=1)
    maps = perfect(model, data).snapshot(data)["maps"]
    assert maps.shape == (4, K, 16, 16) and maps.dtype == torch.uint8
    found, _ = decode(maps.float(), SIZE, "argmax")
    assert (found - data["points"]).abs().max() <= 1.0 + 1e-3  # within the cell
    assert maps.amax((2, 3)).min() > 180


# Augmentation ------------------------------------------------------------------------------


def dots(points, size=64):
    """One image a point [B, 2], grey with a bright soft dot there, and that point as every one."""
    middle = torch.arange(size) + 0.5
    x, y = (-(middle - points.unsqueeze(-1)).square() / 8).exp().unbind(1)
    pixels = 40 + 200 * y.unsqueeze(-1) * x.unsqueeze(-2)
    return {
        "images": pixels.unsqueeze(1).round().byte(),
        "points": points.unsqueeze(1).repeat(1, K, 1),
        "visible": torch.ones(len(points), K, dtype=torch.bool),
    }


JITTERS = {
    "rotation": {"rotation": 180},
    "scale": {"scale": 0.3},
    "shift": {"shift": 0.2},
    "mirror": {"mirror": "kept"},
    "renamed": {"mirror": "renamed"},
    "all": ALL,
}


@pytest.mark.parametrize("jitter", JITTERS)
def test_points_and_pixels_move_together(jitter):
    generator = torch.Generator().manual_seed(0)
    data = dots(20 + 24 * torch.rand(16, 2, generator=generator))
    draws = torch.rand(16, 8, generator=generator)
    found = keypoints.moved(data, draws, Jitter(**JITTERS[jitter]), SWAP)
    assert found["images"].shape == data["images"].shape
    assert (found["points"] - data["points"]).abs().max() > 2
    for n in range(16):
        seen = found["images"][n, 0].double() - 40
        assert seen.max() > 100 and found["visible"][n].all()
        y, x = ndimage.center_of_mass(seen.clamp(min=5).numpy() - 5)
        assert found["points"][n, 0].tolist() == pytest.approx((x + 0.5, y + 0.5), abs=0.25)


@pytest.mark.parametrize(("mirror", "order"), [("renamed", SWAP.tolist()), ("kept", range(K))])
def test_a_mirrored_image_by_hand(mirror, order):
    """Draw 4 decides: below 1 / 2 mirrors. x becomes 32 - x; renamed, left becomes right."""
    data = batch(2, hidden=0.5)
    draws = torch.full((2, 5), 0.5)
    draws[0, 4] = 0.4
    found = keypoints.moved(data, draws, Jitter(mirror=mirror), SWAP)
    torch.testing.assert_close(found["images"][0], data["images"][0].flip(-1).float())
    torch.testing.assert_close(found["images"][1], data["images"][1].float())
    for k, other in enumerate(order):
        x, y = data["points"][0, other].tolist()
        assert found["points"][0, k].tolist() == pytest.approx((SIZE - x, y), abs=1e-4)
        assert found["visible"][0, k] == data["visible"][0, other]
    torch.testing.assert_close(found["points"][1], data["points"][1])


def test_a_shift_and_a_turn_by_hand():
    """All draws .75, half of the way up: 90 degrees of 180 turn +x to +y, then 8 px of 16."""
    draws = torch.full((1, 5), 0.75)
    data = {**batch(1), "points": torch.tensor([[[10.0, 16.0]]]), "visible": torch.ones(1, 1) > 0}
    turned = keypoints.moved(data, draws, Jitter(rotation=180), torch.arange(1))
    torch.testing.assert_close(turned["points"], torch.tensor([[[16.0, 10.0]]]))
    rotated = data["images"][0, 0].rot90(-1).float()
    torch.testing.assert_close(turned["images"][0, 0], rotated, atol=0.01, rtol=0)
    shifted = keypoints.moved(data, draws, Jitter(shift=0.25), torch.arange(1))
    torch.testing.assert_close(shifted["points"], torch.tensor([[[14.0, 20.0]]]))
    torch.testing.assert_close(
        shifted["images"][..., 4:, 4:], data["images"][..., :-4, :-4].float()
    )
    grown = keypoints.moved(data, draws, Jitter(scale=0.5), torch.arange(1))
    torch.testing.assert_close(grown["points"], torch.tensor([[[8.5, 16.0]]]))


def test_what_leaves_the_image_is_no_longer_visible():
    data = {**batch(1), "points": torch.tensor([[[2.0, 16.0], [30.0, 16.0]]])}
    data["visible"] = torch.ones(1, 2, dtype=torch.bool)
    draws = torch.tensor([[0.5, 0.5, 0.0, 0.5, 0.9]])  # 8 px to the left
    found = keypoints.moved(data, draws, Jitter(shift=0.25), torch.arange(2))
    assert found["visible"].tolist() == [[False, True]]


@pytest.mark.parametrize("model", MODELS)
def test_without_jitter_nothing_moves(model):
    data = batch()
    assert net(model).augment(data, torch.rand(4, 8)) == data


@pytest.mark.parametrize("jitter", JITTERS)
def test_the_middle_of_the_draws_moves_nothing(jitter):
    data = batch()
    found = keypoints.moved(data, torch.full((4, 5), 0.5), Jitter(**JITTERS[jitter]), SWAP)
    torch.testing.assert_close(found["images"], data["images"].float(), atol=0.01, rtol=0)
    torch.testing.assert_close(found["points"], data["points"])


# A step on a device ------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_a_step_needs_no_values(model):
    """On the meta device there are none: a shape that depends on them, or a look at one, raises."""
    detector = net(model, jitter=ALL).to("meta")
    data = {name: value.to("meta") for name, value in batch().items()}
    loss = total(detector, detector.augment(data, torch.rand(4, 8, device="meta")))
    loss.backward()
    assert loss.device.type == "meta"


@pytest.mark.parametrize("model", MODELS)
def test_a_step_copies_nothing_from_the_host(model):
    detector, data = net(model, jitter=ALL), batch()
    with NoCopies():
        total(detector, detector.augment(data, torch.rand(4, 8))).backward()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", MODELS)
def test_a_step_never_waits_for_the_gpu(model):
    detector = net(model, jitter=ALL).cuda()
    data = {name: value.cuda() for name, value in batch().items()}
    draws = torch.rand(4, 8, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        total(detector, detector.augment(data, draws)).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


# Parameters --------------------------------------------------------------------------------


def shown(**values):
    return {"encoder": {"input": values}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"resolution": 48}, "resolution 48 does not fit encoder.input.size 128 (choices: 32, 64"),
        ({**shown(size=96), "resolution": 64}, "64 does not fit encoder.input.size 96 (choices: 2"),
        ({**shown(size=512)}, "resolution 64 does not fit encoder.input.size 512"),
        ({"resolution": 0}, "keypoints.resolution: "),
        ({"resolution": "64"}, "keypoints.resolution: "),
        (shown(size=100), "keypoints.encoder.input.size: input should be a multiple of 16"),
        (shown(channels=2), "keypoints.encoder.input.channels: "),
        (shown(window="figure"), "'image' or 'box'"),
        (shown(margin=0.9), "keypoints.encoder.input.margin: "),
        ({"encoder": {"widths": [8, 8]}}, "keypoints.encoder.widths"),
        ({"encoder": {"widths": [8, 8, 8, 0]}}, "keypoints.encoder.widths.3"),
        ({"encoder": {"jitter": {"mirror": True}}}, "keypoints.encoder.jitter.mirror: "),
        ({"encoder": {"jitter": {"shift": 0.5}}}, "keypoints.encoder.jitter.shift: "),
        ({"sigma": 0}, "keypoints.sigma: "),
        ({"sigmas": 2}, "did you mean 'sigma'"),
    ],
)
def test_bad_parameters_are_named(values, message):
    with pytest.raises(InputError) as error:
        params.parse(keypoints.Parameters, values, "params.yaml: keypoints")
    assert message in str(error.value)
