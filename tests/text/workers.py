"""What the processes of the tests do; in a module of its own, so that they find it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from cryskit.errors import CryskitError
from cryskit.text.describe import Description, ended_after

if TYPE_CHECKING:
    from cryskit.types import Crystal


def task(crystal: Crystal, timeout: float) -> Description:
    """Describe a crystal by its name, unless the name says what goes wrong."""
    if crystal.id.startswith("die"):
        os._exit(3)
    if crystal.id == "odd":
        raise KeyboardInterrupt("nobody expects this")
    if crystal.id == "missing":
        raise CryskitError("It is not installed", "Install it")
    if crystal.id == "deaf":
        with ended_after(timeout):
            time.sleep(60)
    return Description(crystal.id, crystal.fingerprint, crystal.id, "", "described")
