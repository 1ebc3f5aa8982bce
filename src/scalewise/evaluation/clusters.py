"""Images that are drawn together when resampling: crops of one frame are not independent.

Drawing image by image would treat five crops of one animal as five animals and make intervals too
narrow, so whole frames are drawn (the cluster bootstrap). Davison and Hinkley 1997, 3.8; Field and
Welsh 2007 (https://doi.org/10.1111/j.1467-9868.2007.00593.x).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scalewise import bootstrap
from scalewise.records import Ints

LEAST = 2  # of one frame or sequence nothing can be resampled


@dataclass(frozen=True)
class Clusters:
    """What is drawn anew.

    Attributes:
        unit: what one is called, e.g. `frame` or `image`.
        of: [N], position of each image's cluster.
        count: how many there are.
    """

    unit: str
    of: Ints
    count: int


def clusters(groups: Sequence[str], unit: str = "frame") -> Clusters:
    """Images by what they belong to; one whose text is empty is alone.

    Args:
        groups: N texts, one an image. Where all are empty, the unit is `image`.
        unit: what a group is called.
    """
    known = np.array([bool(group) for group in groups], bool)
    if not known.any():
        return Clusters("image", np.arange(len(groups)), len(groups))
    # A file name cannot hold a null, so that no frame is called like this.
    names = [group or f"\0{n}" for n, group in enumerate(groups)]
    found, of = np.unique(names, return_inverse=True)
    return Clusters(unit, of, len(found))


def weights(clusters: Clusters, parameters: bootstrap.Parameters) -> Ints:
    """[resamples, N], how often each image is drawn in each resample, with its whole cluster."""
    return bootstrap.weights(clusters.count, parameters)[:, clusters.of]
