"""Some of the hostile requests, against a service as a process: it shows nothing of its inside, and answers the next one.

`make hostile` sends five hundred, kills the processes that read, and writes a result card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hostile.catalogue import WHOLE, hostile, is_slow
from hostile.exchange import Answer
from hostile.run import attacked, killed
from hostile.server import Server, server
from hostile.verdict import FAULTS, judge

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("hostile") / "log") as found:
        yield found


@pytest.mark.slow
def test_hostile_requests_are_answered_and_the_next_good_one_too(service: Server) -> None:
    numbers = [number for number in range(60) if not is_slow(number)]
    found = list(attacked(service, numbers))
    assert len(found) == len(numbers)
    assert not [each for each in found if each[2].outcome in FAULTS]
    assert service.errors() == []


@pytest.mark.slow
def test_a_process_that_is_killed_costs_one_row_at_most(service: Server) -> None:
    found = killed(service, 3)
    assert found["most rows that failed"] <= 1
    assert found["rows that are others"] == found["requests not answered"] == 0


def test_a_number_gives_the_same_request_and_all_families_are_tried() -> None:
    assert list(hostile(17).pieces) == list(hostile(17).pieces)
    assert sum(is_slow(number) for number in range(WHOLE)) == 12
    assert WHOLE == 500


@pytest.mark.parametrize(
    ("raw", "sent", "outcome"),
    [
        (b"HTTP/1.1 422 x\r\n\r\n{}", b"", "refused"),
        (b"HTTP/1.1 500 x\r\n\r\n{}", b"", "error"),
        (b"HTTP/1.1 422 x\r\n\r\n/usr/lib/python3/x", b"", "leak"),
        (b"HTTP/1.1 422 x\r\n\r\npydantic_core.ValidationError: a", b"", "leak"),
        (b'HTTP/1.1 200 x\r\n\r\n{"path": "x.py"}', b"", "leak"),
        (b'HTTP/1.1 200 x\r\n\r\n{"path": "x.py"}', b'filename="x.py"', "answered"),
        (b"", b"", "closed"),
    ],
)
def test_a_verdict_finds_what_must_not_be(raw: bytes, sent: bytes, outcome: str) -> None:
    status = int(raw.split()[1]) if raw else 0
    assert judge(Answer(status, raw, 0.0, hung=False), sent).outcome == outcome
