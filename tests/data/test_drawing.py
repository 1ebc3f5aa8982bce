import numpy as np
import pytest

from scalewise.data import drawing


def square(left, top, side):
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return np.array([left, top]) + side * corners


def test_square_on_the_grid_covers_its_pixels_and_no_other():
    patch = drawing.polygon(square(3, 5, 4), 20)
    assert (patch.columns, patch.rows) == (slice(3, 7), slice(5, 9))
    np.testing.assert_array_equal(patch.alpha, np.ones((4, 4)))


def test_half_covered_pixels_are_half_covered():
    patch = drawing.polygon(square(3.5, 5.0, 4), 20)  # columns 3 and 7 by half
    np.testing.assert_allclose(patch.alpha[0], [0.5, 1, 1, 1, 0.5], atol=1e-6)


@pytest.mark.parametrize("radius", [5, 17.3, 80])
def test_disc_covers_its_area(radius):
    patch = drawing.disc(np.array([100.2, 99.7]), radius, 200)
    assert patch.alpha.sum() == pytest.approx(np.pi * radius**2, rel=0.005)
    assert patch.mask.sum() == pytest.approx(np.pi * radius**2, rel=0.03)


def test_outside_the_canvas_is_cut_off():
    patch = drawing.disc(np.array([0.0, 20.0]), 6, 20)
    assert (patch.columns, patch.rows) == (slice(0, 6), slice(14, 20))
    assert drawing.disc(np.array([-50.0, 5]), 6, 20).alpha.size == 0


def test_hard_edges_are_all_or_nothing():
    patch = drawing.disc(np.array([10.3, 9.8]), 6, 20)
    assert set(np.unique(patch.alpha)) > {0, 1}
    assert set(np.unique(patch.hard().alpha)) == {0, 1}
    np.testing.assert_array_equal(patch.hard().mask, patch.mask)


def test_paint_mixes_by_coverage():
    canvas = np.full((3, 20, 20), 100, np.float32)
    drawing.paint(canvas, drawing.polygon(square(3.5, 5, 4), 20), np.array([200.0, 100, 0]))
    np.testing.assert_allclose(canvas[:, 6, 3], [150, 100, 50], atol=1e-3)
    np.testing.assert_allclose(canvas[:, 6, 5], [200, 100, 0], atol=1e-3)
    np.testing.assert_array_equal(canvas[:, 6, 9], [100, 100, 100])


def test_pixels_are_rounded_and_cut_and_rgb_comes_last():
    canvas = np.array([-3, 12.6, 300], np.float32)[:, None, None] * np.ones((3, 2, 4), np.float32)
    pixels = drawing.to_pixels(canvas)
    assert pixels.shape == (2, 4, 3)
    assert pixels[0, 0].tolist() == [0, 13, 255]


def test_chosen_colour_stands_out_or_does_the_best_it_can():
    rng = np.random.default_rng(0)
    ground = np.full((3, 40, 40), 128, np.float32)
    for _ in range(20):
        colour = drawing.contrasting(rng, ground, 60)
        assert np.sqrt(np.mean((colour - 128) ** 2)) >= 60
    most = drawing.contrasting(rng, ground, 255, tries=200)  # grey is at most 128 from any
    assert np.sqrt(np.mean((most - 128) ** 2)) > 100


def test_backgrounds_differ_and_are_seeded():
    def background(seed):
        rng = np.random.default_rng(seed)
        canvas = drawing.gradient(rng, 32)
        drawing.add_texture(rng, canvas, 12)
        drawing.add_line(rng, canvas)
        return canvas

    assert background(0).shape == (3, 32, 32)
    np.testing.assert_array_equal(background(0), background(0))
    assert np.abs(background(0) - background(1)).mean() > 5


def test_texture_has_about_the_strength_asked_for():
    rng = np.random.default_rng(0)
    strengths = []
    for _ in range(50):
        canvas = np.zeros((3, 64, 64), np.float32)
        drawing.add_texture(rng, canvas, 20)
        strengths.append(canvas.std())
    assert 12 < np.mean(strengths) < 24


@pytest.mark.parametrize("end", [(60.0, 40.2), (40.3, 75.0), (20.3, 20.2)])
def test_segment_covers_a_line_with_round_ends(end):
    start, end = np.array([40.3, 40.2]), np.array(end)
    patch = drawing.segment(start, end, 6, 100)
    length = np.hypot(*(end - start))
    assert patch.alpha.sum() == pytest.approx(6 * length + np.pi * 9, rel=0.01)
    y, x = np.argwhere(patch.mask).T + 0.5 + [[patch.rows.start], [patch.columns.start]]
    along = np.stack([x, y], axis=1) - start
    share = np.clip(along @ (end - start) / length**2, 0, 1)
    assert np.hypot(*(along - share[:, None] * (end - start)).T).max() <= 3


def test_segment_without_length_is_a_disc():
    centre = np.array([10.3, 9.8])
    one, two = drawing.segment(centre, centre, 8, 20), drawing.disc(centre, 4, 20)
    np.testing.assert_allclose(one.alpha, two.alpha, atol=1e-5)
