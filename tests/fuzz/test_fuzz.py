"""A thousand mutated files, of every kind that is read: none ends in an exception of its own, hangs, or is read as another crystal.

`make fuzz` reads twenty thousand and writes a result card.
"""

from __future__ import annotations

from fuzz.run import run
from fuzz.verdict import FAULTS


def test_mutated_files_are_read_refused_or_warned_of() -> None:
    found = list(run(range(1000)))
    assert len(found) == 1000
    assert not [(number, *verdict) for number, verdict in found if verdict.outcome in FAULTS]
    assert {"ok", "refused", "warned"} <= {verdict.outcome for _, verdict in found}
