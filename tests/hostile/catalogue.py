"""The hostile requests by number: the same number gives the same request."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hostile import corpus, documents, forms, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostile.exchange import Hostile

_SHARES: tuple[tuple[int, Callable[[Random], Hostile]], ...] = (
    (140, corpus.fuzzed),
    (60, wire.headers),
    (50, forms.malformed),
    (50, documents.wrong),
    (40, wire.addresses),
    (35, forms.names),
    (30, documents.encoded),
    (30, wire.pieces),
    (25, documents.deep),
    (20, documents.opened),
    (12, wire.slow),
    (6, wire.large),
    (2, corpus.bombs),
)
_WHOLE = [make for share, make in _SHARES for _ in range(share)]
WHOLE = len(_WHOLE)
"""Number of requests after which the families repeat."""


def hostile(number: int) -> Hostile:
    """Return a request.

    Args:
        number: Its number, from which it follows.
    """
    return _make(number)(Random(number))


def is_slow(number: int) -> bool:
    """Return whether a request is one that comes slowly."""
    return _make(number) is wire.slow


def _make(number: int) -> Callable[[Random], Hostile]:
    makes = _WHOLE.copy()
    Random(number // WHOLE).shuffle(makes)
    return makes[number % WHOLE]
