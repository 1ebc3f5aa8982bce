import csv

import pytest
import torch
from torch import nn

from scalewise import environment, training
from scalewise.errors import InputError
from scalewise.examples.images import Examples
from scalewise.schedule import Schedule

ROWS = 24


class Line(nn.Module):
    """Fits y = w x + b, with dropout so that random states matter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layer, self.drop = nn.Linear(4, 1), nn.Dropout(0.2)
        self.seen: list[torch.Tensor] = []

    def augment(self, batch, draws):
        self.seen.append(batch["x"][:, 0].clone())
        return {**batch, "x": batch["x"] + 0.01 * draws[:, :4]}

    def loss(self, batch):
        error = (self.layer(self.drop(batch["x"]))[:, 0] - batch["y"]).square().mean()
        return {"square": error, "weights": 0.001 * self.layer.weight.square().sum()}


def data(rows=ROWS):
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(1))
    return {"x": x, "y": x @ torch.tensor([1.0, -2, 3, 0])}


def split(rows=ROWS):
    names = tuple(f"image {n}" for n in range(rows))
    return Examples(names, ("y",), data(rows), ())


def fit(scratch, model=None, **changes):
    values = {"epochs": 6, "batch_size": 8, "learning_rate": 0.1, "precision": "full", **changes}
    schedule = Schedule(**values)
    fabric = training.fabric_for(schedule)
    fabric.launch()
    return training.fit(fabric, model or Line(), split(), split(9), schedule, scratch)


@pytest.fixture
def scratch(tmp_path):
    return tmp_path / "state.pt"


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_learns_and_reports_every_term(scratch, optimizer):
    outcome = fit(scratch, optimizer=optimizer, epochs=30)
    first, last = outcome.history[0], outcome.history[-1]
    assert last["val_total"] < 0.2 * first["val_total"]
    for split in ("train", "val"):
        total = last[f"{split}_square"] + last[f"{split}_weights"]
        assert last[f"{split}_total"] == pytest.approx(total, abs=1e-5)
    assert not scratch.exists()


class Scripted(Line):
    """Its weight counts the steps; its validation loss follows a script."""

    script = (3.0, 1.0, 2.0)

    def loss(self, batch):
        if self.training:
            return super().loss(batch)
        return {"scripted": torch.tensor(self.script[len(self.seen) // 3 - 1])}


def test_the_best_epoch_on_val_is_kept(scratch):
    kept = fit(scratch, Scripted(), epochs=3).state["layer.weight"]
    after = [_weight_after(scratch, epoch) for epoch in (1, 2, 3)]
    assert [torch.equal(kept, weight) for weight in after] == [False, True, False]


def _weight_after(scratch, epoch):
    """The same training with the lowest validation loss at another epoch."""
    model = Scripted()
    model.script = tuple(1.0 if n == epoch else 2.0 for n in (1, 2, 3))
    return fit(scratch, model, epochs=3).state["layer.weight"]


def test_an_epoch_sees_every_example_once_in_a_new_order(scratch):
    model = Line()
    fit(scratch, model, epochs=2)
    first, second = torch.cat(model.seen[:3]), torch.cat(model.seen[3:])
    assert not torch.equal(first, second)
    for order in (first, second):
        torch.testing.assert_close(order.sort().values, data()["x"][:, 0].sort().values)


def test_same_seed_same_weights_other_seed_others(scratch):
    runs = [fit(scratch, seed=seed).state["layer.weight"] for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


class Killed(Exception):
    pass


class Dying(Line):
    """Dies in the middle of the fourth epoch, as by a power cut."""

    def augment(self, batch, draws):
        if len(self.seen) == 10:
            raise Killed
        return super().augment(batch, draws)


def test_a_resumed_run_equals_an_unbroken_one(scratch, capsys):
    whole = fit(scratch)
    with pytest.raises(Killed):
        fit(scratch, Dying())
    assert scratch.exists()
    model = Line()
    resumed = fit(scratch, model)
    assert len(model.seen) == 9, "three epochs of three steps were left"
    assert "going on after epoch 3" in capsys.readouterr().out
    assert resumed.history == whole.history
    for name, value in whole.state.items():
        assert torch.equal(value, resumed.state[name])


class Exploding(Line):
    def loss(self, batch):
        terms = super().loss(batch)
        factor = float("inf") if len(self.seen) == 5 else 1
        return {**terms, "square": terms["square"] * factor}


def test_a_loss_that_is_not_finite_stops_and_says_where(scratch):
    model = Exploding()
    with pytest.raises(InputError, match="not finite at epoch 2, step 2: square inf") as error:
        fit(scratch, model)
    named = str(error.value).split("images ")[1].split(".")[0].split(", ")
    rows = [int(name.removeprefix("image ")) for name in named]
    torch.testing.assert_close(data()["x"][rows, 0], model.seen[4])


class LateNaN(Line):
    """Its weights are fine in training and useless on val."""

    def loss(self, batch):
        terms = super().loss(batch)
        return terms if self.training else {k: v * float("nan") for k, v in terms.items()}


def test_a_validation_loss_that_is_not_finite_is_no_best_epoch(scratch):
    with pytest.raises(InputError, match="validation loss is not finite after epoch 1"):
        fit(scratch, LateNaN())


class Measured(Line):
    """Reports how far off it is, shows every example three times, and keeps what it said."""

    MEASURES = ("off",)
    copies = 3

    def augment(self, batch, draws):
        self.copy = [*getattr(self, "copy", []), batch["copy"].clone()]
        return super().augment(batch, draws)

    def loss(self, batch):
        off = (self.layer(batch["x"])[:, 0] - batch["y"]).detach().abs().mean()
        return {**super().loss(batch), "off": 1000 * off}

    def snapshot(self, batch):
        return {"said": self.layer(batch["x"])[:, 0]}


def test_measures_are_reported_and_not_minimised(scratch):
    kept, row = fit(scratch, Measured()).state, fit(scratch, Measured()).history[-1]
    assert row["val_total"] == pytest.approx(row["val_square"] + row["val_weights"], abs=1e-5)
    assert row["val_off"] > 1 and row["train_off"] > 1

    class Silent(Measured):
        MEASURES = ()

        def loss(self, batch):
            return {name: v for name, v in super().loss(batch).items() if name != "off"}

    for name, value in fit(scratch, Silent()).state.items():
        assert torch.equal(value, kept[name])


def test_every_copy_of_every_example_is_shown_once_an_epoch(scratch):
    model = Measured()
    fit(scratch, model, epochs=1)
    assert len(model.seen) == 9, "three copies of 24 examples in batches of 8"
    seen = list(zip(torch.cat(model.seen).tolist(), torch.cat(model.copy).tolist(), strict=True))
    expected = [(x, copy) for x in data()["x"][:, 0].tolist() for copy in range(3)]
    assert sorted(seen) == sorted(expected)


def test_what_it_said_is_kept_of_every_epoch_and_after_a_kill(scratch):
    said = fit(scratch, Measured()).snapshots["said"]
    assert said.shape == (6, training.SNAPSHOTS) and (said[0] != said[5]).all()

    class Late(Measured):
        def augment(self, batch, draws):
            if len(self.seen) == 30:
                raise Killed
            return super().augment(batch, draws)

    with pytest.raises(Killed):
        fit(scratch, Late())
    assert torch.equal(fit(scratch, Measured()).snapshots["said"], said)


@pytest.mark.parametrize("precision", ["mixed", "full"])
def test_mixed_precision_reaches_the_loss(scratch, precision, monkeypatch):
    """Fabric leaves methods other than `forward` alone on one device."""
    monkeypatch.setattr(environment, "has_fast_bfloat16", lambda device: True)
    seen = set()

    class Watched(Line):
        def loss(self, batch):
            seen.add(self.layer(batch["x"]).dtype)
            return {name: value.float() for name, value in super().loss(batch).items()}

    fit(scratch, Watched(), precision=precision, epochs=1)
    assert seen == {torch.bfloat16 if precision == "mixed" else torch.float32}


def test_a_constant_rate_stays(scratch):
    rates = {row["learning_rate"] for row in fit(scratch, rate="constant").history}
    assert rates == {0.1}


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0.01, 1 / 3, 0.2, 0.5])
def test_short_trainings_have_a_schedule_too(scratch, epochs, warmup):
    assert len(fit(scratch, epochs=epochs, warmup=warmup).history) == epochs
    assert len(fit(scratch, epochs=epochs, warmup=warmup, batch_size=24).history) == epochs


def test_a_damaged_state_is_told_and_left(scratch, capsys):
    scratch.write_bytes(b"half a file")
    fit(scratch)
    assert "cannot go on" in capsys.readouterr().out


def test_states_of_changed_runs_go_too(tmp_path):
    (tmp_path / "net-old.pt").write_bytes(b"state")
    (tmp_path / "other-old.pt").write_bytes(b"state")
    fit(tmp_path / "net-new.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["other-old.pt"]


def test_fewer_examples_than_a_batch_are_an_error(scratch):
    with pytest.raises(InputError, match="batch_size is 32.* only 24"):
        fit(scratch, batch_size=32)


def test_weight_decay_spares_biases(scratch):
    decayed = fit(scratch, weight_decay=10, learning_rate=0.01).state
    plain = fit(scratch, weight_decay=0, learning_rate=0.01).state
    assert decayed["layer.weight"].norm() < 0.8 * plain["layer.weight"].norm()


def test_history_is_written_as_csv(tmp_path):
    path = tmp_path / "history.csv"
    training.write_history(path, [{"epoch": 1, "train_total": 0.123456789}])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert rows == [{"epoch": "1", "train_total": "0.123457"}]


def test_digest_changes_with_parameters_and_data(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("1")
    names = {training.digest(Schedule(), [file]), training.digest(Schedule(epochs=3), [file])}
    file.write_text("2")
    names.add(training.digest(Schedule(), [file]))
    assert len(names) == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SCALEWISE_DEVICE", "gpu", "one of auto, cpu, cuda"),
        ("SCALEWISE_PROCESSES", "zero", "a whole number from 1"),
        ("SCALEWISE_PROCESSES", "0", "a whole number from 1"),
    ],
)
def test_a_wrong_environment_is_named(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        training.fabric_for(Schedule())
