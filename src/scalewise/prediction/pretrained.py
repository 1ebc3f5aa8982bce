"""A detector of a library on a dataset -> COCO results in original pixels.

- Classes are mapped by name: a class of the detector that the truth lacks is an error; further
  ones in the truth, other ids and another order are fine.
- Pixels are taken as they are stored. An EXIF orientation is not obeyed, as in COCO's own
  annotations and everywhere else in this project (`ultralytics`, reading a file by itself, turns
  the image); a record with the turned size is an error that says so.
- Grey, palette and CMYK images become RGB, transparency is dropped.
- An image that the truth lists and that is absent is an error before anything runs: its objects
  would count as missed.

Images of similar shape go together, and those of one fitted shape form a batch, so that each is
seen as it would be alone. Threads decode and fit a few batches ahead, one large image at a time:
memory grows neither with the dataset nor with the number of its large images. What a batch found
is kept in a scratch folder; a run that was killed goes on with the images that are missing there.
"""

import hashlib
import io
import shutil
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from scalewise import boxes as box_ops
from scalewise import coco, environment, files
from scalewise.coco import Floats, Ints, Results, Truth
from scalewise.data import workers
from scalewise.data.store import UNREADABLE, Store
from scalewise.errors import InputError
from scalewise.examples import images as decoding
from scalewise.models.pretrained import Parameters
from scalewise.prediction import adapters
from scalewise.prediction.adapters import Adapter, Fitted, listed

AHEAD = 2  # batches that are prepared while one is predicted
LARGE = 2**24  # pixels: images beyond this, or of unknown size, are decoded one at a time
ORIENTATION = 0x0112  # EXIF's tag
COLUMNS = 7  # of a row: position of the image, xyxy, score, position of the category

Waiting = deque[tuple[Ints, list[Future[Fitted]]]]


def write(name: str, parameters: Parameters, out: Path) -> None:
    """Predict the dataset's test split, and val where there is one, into a folder.

    Args:
        name: of the entry.
        parameters: the entry.
        out: gets `<split>.json` and `<split>_truth.json`, as of a detector trained here.

    Raises:
        InputError: no such dataset; see `predict` and `adapters.build`.
    """
    folder, device = Path("data") / parameters.dataset, environment.device()
    paths = [path for path in (folder / "val.json", folder / "test.json") if path.is_file()]
    if not (folder / "test.json").is_file():
        raise InputError(f"{folder}: expected test.json and images there; make or fetch it first")
    truths, store = coco.read_splits(paths), Store(folder)
    adapter = adapters.build(name, parameters, device)
    for path, truth in zip(paths, truths, strict=True):
        split, known = path.stem, (parameters, device.type, adapter.identity)
        scratch = scratch_folder(f"{name}-{split}", known, [path, *store.files()])
        found = predict(adapter, truth, store, parameters.batch_size, scratch)
        coco.write_results(out / f"{split}.json", truth, found)
        coco.write_truth(out / f"{split}_truth.json", truth, folder)


def predict(
    adapter: Adapter, truth: Truth, store: Store, batch_size: int, scratch: Path
) -> Results:
    """Detections on every image of a truth, best first within each image.

    Args:
        adapter: the detector.
        truth: I images.
        store: holds them.
        batch_size: images at a time.
        scratch: folder for what is found; its name must change with everything that matters (see
            `scratch_folder`). It is removed in the end.

    Raises:
        InputError: no images, or one that is absent, unreadable or of another size than its
            record says; a class that the truth lacks; an answer that is not a number.
    """
    category = categories(adapter.names, truth)
    _check_present(truth, store)
    batches = _batches(truth, batch_size)
    missing = {n: batch for n, batch in enumerate(batches) if _kept(scratch, n) is None}
    with tqdm(total=len(truth.image_ids), unit="image", disable=not sys.stderr.isatty()) as shown:
        shown.update(len(truth.image_ids) - sum(map(len, missing.values())))
        prepared = _prepared(adapter, truth, store, missing.values())
        for n, (batch, images) in zip(missing, prepared, strict=True):
            rows = _found(adapter, batch, images, category)
            _check_finite(rows, truth)
            _keep(scratch, n, rows)
            shown.update(len(batch))
    rows = np.concatenate([_kept(scratch, n) for n in range(len(batches))])
    shutil.rmtree(scratch, ignore_errors=True)
    return _results(rows, truth)


def scratch_folder(name: str, values: object, paths: Sequence[Path]) -> Path:
    """Where an interrupted run of `name` is kept: changes with values, files and code.

    Args:
        name: of the entry and the split.
        values: parameters, device, identity of the weights.
        paths: truth and images; of the images size and time of change stand for what is in them.
    """
    code = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "scalewise"]
    total = hashlib.sha256(repr(values).encode())
    for path in sorted(map(Path, filter(None, code))):
        total.update(path.read_bytes())
    for path in paths:
        about = path.stat()
        total.update(f"{path.name} {about.st_size} {about.st_mtime_ns}".encode())
    return Path(".scratch") / f"{name}-{total.hexdigest()[:16]}"


