"""The command line: `scalewise diagnose` and `scalewise compare`.

What is heavy is imported by the command that needs it, so that `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalewise.errors import InputError, told_plainly

if TYPE_CHECKING:
    from scalewise.coco import Results, Truth
    from scalewise.diagnosis.whole import Rules

SCALE_NAMES = {
    1: ("small", "large"),
    2: ("small", "medium", "large"),
    3: ("tiny", "small", "medium", "large"),
    4: ("tiny", "small", "medium", "large", "huge"),
}
SECTIONS = ("scales", "tide", "calibration", "bootstrap")  # of params.yaml, that are rules
ENDINGS = (".gz", ".json")

DIAGNOSE = "what is wrong with a detector's results at which object scale"
COMPARE = "which differences between results are real and which are noise"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a user's mistake ends in one line on stderr and exit status 1."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.run is None:
        parser.print_help()
        return
    try:
        with told_plainly():
            options.run(options)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scalewise", description="Take a detector's errors apart for each object scale."
    )
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="")
    _add_diagnose(commands)
    _add_compare(commands)
    return parser


def _add_diagnose(commands: Any) -> None:
    parser = commands.add_parser(
        "diagnose", help=DIAGNOSE, description=f"Report {DIAGNOSE}. Plain or gzip JSON."
    )
    parser.add_argument("truth", metavar="TRUTH.json", help="COCO annotations")
    parser.add_argument("results", metavar="RESULTS.json", help="COCO results: a list with boxes")
    parser.add_argument(
        "--images", metavar="DIR", help="folder or tar of the images, for pictures of the errors"
    )
    _add_shared(parser, "report")
    parser.set_defaults(run=diagnose)


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help=COMPARE,
        description=f"Report {COMPARE}: files on one truth, or revisions of this pipeline.",
        usage="%(prog)s TRUTH.json A.json B.json [...] [options]\n"
        "       %(prog)s --rev REV [--rev REV ...] [--detector NAME] [options]",
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="COCO truth, then two results or more"
    )
    parser.add_argument(
        "--rev", action="append", default=[], metavar="REV",
        help="commit, branch, tag or experiment; alone, it is compared with the workspace",
    )  # fmt: skip
    parser.add_argument("--detector", metavar="NAME", help="with --rev: whose predictions")
    parser.add_argument(
        "--baseline", metavar="NAME", help="which one the others are compared with (the first)"
    )
    _add_shared(parser, "comparison")
    parser.set_defaults(run=compare)


def _add_shared(parser: argparse.ArgumentParser, out: str) -> None:
    add = parser.add_argument
    add("--out", metavar="DIR", default=out, help=f"folder of the page ({out})")
    rules = parser.add_argument_group("rules (COCO's, or with --rev those of params.yaml)")
    add = rules.add_argument
    add("--scales", type=_bounds, metavar="32,96", help="sides in pixels that part the scales")
    add("--iou", type=float, metavar=".5", help="of a right box, for TIDE and calibration")
    add("--floor", type=float, metavar="0", help="lowest score that calibration counts")
    add("--bins", type=int, metavar="10", help="of scores, for calibration")
    add("--resamples", type=int, metavar="1000", help="of the images, for intervals")
    add("--seed", type=int, metavar="0", help="of the resamples")


def _bounds(text: str) -> tuple[float, ...]:
    try:
        bounds = tuple(float(part) for part in text.split(","))
    except ValueError:
        bounds = ()
    if len(bounds) not in SCALE_NAMES:
        raise argparse.ArgumentTypeError(f"expected one to four sides such as 32,96, got {text!r}")
    return bounds


def diagnose(options: argparse.Namespace) -> None:
    """Measure one results file and write its folder."""
    from scalewise import progress
    from scalewise.diagnosis import suspicion, whole
    from scalewise.report import alone, text
    from scalewise.report.folder import delivered

    rules = _rules(options, whole.Rules())
    with (
        delivered(options.out) as folder,
        progress.shown(1 + whole.steps(rules) + alone.STEPS) as step,
    ):
        step("reading")
        truth = suspicion.read_truth(options.truth)
        results = suspicion.read_results(options.results, truth)
        warnings = suspicion.warnings(truth, results)
        store = alone.images_of(truth, options.images) if options.images else None
        measured = whole.measure(truth, results, rules, step)
        alone.write(folder, _stem(options.results), measured, store, warnings, step)
    _tell(warnings)
    print(text.render(alone.summary(measured)))
    print(f"\nLook at {Path(options.out) / 'index.html'}")


def compare(options: argparse.Namespace) -> None:
    """Measure several results, or several revisions' predictions, and write what differs."""
    from scalewise import progress
    from scalewise.diagnosis import comparison, whole
    from scalewise.report import comparison as told
    from scalewise.report import text
    from scalewise.report.folder import delivered

    _check_asked(options)
    rules = _rules(options, _pipeline_rules() if options.rev else whole.Rules())
    with delivered(options.out) as folder:
        given, warnings = _given(options)
        with progress.shown(len(given) * whole.steps(rules) + 1) as step:
            measured = {
                name: whole.measure(*pair, rules, lambda does, n=name: step(f"{n}: {does}"))
                for name, pair in given.items()
            }
            step("page")
            base, *others = measured
            compared = {
                name: comparison.differences(measured[base], measured[name]) for name in others
            }
            told.write(folder, measured, compared, warnings)
    _tell(warnings)
    for name, found in compared.items():
        print(text.render(told.table(base, name, found, rules.scales)), end="\n\n")
        print("\n".join(told.sentences(found, rules.scales)), end="\n\n")
    print(f"Look at {Path(options.out) / 'index.html'}")


