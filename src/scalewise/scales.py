"""Object scales: named ranges of object area, COCO's by default.

Section `scales` of params.yaml.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from scalewise.params import Record

UNBOUNDED = 1e10  # pixels squared; COCO's "1e5 ** 2"


class Scales(Record):
    """Which object areas count as small, medium, large."""

    names: tuple[str, ...] = ("small", "medium", "large")
    """One name a scale, from the smallest; `all` is always there beside them."""
    bounds: tuple[float, ...] = (32, 96)
    """Side in pixels of the square whose area parts two neighbouring scales; rising."""

    @model_validator(mode="after")
    def _checked(self) -> "Scales":
        if len(self.names) != len(self.bounds) + 1:
            raise ValueError(
                f"{len(self.names)} names need {len(self.names) - 1} bounds between them, "
                f"got {len(self.bounds)}"
            )
        if len(set(self.names)) < len(self.names) or "all" in self.names:
            raise ValueError(f"names must differ and not be 'all', got {list(self.names)}")
        if any(low >= high for low, high in pairwise((0, *self.bounds))):
            raise ValueError(f"bounds must be above 0 and rising, got {list(self.bounds)}")
        return self

    @property
    def groups(self) -> tuple[str, ...]:
        """`all` and the scales, in the order of `ranges`."""
        return ("all", *self.names)

    def ranges(self) -> NDArray[np.float64]:
        """[1 + S, 2] lowest and highest area of each group, both inclusive as in COCOeval.

        An area exactly on a bound is in both neighbouring scales there.
        """
        edges = [0.0, *(side**2 for side in self.bounds), UNBOUNDED]
        return np.array([(0.0, UNBOUNDED), *pairwise(edges)])

    def of(self, areas: NDArray[np.float64]) -> NDArray[np.int64]:
        """[N] position in `names` of each area [N]: a true partition, a bound counts upwards."""
        return np.searchsorted(np.square(self.bounds), areas, side="right")
