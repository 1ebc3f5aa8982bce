"""Random figures and predictions with everything that trips an evaluator of keypoints."""

import numpy as np

from scalewise import coco_keypoints
from scalewise.coco_keypoints import Results, Truth

NAMES = ("head", "left_hand", "right_hand", "left_foot", "right_foot")
SKELETON = [[1, 2], [1, 3], [1, 4], [1, 5]]


def truth_of(figures, images=None, sizes=None, names=NAMES) -> Truth:
    """Figures as (image, [[x, y, v], ...]); images of 128x96 pixels with ids 10, 11, ..."""
    images = 1 + max((image for image, _ in figures), default=-1) if images is None else images
    sizes = sizes or [(128, 96)] * images
    return coco_keypoints.parse_truth(
        {
            "images": [
                {"id": 10 + n, "file_name": f"{n}.png", "width": width, "height": height}
                for n, (width, height) in enumerate(sizes)
            ],
            "categories": [
                {"id": 1, "name": "figure", "keypoints": list(names), "skeleton": SKELETON}
                if names == NAMES
                else {"id": 1, "name": "figure", "keypoints": list(names)}
            ],
            "annotations": [
                {
                    "id": n + 1,
                    "image_id": 10 + image,
                    "category_id": 1,
                    "bbox": box_of(points),
                    "keypoints": [number for point in points for number in point],
                }
                for n, (image, points) in enumerate(figures)
            ],
        },
        "truth",
    )


def box_of(points):
    """Around all points, seen or not, 4 pixels wider on each side; xywh."""
    x, y, _ = np.array(points, float).T
    return [x.min() - 4, y.min() - 4, np.ptp(x) + 8, np.ptp(y) + 8]


def results_of(found, names=NAMES) -> Results:
    """Predictions as (image, [[x, y], ...], score)."""
    points = np.array([points for _, points, _ in found], float).reshape(-1, len(names), 2)
    return Results(
        source="results",
        image=np.array([image for image, _, _ in found], int),
        keypoints=points,
        scores=np.ones(points.shape[:2]),
        score=np.array([score for _, _, score in found], float),
    )


def random_case(seed: int, images: int = 12, most: int = 3, ties: bool = True):
    """Empty images, several figures and predictions an image, hidden and absent keypoints, figures
    without any, two keypoints in one place, tied scores, missing and crossed predictions."""
    rng = np.random.default_rng(seed)
    figures, found = [], []
    for image in range(images - 1):
        for _ in range(rng.integers(0, most + 1)):
            points = np.round(rng.uniform((5, 5), (120, 90), (5, 2)), 1)
            points[:] = points[0] if rng.random() < 0.05 else points
            flags = rng.choice(3, 5, p=[0.1, 0.2, 0.7]) * (rng.random() > 0.05)
            figures.append((image, np.column_stack([points, flags]).tolist()))
            for _ in range(rng.choice(3, p=[0.15, 0.6, 0.25])):
                near = points + rng.normal(0, rng.choice([1, 5, 20]), (5, 2))
                near = near[[0, 2, 1, 3, 4]] if rng.random() < 0.2 else near
                found.append((image, near, float(rng.choice([0.3, 0.5, 0.9]))))
    found.append((images - 1, rng.uniform(0, 90, (5, 2)), 0.7))
    if not ties:
        found = [(image, points, n / len(found)) for n, (image, points, _) in enumerate(found)]
    order = rng.permutation(len(found))
    return truth_of(figures, images), results_of([found[n] for n in order])
