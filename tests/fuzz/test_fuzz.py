"""A thousand mutated files, of every kind that is read: none ends in an exception of its own, hangs, or is read as another crystal.

`make fuzz` reads twenty thousand and writes a result card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fuzz.run import run
from fuzz.seeds import kinds
from fuzz.verdict import FAULTS, input_of, judge, original

from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.seeds import Kind


def test_mutated_files_are_read_refused_or_warned_of() -> None:
    found = list(run(range(1000)))
    assert len(found) == 1000
    assert not [(number, *verdict) for number, verdict in found if verdict.outcome in FAULTS]
    assert {"ok", "refused", "warned"} <= {verdict.outcome for _, verdict in found}


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_the_files_that_are_mutated_are_sound(kind: Kind) -> None:
    rows = original(kind.name)
    assert all(isinstance(row, Crystal) and not row.warnings for row in rows), rows


@pytest.mark.parametrize("number", [1887, 1977, 4974, 5187, 5247])
def test_inputs_that_once_ended_in_an_exception_of_their_own(number: int, tmp_path: Path) -> None:
    assert judge(number, tmp_path).outcome not in FAULTS
    assert input_of(number)[1] == input_of(number)[1]
