"""What may differ between two runs of the same thing: device, processes, threads.

Never parameters, since a lock made on a GPU would be stale on a CPU. Read from the environment:
`SCALEWISE_DEVICE` (auto, cpu, cuda), `SCALEWISE_PROCESSES` (how many take part in training),
`SCALEWISE_WORKERS` (how many make data), `SCALEWISE_DOWNLOADS` (folder of downloads, by default
`.downloads`).
"""

import os
import platform
from typing import Any

from scalewise.errors import InputError

DEVICES = ("auto", "cpu", "cuda")


def accelerator() -> str:
    """`SCALEWISE_DEVICE`: auto, cpu or cuda."""
    name = os.environ.get("SCALEWISE_DEVICE", "auto")
    if name not in DEVICES:
        raise InputError(f"SCALEWISE_DEVICE is '{name}', expected one of {', '.join(DEVICES)}")
    if name == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError("SCALEWISE_DEVICE is 'cuda', but torch finds no CUDA device here")
    return name


def processes() -> int:
    """`SCALEWISE_PROCESSES`: devices, or CPU processes, that train together; 1 by default."""
    return whole("SCALEWISE_PROCESSES", 1)


def whole(name: str, default: int) -> int:
    """A variable of the environment that must be a whole number from 1."""
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise InputError(f"{name} is '{text}', expected a whole number from 1")
    return int(text)


def device() -> Any:
    """The torch device to predict on."""
    import torch

    wanted = accelerator()
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)


def has_fast_bfloat16(device_type: str) -> bool:
    """Whether the hardware multiplies bfloat16 faster than float32."""
    import torch

    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def hardware(device_type: str) -> dict[str, Any]:
    """What a log should say of the machine."""
    import torch

    name = torch.cuda.get_device_name() if device_type == "cuda" else _processor()
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
