"""The hardware that a model computes on, found by the names that users give it."""

from __future__ import annotations

import torch

from cryskit.errors import PlanError, UnknownNameError

ACCELERATORS = ("auto", "cpu", "gpu", "mps")
"""Names of hardware: `gpu` is CUDA or ROCm, `mps` that of Apple; `auto` is a GPU where there is one, else the processor."""


def device_of(accelerator: str) -> torch.device:
    """Return the device of PyTorch that an accelerator stands for.

    Args:
        accelerator: One of ACCELERATORS. `auto` never takes `mps`, where no model has been tested.

    Raises:
        PlanError: PyTorch finds no such hardware on this computer.
        UnknownNameError: There is no such name.
    """
    if accelerator not in ACCELERATORS:
        raise UnknownNameError("accelerator", accelerator, ACCELERATORS)
    there = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    chosen = ("gpu" if there["gpu"] else "cpu") if accelerator == "auto" else accelerator
    if not there.get(chosen, True):
        raise PlanError(
            f"PyTorch finds no hardware of the kind {chosen} on this computer",
            "Choose auto or cpu, or install a PyTorch that is built for it",
        )
    return torch.device("cuda" if chosen == "gpu" else chosen)
