"""How a model trains: the `training` part of its section in params.yaml."""

from typing import Literal

from pydantic import Field

from scalewise.params import Record


class Schedule(Record):
    """How long and how fast a model trains."""

    epochs: int = Field(12, ge=1)
    """Passes over the training split; what is left of a last, smaller batch waits for the next."""
    batch_size: int = Field(16, ge=1)
    """Examples a step, over all processes."""
    optimizer: Literal["sgd", "adamw"] = "adamw"
    """SGD has momentum .9 with Nesterov's step; AdamW without weight decay is Adam."""
    rate: Literal["one_cycle", "constant"] = "one_cycle"
    """How the learning rate runs: one rise and fall (Smith 2018, arXiv 1803.09820), or flat."""
    learning_rate: float = Field(0.006, gt=0)
    """The highest rate."""
    weight_decay: float = Field(0.01, ge=0)
    """Of convolution and linear weights alone."""
    warmup: float = Field(0.2, gt=0, lt=1)
    """Share of the steps in which the rate rises, where it does."""
    clip_norm: float = Field(10, gt=0)
    """Largest norm of the gradient."""
    precision: Literal["mixed", "full"] = "mixed"
    """Mixed: bfloat16 where the hardware has it, else float32."""
    seed: int = Field(0, ge=0)
    """Of initial weights, order and augmentation."""
