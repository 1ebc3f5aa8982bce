import numpy as np
import pytest
from scipy import stats

from scalewise.data import poses

SIZE = 128


def length(a, b):
    return np.hypot(*(np.asarray(a) - np.asarray(b)).T)


def drawn(rng, scale=1.0, turn=0.0, line=3.0, front=False):
    joints = poses.standing(rng.uniform(-180, 180, 2), rng.uniform(-90, 90, 2), front)
    return poses.placed(rng, joints, SIZE, scale, turn, line)


@pytest.fixture(scope="module")
def classic():
    """[N, 8, 2] joints of many classic figures."""
    rng = np.random.default_rng(0)
    return np.array([poses.classic(rng).joints for _ in range(4000)])


def test_a_standing_figure_is_where_it_was_worked_out_to_be():
    # Arms level, legs straight down: the shoulders are at -6, the hips at 12.
    joints = poses.standing(np.array([90.0, 90]), np.array([0.0, 0]))
    expected = [(0, -20), (-20, -6), (20, -6), (0, 37), (0, 37), (0, -12), (0, -6), (0, 12)]
    np.testing.assert_allclose(joints, expected, atol=1e-12)


def test_left_is_the_images_left_from_behind_and_its_right_from_the_front():
    arms, legs = np.array([50.0, 20]), np.array([10.0, 30])
    behind, front = poses.standing(arms, legs), poses.standing(arms, legs, front=True)
    assert behind[poses.LEFT_HAND, 0] < 0 < behind[poses.RIGHT_HAND, 0]
    assert behind[poses.LEFT_FOOT, 0] < 0 < behind[poses.RIGHT_FOOT, 0]
    np.testing.assert_allclose(front, behind * [-1, 1], atol=1e-12)


def test_limbs_and_trunk_keep_their_lengths_whatever_the_angles():
    rng = np.random.default_rng(1)
    for _ in range(50):
        scale = rng.uniform(0.6, 1.5)
        joints = drawn(rng, scale, rng.uniform(-180, 180), front=rng.random() < 0.5).joints
        for end, (start, _) in poses.LIMBS.items():
            whole = poses.ARM if start == poses.SHOULDERS else poses.LEG
            assert length(joints[start], joints[end]) == pytest.approx(scale * whole, abs=0.1)
        assert length(*joints[list(poses.TRUNK)]) == pytest.approx(24 * scale, abs=0.1)
        assert length(joints[poses.HEAD], joints[poses.NECK]) == pytest.approx(8 * scale, abs=0.1)


def test_a_positive_turn_is_clockwise():
    # Turned by a quarter, the head of an upright figure is right of its hips.
    joints = drawn(np.random.default_rng(0), turn=90).joints
    np.testing.assert_allclose(joints[poses.HEAD] - joints[poses.HIPS], [32, 0], atol=0.07)


def test_no_figure_reaches_further_than_said():
    rng = np.random.default_rng(2)
    for _ in range(300):
        pose = drawn(rng, line=2.0)
        ends = np.concatenate([pose.joints, pose.joints[[poses.HEAD]]])
        between = np.hypot(*(ends[:, None] - ends[None]).T)
        between[:, poses.HEAD] += pose.radius
        between[poses.HEAD, :] += pose.radius
        np.fill_diagonal(between, 0)
        assert between[:8, :8].max() <= poses.REACH + 0.2


def test_all_of_a_placed_figure_is_inside_and_it_gets_everywhere():
    rng = np.random.default_rng(3)
    boxes = np.array(
        [
            poses.box_of(drawn(rng, rng.uniform(0.5, 1.8), rng.uniform(-180, 180)))
            for _ in range(500)
        ]
    )
    assert boxes.min() >= 0
    assert boxes.max() <= SIZE
    assert (boxes[:, :2].min(axis=0) < 3).all()
    assert (boxes[:, 2:].max(axis=0) > SIZE - 3).all()


def test_the_largest_figure_that_is_allowed_fits_at_every_turn():
    rng = np.random.default_rng(4)
    scale = (SIZE - 4 - 1) / poses.REACH
    for turn in np.linspace(-180, 180, 25):
        joints = poses.standing(np.array([180.0, 180]), np.array([0.0, 0]))
        box = poses.box_of(poses.placed(rng, joints, SIZE, scale, turn, 4.0))
        assert box.min() >= 0
        assert box.max() <= SIZE


def test_places_are_whole_sixteenths():
    pose = drawn(np.random.default_rng(5), 0.77, 33, 2.7)
    numbers = np.array([*pose.joints.ravel(), pose.radius, pose.line]) * poses.GRID
    np.testing.assert_array_equal(numbers, np.rint(numbers))


def test_a_classic_figure_has_the_homeworks_measures(classic):
    centre = (classic[:, poses.NECK] + classic[:, poses.HIPS]) / 2
    assert (centre.min(axis=0) == 40.5).all()
    assert (centre.max(axis=0) == 88.5).all()
    around = classic - centre[:, None]
    for joint, place in ((poses.HEAD, -20), (poses.NECK, -12), (poses.SHOULDERS, -6)):
        assert (around[:, joint] == [0, place]).all()
    for hand in (poses.LEFT_HAND, poses.RIGHT_HAND):
        arm = around[:, hand] - around[:, poses.SHOULDERS]
        assert np.hypot(*arm.T).min() > 20 - np.sqrt(2)
        assert np.hypot(*arm.T).max() <= 20
        assert (np.abs(arm[:, 0]).max(), arm[:, 1].min(), arm[:, 1].max()) == (17, 10, 19)
    spread = around[:, poses.RIGHT_FOOT, 0]
    assert (spread.min(), spread.max()) == (10, 29)
    np.testing.assert_array_equal(around[:, poses.LEFT_FOOT, 0], -spread)
    assert (around[:, [poses.LEFT_FOOT, poses.RIGHT_FOOT], 1] == 37).all()
    assert (classic >= 0).all()
    assert (classic <= poses.CLASSIC_SIZE).all()


def test_classic_hands_are_drawn_from_one_distribution(classic):
    hands = classic[:, [poses.LEFT_HAND, poses.RIGHT_HAND]] - classic[:, [poses.SHOULDERS]]
    for axis in (0, 1):
        assert stats.ks_2samp(hands[:, 0, axis], hands[:, 1, axis]).pvalue > 1e-3
    assert abs(np.corrcoef(hands[:, 0, 0], hands[:, 1, 0])[0, 1]) < 3.5 / np.sqrt(len(hands))


def test_the_box_is_around_head_and_lines():
    # Seen from behind, arms level, legs down: 20 px to either side, the head's top at -28.
    joints = poses.standing(np.array([90.0, 90]), np.array([0.0, 0])) + 64
    box = poses.box_of(poses.Pose(joints, 8, 4))
    np.testing.assert_allclose(box, [64 - 22, 64 - 28, 64 + 22, 64 + 39])