def categories(names: Mapping[int, str], truth: Truth) -> Ints:
    """[L], the position of each label's class in the truth; -1 for a label of no class.

    Raises:
        InputError: a class that the truth lacks, or has twice.
    """
    known = truth.category_names
    if lacking := [name for name in names.values() if name not in known]:
        raise InputError(
            f"{truth.source}: has no {listed(lacking)}. The detector's classes: "
            f"{listed(names.values())}. The truth's: {listed(known)}"
        )
    if twice := [name for name in names.values() if known.count(name) > 1]:
        raise InputError(f"{truth.source}: has {listed(twice)} twice, and cannot be told by name")
    place = np.full(max(names, default=-1) + 1, -1)
    for label, name in names.items():
        place[label] = truth.category_names.index(name)
    return place


def _check_present(truth: Truth, store: Store) -> None:
    if not truth.file_names:
        raise InputError(f"{truth.source}: there are no images")
    if absent := store.missing(truth.file_names):
        raise InputError(
            f"{store.folder}: {len(absent):,} of the {len(truth.file_names):,} images that "
            f"{truth.source} lists are absent, the first: '{absent[0]}'"
        )


def _batches(truth: Truth, size: int) -> list[Ints]:
    """Positions of the images, those of similar shape together; the same for every run."""
    width, height = np.maximum(truth.sizes.T, 1)
    order = np.lexsort((width, width / height))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _prepared(
    adapter: Adapter, truth: Truth, store: Store, batches: Iterable[Ints]
) -> Iterator[tuple[Ints, list[Fitted]]]:
    """Each batch with its images, decoded and fitted in threads, at most `AHEAD` in advance.

    Large images have a thread of their own: any thread that decodes one may keep its memory.
    """

    def fit(n: int) -> Fitted:
        return adapter.fit(_decoded(truth, store, n))

    small = (truth.sizes > 0).all(axis=1) & (truth.sizes.prod(axis=1) <= LARGE)
    alone, many = ThreadPoolExecutor(1), ThreadPoolExecutor(workers.count())
    try:
        waiting: Waiting = deque()
        for batch in batches:
            started = [(many if small[n] else alone).submit(fit, n) for n in batch]
            waiting.append((batch, started))
            if len(waiting) > AHEAD:
                yield _done(waiting)
        while waiting:
            yield _done(waiting)
    finally:
        for pool in (alone, many):
            pool.shutdown(cancel_futures=True)


def _done(waiting: Waiting) -> tuple[Ints, list[Fitted]]:
    batch, images = waiting.popleft()
    return batch, [image.result() for image in images]


def _decoded(truth: Truth, store: Store, n: int) -> np.ndarray:
    """[H, W, 3] as stored; a size that only a turn would give is told."""
    try:
        return decoding.decoded(truth, store, n)
    except InputError as error:
        if not _is_turned(store, truth.file_names[n], truth.sizes[n]):
            raise
        raise InputError(
            f"{error}: it has an EXIF orientation, which is not obeyed; store the image turned, or "
            f"correct its record"
        ) from None


def _is_turned(store: Store, name: str, size: Ints) -> bool:
    """Whether an image has its record's size only after its EXIF orientation is obeyed."""
    try:
        with Image.open(io.BytesIO(store.bytes_of(name))) as image:
            quarter = image.getexif().get(ORIENTATION, 1) >= 5
            return quarter and image.size == (size[1], size[0])
    except UNREADABLE:
        return False


def _found(adapter: Adapter, batch: Ints, images: list[Fitted], category: Ints) -> Floats:
    """[D, 7] of one batch, in its order; images of one shape are predicted together."""
    shapes = [tuple(image.pixels.shape) for image in images]
    parts: dict[int, Floats] = {}
    for shape in sorted(set(shapes)):
        chosen = [n for n, other in enumerate(shapes) if other == shape]
        for n, answer in zip(chosen, adapter.detect([images[n] for n in chosen]), strict=True):
            rows = answer.cpu().double().numpy()
            label = category[rows[:, 5].astype(np.int64)]
            image = np.full(len(rows), batch[n])
            parts[n] = np.column_stack([image, rows[:, :5], label])[label >= 0]
    return np.concatenate([parts[n] for n in range(len(images))])


def _keep(scratch: Path, n: int, rows: Floats) -> None:
    with files.replacing(scratch / f"{n:06d}.npy") as path, path.open("wb") as file:
        np.save(file, rows)


def _kept(scratch: Path, n: int) -> Floats | None:
    """What was found in batch `n`; None where nothing whole is kept."""
    try:
        rows = np.load(scratch / f"{n:06d}.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):  # absent, or damaged by a power cut
        return None
    return rows if rows.ndim == 2 and rows.shape[1] == COLUMNS else None


def _check_finite(rows: Floats, truth: Truth) -> None:
    if not np.isfinite(rows).all():
        image = int(rows[~np.isfinite(rows).all(axis=1)][0, 0])
        raise InputError(
            f"the detector's answer on image '{truth.file_names[image]}' is not a number; if it "
            f"ran in half precision, set half to false"
        )


def _results(rows: Floats, truth: Truth) -> Results:
    """Rows of all batches as results, by image, cut to the image."""
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    image = rows[:, 0].astype(np.int64)
    sizes = truth.sizes[image]
    boxes = np.clip(rows[:, 1:5], 0, np.tile(np.where(sizes > 0, sizes, np.inf), 2)).round(3)
    return Results(
        source="prediction",
        image=image,
        category=rows[:, 6].astype(np.int64),
        boxes=boxes,
        areas=box_ops.area(boxes),
        scores=rows[:, 5].round(6),
    )