def _check_asked(options: argparse.Namespace) -> None:
    if options.rev and options.files:
        raise InputError(f"compare: expected files or --rev, got both: {options.files[0]}")
    if not options.rev and (len(options.files) < 3 or options.detector):
        raise InputError(
            "compare: expected a truth and two results or more (TRUTH.json A.json B.json), or "
            f"--rev; got {len(options.files)} files{' and --detector' * bool(options.detector)}"
        )


def _given(options: argparse.Namespace) -> tuple[dict[str, tuple["Truth", "Results"]], list[str]]:
    """Truth and results by name, the baseline first, and what to warn of."""
    from scalewise.diagnosis import suspicion

    given, warnings = _of_revisions(options) if options.rev else (_of_files(options), [])
    base = options.baseline or next(iter(given))
    if base not in given:
        raise InputError(f"--baseline {base}: not among what is compared: {', '.join(given)}")
    warnings += [text for pair in given.values() for text in suspicion.warnings(*pair)]
    return {base: given[base], **given}, warnings


def _of_files(options: argparse.Namespace) -> dict[str, tuple["Truth", "Results"]]:
    from scalewise.diagnosis import suspicion

    truth = suspicion.read_truth(options.files[0])
    names = names_of(options.files[1:])
    found = [suspicion.read_results(path, truth) for path in options.files[1:]]
    return {name: (truth, results) for name, results in zip(names, found, strict=True)}


def _of_revisions(
    options: argparse.Namespace,
) -> tuple[dict[str, tuple["Truth", "Results"]], list[str]]:
    """Each revision's predictions against its own truth; differing truths are told."""
    from scalewise import params, revisions
    from scalewise.diagnosis import comparison

    names = options.rev if len(options.rev) > 1 else [*options.rev, revisions.WORKSPACE]
    if len(set(names)) < len(names) or len(names) < 2:
        raise InputError(f"--rev: expected revisions that differ, got {', '.join(names)}")
    detector = options.detector or params.detectors()[0]
    given: dict[str, tuple[Truth, Results]] = {}
    warnings = []
    for name in names:
        first = next(iter(given.values()))[0] if given else None
        given[name] = _of_revision(detector, name, first)
        if first and (changed := comparison.truth_changes(given[name][0], first)):
            warnings.append(f"{changed}. Each is measured on its own, so differences mix both.")
    return given, warnings


def _of_revision(
    detector: str, revision: str, reference: "Truth | None"
) -> tuple["Truth", "Results"]:
    from scalewise import coco, revisions
    from scalewise.diagnosis import comparison, suspicion

    truth_path, path = (f"predictions/{detector}/{name}.json" for name in ("test_truth", "test"))
    truth = coco.parse_truth(
        revisions.read_json(truth_path, revision), revisions.named(truth_path, revision)
    )
    truth = comparison.in_order_of(truth, reference) if reference else truth
    document = revisions.read_json(path, revision)
    return truth, suspicion.parse_results(document, truth, revisions.named(path, revision))


def names_of(paths: Sequence[str]) -> list[str]:
    """A short name for each file: its own, with its folder where that is not enough.

    Raises:
        InputError: a file is given twice.
    """
    if len({Path(path).resolve() for path in paths}) < len(paths):
        raise InputError(f"compare: expected results that differ, got {', '.join(paths)}")
    short = [_stem(path) for path in paths]
    if len(set(short)) == len(short):
        return short
    longer = [f"{Path(path).resolve().parent.name}/{_stem(path)}" for path in paths]
    return longer if len(set(longer)) == len(longer) else list(paths)


def _stem(path: str) -> str:
    name = Path(path).name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name or path


def _pipeline_rules() -> "Rules":
    from scalewise import params
    from scalewise.diagnosis import whole

    kinds = {name: type(value) for name, value in vars(whole.Rules()).items()}
    return whole.Rules(**{name: params.read(name, kinds[name]) for name in SECTIONS})


def _rules(options: argparse.Namespace, base: "Rules") -> "Rules":
    """The rules with what the command line says in their place."""
    from scalewise import params
    from scalewise.diagnosis import whole

    said: Mapping[str, dict[str, Any]] = {
        "scales": {"bounds": options.scales,
                   "names": options.scales and SCALE_NAMES[len(options.scales)]},
        "tide": {"iou": options.iou},
        "calibration": {"iou": options.iou, "floor": options.floor, "bins": options.bins},
        "bootstrap": {"resamples": options.resamples, "seed": options.seed},
    }  # fmt: skip
    changed = {}
    for section, values in said.items():
        record = getattr(base, section)
        new = {key: value for key, value in values.items() if value is not None}
        changed[section] = params.parse(type(record), record.model_dump() | new, "options")
    return whole.Rules(**changed)


def _tell(warnings: Sequence[str]) -> None:
    for text in warnings:
        print(f"warning: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
