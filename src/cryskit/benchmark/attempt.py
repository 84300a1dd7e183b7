"""A row that goes wrong does not stop the others, and nothing about it is lost."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Literal, Self

import torch

from cryskit.errors import CryskitError

if TYPE_CHECKING:
    from types import TracebackType

EXPECTED = (CryskitError, MemoryError, torch.OutOfMemoryError)
"""Errors that the plan, the data or the machine cause; any other is a fault of the program."""


class Attempt:
    """A context that ends with its first error and keeps it.

    What stops the program (an interrupt, an exit) is not kept and goes on upwards.

    Attributes:
        reason: The error on one line; empty if there was none.
        trace: Its traceback if it is not one of `EXPECTED`, which explain themselves; else empty.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.trace = ""

    @property
    def status(self) -> Literal["done", "failed"]:
        """Whether the block came to its end."""
        return "failed" if self.reason else "done"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        """Keep an error, and let the program go on."""
        del kind, at
        if not isinstance(error, Exception):
            return False
        self.reason = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, EXPECTED):
            self.reason = f"{type(error).__name__}: {self.reason}"
            self.trace = "".join(traceback.format_exception(error))
        return True
