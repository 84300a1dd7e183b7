"""Remember what was built of a crystal while the same crystals are built again and again.

A training goes through its crystals many times: to learn from them, to judge the model, for its intervals and for its domain; and
folds and trials do all this again.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryskit.types import Crystal, GraphSpec

MOST = 2**28
"""Bytes that are remembered at most, those of about 15,000 crystals; what is built after that is built again when it is needed."""

Arrays = TypeVar("Arrays", bound=tuple[Any, ...])


@dataclass
class _Memory:
    """What was built, by the content of a crystal and the kind of graph, and how many bytes more it may have."""

    found: dict[tuple[str, str], Any] = field(default_factory=dict)
    free: int = field(default_factory=lambda: MOST)


_MEMORY: ContextVar[_Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembered() -> Iterator[None]:
    """Remember all that is built within a block or, as a decorator, within a call; a block inside it shares its memory.

    Yields:
        Nothing; the memory is empty at first, and is forgotten after the block.
    """
    if _MEMORY.get() is not None:
        yield
        return
    token = _MEMORY.set(_Memory())
    try:
        yield
    finally:
        _MEMORY.reset(token)


def built_once(build: Callable[[Crystal, GraphSpec], Arrays], crystal: Crystal, spec: GraphSpec) -> Arrays:
    """Return what is remembered of a crystal, or build it.

    Args:
        build: Function that builds; an error that it raises is not remembered.
        crystal: The crystal.
        spec: The kind of graph.

    Returns:
        Arrays that nobody changes.
    """
    memory = _MEMORY.get()
    if memory is None:
        return build(crystal, spec)
    key = crystal.fingerprint, spec.hash
    if key in memory.found:
        known: Arrays = memory.found[key]
        return known
    made = build(crystal, spec)
    size = sum(array.nbytes for array in made)
    if size <= memory.free:
        memory.found[key] = made
        memory.free -= size
    return made
