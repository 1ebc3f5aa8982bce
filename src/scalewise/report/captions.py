"""What each picture is called on the page, and one sentence on how to read it.

In the order in which pictures stand. A name is the file's, or `<folder>/<file>` where pictures of
several folders share one.
"""

READINGS = {
    "loss": (
        "Losses",
        "If val rises while train falls, the network learns its examples by heart; if both still "
        "fall at the end, it was stopped too early.",
    ),
    "anchors": (
        "Anchor coverage",
        "Sizes at which the upper curve dips have no anchor near enough: no training repairs that, "
        "other anchor sizes do.",
    ),
    "precision_recall": (
        "Precision against recall",
        "Where a curve ends on the right is the share of objects that was found at all; how high "
        "it runs is the share of detections that was right.",
    ),
    "tide": (
        "What each error costs",
        "Compare along a row: an error that is long for one scale only belongs to that scale.",
    ),
    "reliability": (
        "Reliability",
        "On the diagonal a score of .7 means 7 right in 10; bars below it promise too much, bars "
        "above it too little, and wide intervals stand on few detections.",
    ),
    "score_cut": (
        "What a score cut does",
        "Where AP falls and Miss rises together, the cut hides objects that were found: that is "
        "the setting's doing, not the detector's.",
    ),
    "levels": (
        "Which level finds which size",
        "A dark diagonal says that the levels share the sizes as designed; a dark row says that "
        "one level does the work of others.",
    ),
    "features": (
        "What the levels respond to",
        "A level that serves an object lights up inside its green box and stays dark elsewhere.",
    ),
    "fields": (
        "What each level can see",
        "What a level can see against what it is asked to find: a dashed square outside the thick "
        "white one is an object whose edges hardly move the answer.",
    ),
    "dilation": (
        "Dilated convolutions",
        "Blue is measured; red is what multiplying dilations like strides would promise, for the "
        "same cost.",
    ),
    "label_smoothing": (
        "Label smoothing",
        "The dots are the logit gap beyond which more confidence costs.",
    ),
    "gaussian": (
        "Cross-entropy of two Gaussians",
        "Grey cannot be learnt away; blue is what a wrong q adds.",
    ),
    "detections": (
        "The worst and the best images",
        "Dashed green boxes were missed; a red box without green below it is a false alarm.",
    ),
    "errors": (
        "The costliest errors",
        "One row a type of error, one column a scale: look for what the two crops have in common.",
    ),
    "keypoints/pck": (
        "Share of the keypoints that are near enough",
        "The height at the left says how precise the answers are, the height at the right how "
        "many keypoints were found at all.",
    ),
    "keypoints/failures": (
        "Who fails where",
        "Rows say which of the two models is wrong; what a row's images have in common is that "
        "model's weakness.",
    ),
    "keypoints/size": (
        "Error against the figure's size",
        "A curve that rises in pixels and stays level as a share only follows the figure's size; "
        "one that falls as a share means that small figures are the hard ones.",
    ),
    "keypoints/samples": (
        "From the easiest image to the hardest",
        "The same images in every row: compare down a column.",
    ),
    "heatmaps": (
        "Heatmaps through the epochs",
        "A spot that shrinks onto its cross is learnt; two spots of one colour are two places "
        "that the net cannot choose between.",
    ),
    "classification/comparison": (
        "The models side by side",
        "A difference whose line crosses 0 may be noise, however far apart the dots above lie.",
    ),
    "classification/reliability": (
        "Reliability",
        "Bars below the diagonal promise too much, bars above it too little.",
    ),
    "classification/distribution": (
        "Images of each class",
        "A class with few images in training has an excuse; in test, a wide interval.",
    ),
    "confusion": (
        "What is taken for what",
        "Read along a row: a dark cell off the diagonal is a pair of classes that the model "
        "confuses; if its mirror is dark too, it cannot tell them apart.",
    ),
    "mistakes": (
        "The mistakes it is surest of",
        "High scores on wrong answers: look for what the image shares with the class it was "
        "taken for, or for a wrong label.",
    ),
    "embedding": (
        "Images by their features",
        "Classes that form islands in train and mix in val were learnt by heart.",
    ),
    "augmentation": (
        "What augmentation makes of an image",
        "Each copy should still be recognisable; one that is not teaches noise.",
    ),
    "segmentation/comparison": (
        "IoU of each class",
        "The commonest classes stand on top; filled dots on the right are differences that are "
        "more than noise.",
    ),
    "segmentation/distribution": (
        "How often each class occurs",
        "A class with few pixels in many images is small; one with few of both is rare, and its "
        "IoU rests on little.",
    ),
    "segmentation/classes": (
        "Each class alone",
        "What the labels really call by each name.",
    ),
    "iou_bins": (
        "Precision and recall by IoU",
        "Precision above recall means that a class is said too seldom, below it too often.",
    ),
    "worst": (
        "The worst classes",
        "Compare truth and prediction in the last column, which shows the class alone.",
    ),
}


def name_of(folder: str, file: str) -> str:
    """The name that a picture is known by: with its folder where only that is explained."""
    return f"{folder}/{file}" if f"{folder}/{file}" in READINGS else file


def explained(name: str) -> tuple[str, str]:
    """Title and reading of the picture called `name`; an unknown one has its name alone."""
    return READINGS.get(name, (name.replace("_", " ").capitalize(), ""))
