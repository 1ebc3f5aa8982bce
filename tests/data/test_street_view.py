import numpy as np
import pytest

from scalewise.data.camvid_classes import CAMVID
from scalewise.data.street import layout, view
from scalewise.data.street.faces import KIND, NEAR, across, along, box, level, moved
from scalewise.data.street.scenes import BACK, GROUND, TRAFFIC, WALK, Light, Street

FLAT = Light(
    sun=np.array([0.0, 1, 0]), strength=1.0, tint=np.ones(3), high=np.full(3, 120.0),
    low=np.full(3, 200.0), clouds=0.0, haze=1e9, shadow=0.5,
)  # fmt: skip
STILL = view.Pose(x=0.0, z=0.0, yaw=0.0, horizon=0.46, seconds=0.0)


def empty(**values):
    given = {"light": FLAT, "half": 4.0, "speed": 5.0, "bend": 0.0, "length": 100.0}
    return Street(**given | values, bonnet=False)


def seen(street, pose=STILL, size=(64, 48)):
    """The label map of a street."""
    street.shade((80, 81), (5, 6), 1)
    models = [view.model(part, street.light) for part in (street.things, street.shadows)]
    camera = view.View(street, pose, size)
    return view.render(np.random.default_rng(0), camera, *models, 0)


def test_points_are_projected_as_by_hand():
    # 320 wide: 736 samples of focal length. x: 320 + 736 * 1 / 10; y: 220.8 + 736 * 1.4 / 10
    camera = view.View(empty(), STILL, (320, 240))
    points = np.array([[1, 0, 10], [0, 1.4, 10], [-2, 2.4, 20.0]])
    assert camera.project(points).tolist() == [[394, 324], [320, 221], [246, 184]]
    assert (camera.columns, camera.rows) == (641, 481)


def test_ground_is_as_far_as_its_row_says():
    camera = view.View(empty(), STILL, (320, 240))
    far = camera.ground()[:, 0]
    for z in (4, 9, 30):
        row = camera.project(np.array([[0, 0, z]]))[0, 1]
        assert far[row] == pytest.approx(z, rel=0.03)


def test_what_is_behind_is_cut_off():
    # from z = -1 to z = 3 at x = 2: of the edge of 4 m what lies beyond 0.6 m is left
    cut = view.ahead(np.array([[2, 0, -1.0], [2, 0, 3], [2, 4, 3], [2, 4, -1]]))
    left = [[2, 0, 0.6], [2, 0, 3], [2, 4, 0.6], [2, 4, 3]]
    np.testing.assert_allclose(sorted(cut.round(9).tolist()), left)
    triangle = np.array([[0, 0, 0.1], [1, 0, 1.1], [2, 0, 0.1]])
    np.testing.assert_allclose(view.ahead(triangle)[:, 0], [0.5, 1, 1.5])


def test_label_is_the_face_at_the_pixels_centre():
    street = empty()
    street.add([across("Wall", (250, 0, 0), (-1, 1), (0, 2.8))], BACK, 0, 5)
    _, labels = seen(street)
    # 64 wide: 73.6 px of focal length, 22.08 px to the horizon, eyes at 1.4 m
    x = (np.arange(64) + 0.5 - 32) / 73.6 * 5
    y = 1.4 - (np.arange(48) + 0.5 - 22.08) / 73.6 * 5
    inside = (np.abs(x) < 1)[None] & (np.abs(y - 1.4) < 1.4)[:, None]
    found = labels == KIND["Wall"]
    assert set(np.unique(labels)) == {KIND["Wall"], KIND["Sky"]}
    assert (found & ~inside).sum() + (inside & ~found).sum() <= 0.04 * inside.sum()
    np.testing.assert_array_equal(found[:, ::-1], found)


def test_nearer_things_hide_farther_ones_whatever_the_order():
    for order in ((6, 12), (12, 6)):
        street = empty()
        for z in order:
            kind = "Car" if z == 6 else "Tree"
            street.add([across(kind, (0, 0, 0), (-1, 1), (0, 3))], WALK, 0, z)
        _, labels = seen(street)
        assert labels[22, 32] == KIND["Car"]


def test_later_layers_hide_earlier_ones():
    street = empty()
    street.add([across("Car", (0, 0, 0), (-1, 1), (0, 3))], TRAFFIC, 0, 9)
    street.add([across("Tree", (0, 0, 0), (-1, 1), (0, 3))], BACK, 0, 6)
    assert seen(street)[1][22, 32] == KIND["Car"]


def test_a_bridge_hides_all_that_is_beyond_it():
    street = empty()
    street.add([across("Car", (0, 0, 0), (-1, 1), (0, 3))], TRAFFIC, 0, 20)
    street.add([across("Bridge", (0, 0, 0), (-3, 3), (0, 6))], BACK, 0, 10)
    assert seen(street)[1][22, 32] == KIND["Car"]
    street.bridges.append(10)
    assert seen(street)[1][22, 32] == KIND["Bridge"]


