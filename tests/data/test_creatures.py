import hashlib
import io
import itertools

import numpy as np
import pytest
from PIL import Image

from scalewise import params
from scalewise.data import creatures, store
from scalewise.data.creature import animals, coats, kinds, outlines
from scalewise.data.species import CLASSES, TOTALS
from scalewise.errors import InputError


@pytest.fixture(scope="module")
def few():
    return creatures.Parameters(images=40, image_size=32)


def changed(parameters, **values):
    return creatures.Parameters.model_validate(parameters.model_dump() | values)


def decoded(parameters, crop):
    png = creatures.draw(parameters, crop)
    return np.asarray(Image.open(io.BytesIO(png))).astype(float)


def digest(folder):
    assert [path.name for path in folder.iterdir()] == ["images.tar"]
    return hashlib.sha256((folder / "images.tar").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def folder(few, tmp_path_factory):
    """The dataset of `few`, made by two processes; read only."""
    place = tmp_path_factory.mktemp("creatures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALEWISE_WORKERS", "2")
        creatures.make(few, place)
    return place


def test_layout_is_that_of_the_real_set(folder, few):
    names = [creatures.file_name(crop) for crop in creatures.listed(few)]
    assert len(set(names)) == len(names) == 40
    assert {name.split("/")[0] for name in names} == set(CLASSES)
    assert "amur_tiger/0001_p_crop00_amur_tiger.png" in names
    images = store.Store(folder)
    for name in names[::7]:
        assert images.pixels(name).shape == (32, 32, 3)


def test_classes_have_the_shares_of_the_real_set():
    np.testing.assert_array_equal(creatures.counts(11668), list(TOTALS.values()))
    for images in (20, 333, 1300):
        counts = creatures.counts(images)
        exact = np.array(list(TOTALS.values())) * images / 11668
        assert counts.sum() == images
        assert (np.abs(counts - exact) < 1).all()
    assert 2.1 < creatures.counts(1300).max() / creatures.counts(1300).min() < 2.3


def test_bytes_are_the_same_for_every_number_of_workers(folder, tmp_path, monkeypatch, few):
    monkeypatch.setenv("SCALEWISE_WORKERS", "1")
    creatures.make(few, tmp_path)
    assert digest(tmp_path) == digest(folder)


def test_more_images_leave_the_first_as_they_were(few):
    more = changed(few, images=200)
    assert set(creatures.listed(few)) < set(creatures.listed(more))
    crop = creatures.listed(few)[10]
    assert creatures.draw(few, crop) == creatures.draw(more, crop)


def test_seed_class_frame_and_crop_each_change_the_image(few):
    images = {
        creatures.draw(changed(few, seed=seed), crop)
        for seed in (0, 1)
        for crop in itertools.product((0, 5), (0, 1), (0, 1))
    }
    assert len(images) == 16


def test_frames_have_as_many_crops_as_asked_for(few):
    frames = itertools.groupby(creatures.listed(changed(few, images=900)), lambda c: c[:2])
    sizes = [len(list(crops)) for _, crops in frames]
    assert set(sizes) == {1, 2, 3, 4}
    assert 2.2 < np.mean(sizes) < 2.8
    alone = creatures.listed(changed(few, crops=[1, 1]))
    assert {crop for _, _, crop in alone} == {0}


def test_crops_of_a_frame_are_more_alike_than_those_of_two(few):
    """The same place and light: what a split by image leaks."""
    corners = []
    for category, frame in itertools.product(range(10), range(6)):
        pairs = [decoded(few, (category, frame, n))[:5, :5].mean(axis=(0, 1)) for n in (0, 1)]
        corners.append(pairs)
    corners = np.array(corners)  # [F, 2, 3]
    within = np.abs(corners[:, 0] - corners[:, 1]).mean()
    between = np.abs(corners[:, 0] - np.roll(corners[:, 1], 1, axis=0)).mean()
    assert within < 0.5 * between


def mean_colours(parameters, category, frames=24):
    bare = changed(parameters, noise=0, growth=0, infrared=0, fill=[1, 1])
    pictures = [decoded(bare, (category, n, 0))[8:24, 8:24] for n in range(frames)]
    return np.mean(pictures, axis=(0, 1, 2))


def test_likeness_moves_twins_towards_each_other(few):
    gaps = []
    for likeness in (0, 1):
        pair = [
            mean_colours(changed(few, likeness=likeness), CLASSES.index(name))
            for name in ("black_bear", "brown_bear")
        ]
        gaps.append(np.abs(pair[0] - pair[1]).mean())
    assert gaps[1] < 0.8 * gaps[0]


def test_infrared_frames_have_no_colours(few):
    for share, grey in ((0, False), (1, True)):
        pixels = decoded(changed(few, infrared=share), (1, 0, 0))
        assert (np.ptp(pixels, axis=2).max() == 0) == grey


@pytest.mark.parametrize(
    ("setting", "value"),
    [("blur", [3, 3]), ("noise", 30), ("growth", 40), ("fill", [0.3, 0.3]), ("likeness", 1)],
)
def test_every_setting_of_the_look_shows(setting, value, few):
    other = changed(few, **{setting: value})
    assert all(creatures.draw(few, (1, n, 0)) != creatures.draw(other, (1, n, 0)) for n in (0, 1))


def test_every_kind_can_be_drawn_many_times(few):
    for category, frame in itertools.product(range(10), range(12)):
        assert decoded(few, (category, frame, 0)).std() > 2


BAD = {
    "key": ({"image": 100}, r"creatures\.image: unknown key"),
    "few": ({"images": 5}, r"creatures\.images: .*greater than or equal to 20"),
    "crops": ({"crops": [3, 2]}, r"crops must be rising, from 1 to 100, got \[3, 2\]"),
    "no crops": ({"crops": [0, 2]}, "crops must be rising, from 1"),
    "fill": ({"fill": [0, 1]}, "fill must be rising, from 0.1"),
    "blur": ({"blur": [2, 1]}, "blur must be rising"),
    "likeness": ({"likeness": 1.5}, r"creatures\.likeness: .*less than or equal to 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_parameters_are_told(case):
    values, message = BAD[case]
    with pytest.raises(InputError, match=message):
        params.parse(creatures.Parameters, values, "creatures")


def flat(box, size=200):
    """A view of a box of units on a grey canvas, straight on and not stretched."""
    canvas = np.zeros((3, size, size), np.float32)
    return outlines.looking_at(canvas, np.array(box, float), 1.0, np.zeros(2), 0.0, 1.0)


def covered(outline, box):
    """Units squared that an outline covers of a view."""
    view = flat(box)
    view.fill(outline, np.ones((3, 1, 1), np.float32))
    return view.canvas[0].sum() / view.scale**2


def test_areas_of_outlines_are_those_of_geometry():
    box = (-2, -2, 2, 2)
    assert covered(outlines.ellipse((0.1, 0), (1.5, 0.7), 0.4), box) == pytest.approx(
        np.pi * 1.5 * 0.7, rel=0.01
    )
    # A line of length 2 with round ends of radius .5: 2 x 1 and a disc of .785.
    assert covered(outlines.limb((-1, 0), (1, 0), 0.5), box) == pytest.approx(
        2 + np.pi / 4, rel=0.01
    )
    corners = [(-1, -1), (1, -1), (0, 1)]
    for turned in (corners, corners[::-1]):
        assert covered(outlines.facet(turned), box) == pytest.approx(2, rel=0.01)


def test_boxes_of_outlines_are_tight():
    rng = np.random.default_rng(0)
    view = flat((-2, -2, 2, 2), 400)
    for _ in range(20):
        start, end, middle = (tuple(point) for point in rng.uniform(-1, 1, (3, 2)))
        angles = rng.uniform(0, 2 * np.pi) + np.arange(5) * 2 * np.pi / 5
        for outline in (
            outlines.ellipse(start, (0.6, 0.2), angles[0]),
            outlines.limb(start, end, 0.1, 0.3),
            outlines.facet([(middle[0] + np.cos(a), middle[1] + np.sin(a)) for a in angles]),
        ):
            inside = outline.distance(view.u, view.v) <= 0
            u, v = view.u[inside], view.v[inside]
            found = np.array([u.min(), v.min(), u.max(), v.max()])
            np.testing.assert_allclose(found, outline.box.clip(-2, 2), atol=0.025)


def test_a_view_puts_the_middle_of_the_box_where_it_is_told():
    canvas, box = np.zeros((3, 64, 64), np.float32), np.array([1.0, 2.0, 3.0, 3.0])
    view = outlines.looking_at(canvas, box, 0.5, np.array([0.25, 0.0]), 0.0, -1.0)
    assert view.scale == 16  # half of 64 px for 2 units
    assert view.u[32, 48] == pytest.approx(2, abs=0.05)
    assert view.v[32, 48] == pytest.approx(2.5, abs=0.05)
    assert view.u[32, 40] > view.u[32, 48]  # it faces left


def test_a_build_between_two_is_between_them_and_keeps_what_is_its_own():
    roe, sika = kinds.BUILDS["roe_deer"], kinds.BUILDS["sika_deer"]
    middle = animals.between(roe, sika, 0.5)
    assert middle.leg == pytest.approx((roe.leg + sika.leg) / 2)
    assert middle.tines == roe.tines
    assert animals.between(roe, sika, 0.0) == roe
    leopard, tiger = kinds.COATS["amur_leopard"][0], kinds.COATS["amur_tiger"][0]
    coat = coats.between(leopard, tiger, 0.5)
    np.testing.assert_allclose(coat.back, (leopard.back + tiger.back) / 2)
    assert coat.pattern == "spots" and coat.strength < leopard.strength


@pytest.mark.parametrize("pattern", sorted(coats.PATTERNS))
def test_patterns_mark_some_of_the_body_and_the_state_decides(pattern):
    view = flat((-0.5, 0.4, 0.5, 0.8))
    coat = coats.coat("808080", "808080", "ffffff", pattern, 1)
    one, again, other = (
        coats.pelt(np.random.default_rng(seed), coat, view.u, view.v, np.array([0.4, 0.8]))
        for seed in (3, 3, 4)
    )
    marked = (one[0] > 190).mean()
    assert (one == again).all()
    if pattern == "plain":
        assert marked == 0
    else:
        assert 0.03 < marked < 0.7
        assert (one != other).any()
