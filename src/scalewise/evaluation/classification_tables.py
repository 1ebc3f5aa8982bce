"""Tables of one classifier for its pictures: confusion, a row an image, reliability."""

from typing import TYPE_CHECKING

import numpy as np

from scalewise.class_labels import Scores
from scalewise.diagnosis.calibration_measures import diagram
from scalewise.evaluation.classification import Judged, judged
from scalewise.records import Ints

if TYPE_CHECKING:
    import pandas as pd


def confusion(found: Judged) -> Ints:
    """[C, C], images by true class (rows) and prediction (columns)."""
    classes = len(found.names)
    pairs = np.bincount(found.label * classes + found.prediction, minlength=classes**2)
    return pairs.reshape(classes, classes)


def confusion_counts(found: Judged) -> "pd.DataFrame":
    """Columns truth, prediction, count, share (of the images of the true class); C * C rows.

    The share is NaN for a class without images.
    """
    import pandas as pd

    counts = confusion(found)
    with np.errstate(invalid="ignore"):
        share = counts / counts.sum(axis=1, keepdims=True)
    names = np.array(found.names, object)
    return pd.DataFrame(
        {
            "truth": np.repeat(names, len(names)),
            "prediction": np.tile(names, len(names)),
            "count": counts.ravel(),
            "share": share.ravel(),
        }
    )


def predictions(scores: Scores) -> "pd.DataFrame":
    """A row an image, as DVC's confusion plot takes it: image, actual, predicted, score."""
    import pandas as pd

    found = judged(scores)
    names = np.array(found.names, object)
    return pd.DataFrame(
        {
            "image": list(scores.file_names),
            "actual": names[found.label],
            "predicted": names[found.prediction],
            "score": found.confidence,
        }
    )


def reliability(found: Judged, bins: int, group: str = "all") -> "pd.DataFrame":
    """The reliability diagram: a row a bin, NaN where it is empty.

    Columns group, bin_low, bin_high, confidence, precision (here the accuracy), precision_low and
    precision_high (Wilson's 95% interval), count.
    """
    import pandas as pd

    return pd.DataFrame({"group": group, **diagram(found.confidence, found.hit, bins)})