def test_faces_are_seen_from_their_side_only():
    street = empty()
    street.add([across("Wall", (0, 0, 0), (-9, 9), (-9, 9), facing=(0, 0, 1.0))], BACK, 0, 5)
    assert (seen(street)[1] == KIND["Sky"]).all()
    street.add([across("Wall", (0, 0, 0), (-9, 9), (-9, 9), facing=NEAR)], BACK, 0, 5)
    assert (seen(street)[1] == KIND["Wall"]).all()


def test_a_box_is_closed():
    """From either side what is seen of a box is the outline of all its corners."""
    for x in (-2.0, 0.0, 2.0):
        street = empty()
        street.add(box("Car", (0, 0, 0), (-1, 1), (0, 1.2), (0, 4)), TRAFFIC, x, 8)
        _, labels = seen(street, size=(160, 120))
        columns = np.flatnonzero((labels == KIND["Car"]).any(axis=0))
        camera = view.View(street, STILL, (160, 120))
        corners = camera.project(view.model(street.things, FLAT).points)[:, 0] / 2
        assert abs(columns[0] - corners.min()) <= 1.5
        assert abs(columns[-1] + 1 - corners.max()) <= 1.5
        assert (np.diff(columns) == 1).all()


def test_things_move_and_the_camera_drives_on():
    street = empty()
    wall = [across("Wall", (0, 0, 0), (-1, 1), (0, 2.8))]
    street.add(wall, BACK, 0, 20)
    later = view.Pose(x=0.0, z=10.0, yaw=0.0, horizon=0.46, seconds=2.0)
    ahead, behind = empty(), empty()
    ahead.add(wall, BACK, 0, 10)
    behind.add(wall, BACK, 0, 20, speed=5.0)
    np.testing.assert_array_equal(seen(street, later)[1], seen(ahead)[1])
    np.testing.assert_array_equal(seen(behind, later)[1], seen(street)[1])


def test_shadows_fall_on_the_ground_alone():
    def picture(shaded):
        street = empty()
        ground = level("Road", (100, 100, 100), (-20, 20), (1, 60), grain=0, ground=True)
        street.add([ground], GROUND, 0, 0)
        street.add([across("Wall", (90, 90, 90), (-2, 0), (0, 3), grain=0)], BACK, 0, 9)
        if shaded:
            street.shade((-3, 3), (3, 20), 0.1)
        return seen(street)

    (light, labels), (dark, same) = picture(False), picture(True)
    np.testing.assert_array_equal(labels, same)
    change = dark.astype(int).sum(axis=2) - light.astype(int).sum(axis=2)
    assert change.max() <= 0
    assert change[labels == KIND["Wall"]][:200].min() > -60  # its edge shares pixels with the road
    assert change[40, 32] < -100
    assert change[5, 32] == 0


def test_shadows_point_away_from_the_sun():
    light = Light(**vars(FLAT) | {"sun": np.array([0.6, 0.8, 0.0])})
    street = empty(light=light)
    street.shade((0, 1), (5, 6), 4)
    points = street.shadows[0].faces[0].points
    # 4 m high, sun at 0.6 to 0.8: 3 m long, to the left
    assert points[:, 0].min() == pytest.approx(-3)
    assert points[:, 0].max() == pytest.approx(1)
    assert (points[:, 1] == 0).all()


def test_pixels_are_weighted_means_of_their_samples():
    rng = np.random.default_rng(0)
    canvas = rng.random((3, 9, 13)).astype(np.float32)
    found = view._softened(canvas)
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    for row in range(4):
        for column in range(6):
            window = canvas[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            expected = (window * weights).sum(axis=(1, 2))
            np.testing.assert_allclose(found[:, row, column], expected, rtol=1e-5)
    assert found.shape == (3, 4, 6)


def test_moved_faces_keep_all_but_their_place():
    face = along("Wall", (1, 2, 3), 0, (0, 1), (0, 2), facing=NEAR, grain=0.3, ground=True)
    again = moved([face], 5, 6, 7)[0]
    np.testing.assert_array_equal(again.points - face.points, [[5, 7, 6]] * 4)
    assert (again.kind, again.facing, again.grain, again.ground) == (
        face.kind, face.facing, face.grain, face.ground
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_streets_have_the_parts_of_a_street(seed):
    street = layout.street(np.random.default_rng(seed), 4.0)
    model = view.model(street.things, street.light)
    names = {CAMVID.names[kind] for kind in set(model.kind.tolist())}
    common = {"Road", "Building", "Tree", "Car", "Pedestrian", "Bicyclist", "Column_Pole"}
    assert common | {"LaneMkgsDriv", "SignSymbol", "Void"} <= names
    assert not names & {"Train", "Tunnel", "Sky"}  # the sky is what is left
    assert np.isfinite(model.points).all()
    assert (model.colour >= 0).all()
    assert (model.colour < 400).all()
