"""Features of images as points in two or three dimensions: t-SNE.

Distances between far groups and the size of a group mean little in a t-SNE map; which points are
neighbours does. Train and val are therefore put into one map and shown side by side.

Sources: van der Maaten and Hinton 2008 (https://jmlr.org/papers/v9/vandermaaten08a.html); Kobak and
Berens 2019 on starting from the principal components (https://arxiv.org/abs/1811.10741).
"""

import zipfile
from pathlib import Path

import numpy as np
from pydantic import Field

from scalewise.errors import InputError
from scalewise.params import Record
from scalewise.records import Floats, Ints

FEWEST = 4  # points from which t-SNE says more than the principal components
REDUCED = 50  # principal components that t-SNE looks at, as in van der Maaten and Hinton
# scikit-learn's own rule, but for its floor of 50, which throws few points apart in 3-D: 60 points
# keep .80 of their neighbours (trustworthiness) there, .99 with ours.
RATE_SHARE, LEAST_RATE = 48, 10.0
SPREAD = 1e-4  # standard deviation of the first coordinate at the start, as in scikit-learn


class Parameters(Record):
    """Section `embedding` of params.yaml."""

    points: int = Field(400, ge=1)
    """Most images of a split; more are thinned out at random."""
    perplexity: float = Field(30.0, ge=1)
    """How many neighbours count, about; at most a third of the points."""
    iterations: int = Field(500, ge=250)
    """Steps; 250 of them with the groups pulled together."""
    seed: int = Field(0, ge=0)
    """Start of the random numbers."""


def thinned(count: int, parameters: Parameters) -> Ints:
    """Positions of at most `points` of `count` images, in order; the same for the same seed."""
    most = min(count, parameters.points)
    drawn = np.random.default_rng(parameters.seed).permutation(count)[:most]
    return np.sort(drawn)


def tsne(features: Floats, dimensions: int, parameters: Parameters) -> Floats:
    """[N, dimensions], a point an image, the same bytes for the same input and seed.

    It starts from the principal components and runs on one thread, whose sums have one order.

    Args:
        features: [N, D], finite.
        dimensions: 2 or 3.
        parameters: perplexity, iterations and seed.

    Returns:
        Fewer than four images, or images that are all the same, give their principal components,
        0 beyond those there are.

    Raises:
        InputError: features of another shape, or not finite.
    """
    features = _checked(features)
    start = components(features, dimensions)
    if len(features) < FEWEST or not start.any():
        return start
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    learner = TSNE(
        dimensions,
        perplexity=min(parameters.perplexity, (len(features) - 1) / 3),
        init=(start / start[:, 0].std() * SPREAD).astype(np.float32),
        learning_rate=max(len(features) / RATE_SHARE, LEAST_RATE),
        max_iter=parameters.iterations,
        random_state=parameters.seed,
    )
    with threadpool_limits(1):
        return learner.fit_transform(components(features, REDUCED)).astype(np.float64)


def components(features: Floats, count: int) -> Floats:
    """[N, count], the first principal components of [N, D]; 0 beyond the min(N, D) there are.

    Each direction's sign is such that its largest weight is positive.
    """
    made = np.zeros((len(features), count))
    if not len(features):
        return made
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        left, size, right = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    largest = np.abs(right).argmax(axis=1)
    signs = np.sign(right[np.arange(len(right)), largest])
    found = (left * size * signs)[:, :count]
    made[:, : found.shape[1]] = found
    return made


def _checked(features: Floats) -> Floats:
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or (len(features) and not features.shape[1]):
        raise InputError(f"features: expected [images, features], got {list(features.shape)}")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise InputError(f"features: image {row} has one that is not finite")
    return features


def read_features(path: str | Path, images: int) -> Floats:
    """`features` [images, D] of an NPZ, as prediction writes them.

    Raises:
        InputError: no such file, no NPZ with that array, or another number of images.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            features = archive["features"]
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: expected an NPZ with 'features', but {error}") from None
    if features.ndim != 2 or len(features) != images:
        raise InputError(
            f"{path}: 'features' is {list(features.shape)}, expected one row for each of "
            f"{images:,} images"
        )
    return features.astype(np.float64)
