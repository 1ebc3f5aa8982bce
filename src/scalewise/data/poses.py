"""Stick figures: where the head, the hands and the feet are, before anything is drawn.

Points are in pixels, y downwards; pixel (column, row) covers [column, column + 1] x [row, row + 1].
Left and right are the figure's own. Upright and seen from behind, its left is the image's left,
as in the homework; seen from the front, it is the image's right.

A figure at scale 1 has the homework's lengths: the head's centre is 20 px above the middle of its
body and has radius 8, the torso runs from 12 px above to 12 px below the middle, the shoulders are
6 px above it, the arms are 20 and the legs 25 px long.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KEYPOINTS = ("head", "left_hand", "right_hand", "left_foot", "right_foot")
HEAD, LEFT_HAND, RIGHT_HAND, LEFT_FOOT, RIGHT_FOOT, NECK, SHOULDERS, HIPS = range(8)
TRUNK = (NECK, HIPS)
LIMBS = {  # the joints of the limb that ends in each keypoint; later ones are in front
    RIGHT_HAND: (SHOULDERS, RIGHT_HAND),
    RIGHT_FOOT: (HIPS, RIGHT_FOOT),
    LEFT_HAND: (SHOULDERS, LEFT_HAND),
    LEFT_FOOT: (HIPS, LEFT_FOOT),
}
LEFT = frozenset({LEFT_HAND, LEFT_FOOT})
SKELETON = tuple((HEAD, end) for end in sorted(LIMBS))  # the trunk's joints are no keypoints

HEAD_UP, NECK_UP, SHOULDERS_UP, HIPS_DOWN = 20, 12, 6, 12
RADIUS, ARM, LEG = 8.0, 20, 25
REACH = 65  # px at scale 1: no two points of a figure are further apart, without the lines' width
GRID = 16  # varied joints are on whole 16ths of a pixel, which JSON and floats hold exactly

CLASSIC_SIZE = 128
CLASSIC_CENTRE = (40, 88)
CLASSIC_ANGLE = 60
CLASSIC_SPREAD = (10, 30)
CLASSIC_LINE = 3
CLASSIC_ALIKE = ((LEFT_HAND, RIGHT_HAND),)  # no pixel tells which of the two is which


@dataclass(frozen=True)
class Pose:
    """One figure.

    Attributes:
        joints: [8, 2] xy pixels: the `KEYPOINTS`, then neck, shoulders and hips.
        radius: of the head, its line included, pixels.
        line: width of every line, pixels.
    """

    joints: Array
    radius: float
    line: float

    @property
    def keypoints(self) -> Array:
        """[5, 2] xy pixels, in the order of `KEYPOINTS`."""
        return self.joints[: len(KEYPOINTS)]


def box_of(pose: Pose) -> Array:
    """[4] xyxy pixels around all that is drawn of a figure."""
    reach = np.full((len(pose.joints), 1), pose.line / 2)
    reach[HEAD] = pose.radius
    return np.concatenate([(pose.joints - reach).min(axis=0), (pose.joints + reach).max(axis=0)])


def classic(rng: np.random.Generator) -> Pose:
    """A figure of the homework, in an image of `CLASSIC_SIZE`.

    Centre and spread of the legs are whole pixels (each foot lies that far beside the hips and a
    leg's length below them, so that its leg is longer than that), and a hand's offset from the
    shoulders is cut to whole pixels, towards 0. The homework's places are indices of pixels, whose
    centres these are. Both arms are drawn alike, over the same angles: the hands' names are swapped
    in half of all figures of the same pixels.
    """
    x, y = (rng.integers(*CLASSIC_CENTRE, size=2, endpoint=True) + 0.5).tolist()
    angles = np.radians(rng.uniform(-CLASSIC_ANGLE, CLASSIC_ANGLE, 2))
    across, down = np.trunc(ARM * np.sin(angles)), np.trunc(ARM * np.cos(angles))
    spread = int(rng.uniform(*CLASSIC_SPREAD))
    joints = [
        (x, y - HEAD_UP),
        (x - across[0], y - SHOULDERS_UP + down[0]),
        (x + across[1], y - SHOULDERS_UP + down[1]),
        (x - spread, y + HIPS_DOWN + LEG),
        (x + spread, y + HIPS_DOWN + LEG),
        (x, y - NECK_UP),
        (x, y - SHOULDERS_UP),
        (x, y + HIPS_DOWN),
    ]
    return Pose(np.array(joints), RADIUS + 0.5, CLASSIC_LINE)


def standing(arms: Array, legs: Array, front: bool = False) -> Array:
    """Joints [8, 2] of an upright figure of scale 1 around 0, 0.

    Args:
        arms: [2] degrees of the left and the right arm from straight down, outwards positive.
        legs: [2], the same of the legs.
        front: seen from the front, its left is the image's right; from behind, the image's left.
    """
    outwards = np.array([1.0, -1.0] if front else [-1.0, 1.0])

    def ends(angles: Array, length: float, top: float) -> Array:
        turned = np.radians(angles)
        across, down = outwards * np.sin(turned), np.cos(turned)
        return length * np.stack([across, down], axis=1) + [0, top]

    hands, feet = ends(arms, ARM, -SHOULDERS_UP), ends(legs, LEG, HIPS_DOWN)
    trunk = [(0, -NECK_UP), (0, -SHOULDERS_UP), (0, HIPS_DOWN)]
    return np.concatenate([[(0, -HEAD_UP)], hands, feet, trunk])


def placed(
    rng: np.random.Generator, joints: Array, size: int, scale: float, turn: float, line: float
) -> Pose:
    """A figure somewhere in an image, all of it inside.

    Args:
        rng: the generator of its place, uniform where it fits.
        joints: [8, 2], from `standing`.
        size: the image's side, px; at least scale * `REACH` + line + 1.
        scale: of its joints and its head.
        turn: rotation in degrees, clockwise.
        line: width of its lines, px.
    """
    sine, cosine = np.sin(np.radians(turn)), np.cos(np.radians(turn))
    turned = _on_grid(scale * joints @ np.array([[cosine, sine], [-sine, cosine]]))
    pose = Pose(turned, float(_on_grid(scale * RADIUS)), float(_on_grid(line)))
    low, high = np.split(box_of(pose), 2)
    place = _on_grid(rng.uniform(-low, size - high))
    return replace(pose, joints=pose.joints + np.clip(place, -low, size - high))


def _on_grid(pixels: Array | float) -> Array:
    return np.rint(np.asarray(pixels) * GRID) / GRID
