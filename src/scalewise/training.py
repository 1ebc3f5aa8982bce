"""The one training loop, on Lightning Fabric (devices, precision, processes).

A model offers `augment(batch, draws) -> batch` and `loss(batch) -> dict of weighted terms`, and may
offer `MEASURES` (entries of that dict that are reported and not minimised), `copies` (how often an
epoch shows each example, every time augmented anew; `batch["copy"]` counts them from 0) and
`snapshot(batch) -> dict` (what to keep of a few validation examples after each epoch), and `draws`
(how many uniform numbers `augment` gets for each example). A split is a
dict of tensors with one row an example, kept on the device. A step copies nothing back, so the
loop never waits for the device before an epoch ends.
"""

import csv
import hashlib
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from tqdm import tqdm

from scalewise import checkpoint, environment
from scalewise.errors import InputError
from scalewise.examples.images import Examples
from scalewise.files import replacing
from scalewise.schedule import Schedule

Row = dict[str, float]
SNAPSHOTS = 4  # validation examples that are followed through the epochs
DRAWS = 16  # uniform numbers each example gets for its augmentation, where the model says nothing


@dataclass
class Progress:
    """What a resumed run needs beside weights and optimiser."""

    epoch: int = 0
    history: list[Row] = field(default_factory=list)
    best_loss: float = float("inf")
    best: dict[str, Tensor] = field(default_factory=dict)
    snapshots: list[dict[str, Tensor]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """A finished training.

    Attributes:
        state: the weights of the epoch with the lowest validation loss.
        history: one row an epoch: epoch, learning_rate, train_<term>, val_<term>.
        snapshots: name -> [epochs, ...] of what the model's `snapshot` gave; mostly empty.
        log: seconds, examples a second, device; differs from run to run.
    """

    state: dict[str, Tensor]
    history: list[Row]
    snapshots: dict[str, Tensor]
    log: dict[str, Any]


def fabric_for(schedule: Schedule) -> Fabric:
    """Devices and precision from the environment and the schedule; seeds torch."""
    accelerator, processes = environment.accelerator(), environment.processes()
    on_cuda = accelerator != "cpu" and torch.cuda.is_available()
    device_type = "cuda" if on_cuda else "cpu"
    if on_cuda and processes > torch.cuda.device_count():
        raise InputError(
            f"SCALEWISE_PROCESSES is {processes}, but there are {torch.cuda.device_count()} CUDA "
            f"devices"
        )
    fast = environment.has_fast_bfloat16(device_type)
    fabric = Fabric(
        accelerator=device_type,
        devices=processes,
        precision="bf16-mixed" if schedule.precision == "mixed" and fast else "32-true",
        strategy=DDPStrategy(broadcast_buffers=False) if processes > 1 else "auto",
    )
    torch.manual_seed(schedule.seed)
    torch.backends.cudnn.deterministic = True  # the same bytes on the same machine
    return fabric


def fit(
    fabric: Fabric,
    model: nn.Module,
    train: Examples,
    val: Examples,
    schedule: Schedule,
    scratch: Path,
) -> Outcome:
    """Train a model and keep its best epoch on the validation split.

    Args:
        fabric: launched already.
        model: offers `augment` and `loss`.
        train: what to learn from.
        val: what to select the best epoch on.
        schedule: epochs, rates, seed.
        scratch: file that keeps the state after each epoch; an interrupted run goes on from it,
            and a finished one removes it. Its name must change with everything that matters.

    Raises:
        InputError: a loss that is not finite, fewer examples than one batch, or a batch that the
            processes cannot share evenly.
    """
    _check_counts(fabric, len(train.names), len(val.names), schedule)
    return _Training(fabric, model, train, val, schedule, scratch).run()


def _check_counts(fabric: Fabric, train: int, val: int, schedule: Schedule) -> None:
    size, world = schedule.batch_size, fabric.world_size
    if train < size:
        raise InputError(
            f"training.batch_size is {size}, but the training split has only {train} images"
        )
    if size % world or val < world:
        raise InputError(
            f"SCALEWISE_PROCESSES is {world}: training.batch_size {size} must be a multiple of it, "
            f"and the validation split ({val} images) must have one image for each"
        )


class _Training:
    def __init__(
        self,
        fabric: Fabric,
        model: nn.Module,
        train: Examples,
        val: Examples,
        schedule: Schedule,
        scratch: Path,
    ) -> None:
        self.fabric, self.schedule, self.scratch = fabric, schedule, scratch
        self.names, self.val_count = train.names, len(val.names)
        self.train = {name: value.to(fabric.device) for name, value in train.tensors.items()}
        self.val = {name: value.to(fabric.device) for name, value in val.tensors.items()}
        self.measures = frozenset(getattr(model, "MEASURES", ()))
        self.draws = getattr(model, "draws", DRAWS)
        self.shown = len(train.names) * getattr(model, "copies", 1)
        self.steps = self.shown // schedule.batch_size
        self.plain = model
        self.model, self.optimizer = fabric.setup(model, _optimizer(model, schedule))
        self.model.mark_forward_method("loss")
        self.rate = _rate(self.optimizer, schedule, self.steps * schedule.epochs)
        self.progress = Progress()
        self._resume()

    def run(self) -> Outcome:
        first, start = self.progress.epoch, time.perf_counter()
        epochs = range(first, self.schedule.epochs)
        interactive = sys.stderr.isatty()
        shown = tqdm(epochs, unit="epoch", disable=not (interactive and self.fabric.is_global_zero))
        for epoch in shown:
            row = {"epoch": epoch + 1, "learning_rate": self.rate.get_last_lr()[0]}
            row |= self._train(epoch) | self._validate()
            self._keep(epoch, row)
            text = f"train {row['train_total']:.4f} val {row['val_total']:.4f}"
            if interactive:
                shown.set_postfix_str(text)
            else:
                self.fabric.print(f"epoch {epoch + 1}/{self.schedule.epochs}: {text}", flush=True)
        seconds = time.perf_counter() - start
        self.fabric.barrier()
        if self.fabric.is_global_zero:
            kept = self.scratch.name.partition("-")[0]
            for state in self.scratch.parent.glob(f"{kept}-*.pt"):  # of changed runs too
                state.unlink()
            self.scratch.unlink(missing_ok=True)
        log = self._log(seconds, len(epochs))
        return Outcome(self.progress.best, self.progress.history, self._snapshots(), log)

    def _train(self, epoch: int) -> Row:
        order, draws = self._shuffle(epoch)
        self.model.train()
        parts = []
        for step in range(self.steps):
            rows = self._share(step)
            which = order[rows] % len(self.names)
            batch = {name: value[which] for name, value in self.train.items()}
            batch["copy"] = order[rows] // len(self.names)
            terms = self._loss(self.plain.augment(batch, draws[rows]))
            self.optimizer.zero_grad(set_to_none=True)
            self.fabric.backward(sum(v for name, v in terms.items() if name not in self.measures))
            self.fabric.clip_gradients(
                self.model,
                self.optimizer,
                max_norm=self.schedule.clip_norm,
                error_if_nonfinite=False,  # would wait for the device; see _check
            )
            self.optimizer.step()
            self.rate.step()
            parts.append(torch.stack([term.detach().float() for term in terms.values()]))
        losses = self.fabric.all_reduce(torch.stack(parts), reduce_op="mean").cpu()
        self._check(losses, list(terms), order.cpu(), epoch)
        return self._row("train", list(terms), losses.mean(dim=0))

    def _loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The model's terms, in the precision asked for.

        Fabric casts by itself only what goes through `forward`, or any method when there are
        several processes.
        """
        with self.fabric.autocast():
            return self.model.loss(batch)

    def _shuffle(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Order and random numbers of an epoch: of seed and epoch alone, so they resume."""
        seed = torch.tensor([self.schedule.seed, epoch]).numpy().tobytes()
        number = int.from_bytes(hashlib.sha256(seed).digest()[:7], "big")
        torch.manual_seed(number)  # dropout and the like
        generator = torch.Generator().manual_seed(number)
        order = torch.randperm(self.shown, generator=generator)
        draws = torch.rand(self.shown, self.draws, generator=generator)
        return order.to(self.fabric.device), draws.to(self.fabric.device)

    def _share(self, step: int) -> slice:
        """This process's rows of a global batch."""
        start = step * self.schedule.batch_size
        end = start + self.schedule.batch_size
        return slice(start + self.fabric.global_rank, end, self.fabric.world_size)

    def _check(self, losses: Tensor, terms: list[str], order: Tensor, epoch: int) -> None:
        bad = ~losses.isfinite().all(dim=1)
        if not bad.any():
            return
        step = int(bad.nonzero()[0, 0])
        values = ", ".join(f"{t} {v:.4g}" for t, v in zip(terms, losses[step], strict=True))
        start = step * self.schedule.batch_size
        rows = (order[start : start + self.schedule.batch_size] % len(self.names)).tolist()
        raise InputError(
            f"the loss is not finite at epoch {epoch + 1}, step {step + 1}: {values}; images "
            f"{', '.join(self.names[row] for row in rows)}. Lower training.learning_rate "
            f"({self.schedule.learning_rate}) or training.clip_norm ({self.schedule.clip_norm})"
        )

    @torch.no_grad()
    def _validate(self) -> Row:
        self.model.eval()
        rank, world = self.fabric.global_rank, self.fabric.world_size
        total: Tensor | float = 0.0
        for rows in torch.arange(rank, self.val_count, world).split(4 * self.schedule.batch_size):
            terms = self._loss({name: value[rows] for name, value in self.val.items()})
            total = total + len(rows) * torch.stack([t.float() for t in terms.values()])
        mean = self.fabric.all_reduce(total, reduce_op="sum").cpu() / self.val_count
        return self._row("val", list(terms), mean)

    def _row(self, split: str, terms: list[str], values: Tensor) -> Row:
        named = dict(zip(terms, values.tolist(), strict=True))
        total = sum(value for name, value in named.items() if name not in self.measures)
        return {f"{split}_total": total} | {f"{split}_{t}": v for t, v in named.items()}

    def _keep(self, epoch: int, row: Row) -> None:
        if not math.isfinite(row["val_total"]):
            raise InputError(
                f"the validation loss is not finite after epoch {epoch + 1}; lower "
                f"training.learning_rate ({self.schedule.learning_rate})"
            )
        self.progress.history.append(row)
        self.progress.epoch = epoch + 1
        if hasattr(self.plain, "snapshot"):
            some = {name: value[:SNAPSHOTS] for name, value in self.val.items()}
            with torch.no_grad():
                kept = self.plain.snapshot(some)
            self.progress.snapshots.append({name: value.cpu() for name, value in kept.items()})
        if row["val_total"] < self.progress.best_loss:
            self.progress.best_loss = row["val_total"]
            self.progress.best = {
                name: value.cpu().clone() for name, value in self.plain.state_dict().items()
            }
        if self.fabric.is_global_zero and epoch + 1 < self.schedule.epochs:
            checkpoint.save_bytes(self.scratch, self._state())

    def _snapshots(self) -> dict[str, Tensor]:
        """Those of all epochs, stacked."""
        epochs = self.progress.snapshots
        return {name: torch.stack([e[name] for e in epochs]) for name in (epochs or [{}])[0]}

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rate": self.rate.state_dict(),
            "progress": vars(self.progress),
        }

    def _resume(self) -> None:
        if not self.scratch.is_file():
            return
        try:
            state = checkpoint.load_bytes(self.scratch, self.fabric.device)
        except InputError as error:  # a power cut can leave it damaged
            self.fabric.print(f"cannot go on ({error}): starting anew", flush=True)
            return
        self.plain.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rate.load_state_dict(state["rate"])
        self.progress = Progress(**state["progress"])
        self.fabric.print(f"going on after epoch {self.progress.epoch}", flush=True)

    def _log(self, seconds: float, epochs: int) -> dict[str, Any]:
        return {
            "seconds": round(seconds, 2),
            "examples_per_second": round(epochs * self.shown / max(seconds, 1e-9), 1),
            "processes": self.fabric.world_size,
            "precision": str(self.fabric._precision.precision),
            **environment.hardware(self.fabric.device.type),
        }


def _rate(optimizer: torch.optim.Optimizer, schedule: Schedule, steps: int) -> LRScheduler:
    if schedule.rate == "constant":
        return ConstantLR(optimizer, factor=1, total_iters=0)
    return OneCycleLR(
        optimizer,
        max_lr=schedule.learning_rate,
        total_steps=steps,
        # One rising step alone is no ramp: OneCycleLR would divide by its length of 0.
        pct_start=max(schedule.warmup, 1.5 / steps) if steps > 1 else schedule.warmup,
        cycle_momentum=False,
    )


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if schedule.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=schedule.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=schedule.learning_rate)


def write_history(path: str | Path, history: list[Row]) -> None:
    """Write the epochs as CSV."""
    with replacing(path) as scratch, scratch.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0].keys())
        writer.writeheader()
        writer.writerows({k: round(v, 6) for k, v in row.items()} for row in history)


def digest(values: Any, files: Iterable[Path]) -> str:
    """A short name for parameters, data files and this package's loaded code together."""
    code = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "scalewise"]
    total = hashlib.sha256(repr(values).encode())
    for path in sorted([*map(Path, filter(None, code)), *files]):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]
