"""Sends hostile requests to a service, and kills the processes that read for it; the card says what became of each.

`make hostile` calls it as a program: 500 requests and 20 kills, with a result card.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostile.catalogue import hostile, is_slow
from hostile.exchange import send
from hostile.server import server
from hostile.verdict import FAULTS, Verdict, judge
from service.conftest import SALT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostile.exchange import Hostile
    from hostile.server import Server

_CARD = Path(__file__).parents[2] / "benchmarks" / "results" / "hostile.json"
_PACKAGES = ("cryskit", "fastapi", "starlette", "uvicorn", "python-multipart", "pydantic", "torch")
_CRYSTALS = 60  # of a request while which a process is killed


def attacked(service: Server, numbers: Sequence[int]) -> Iterator[tuple[int, str, Verdict]]:
    """Send requests, and a good one after each; slow ones go on meanwhile.

    Args:
        service: The service.
        numbers: Numbers of the requests.

    Yields:
        Number, family and verdict of each; those of slow ones at the end.
    """
    slow = [number for number in numbers if is_slow(number)]
    with ThreadPoolExecutor(max(1, len(slow))) as threads:
        waiting = [(number, threads.submit(_verdict, service, hostile(number))) for number in slow]
        for number in numbers:
            if is_slow(number):
                continue
            found = hostile(number)
            verdict = _verdict(service, found)
            if service.process.poll() is not None:
                verdict = Verdict("crash", f"ended with {service.process.returncode}")
            elif not service.answers() and verdict.outcome not in FAULTS:
                verdict = Verdict("next", "the next good request was not answered")
            yield number, found.family, verdict
        yield from ((number, hostile(number).family, pending.result()) for number, pending in waiting)


def _verdict(service: Server, found: Hostile) -> Verdict:
    sent = bytearray()

    def kept() -> Iterator[bytes]:
        for piece in found.pieces:
            if len(sent) < 1_000_000:
                sent.extend(piece)
            yield piece

    try:
        answer = send(service.port, found._replace(pieces=kept()))
    except OSError as error:
        return Verdict("crash", f"no connection: {type(error).__name__}")
    return judge(answer, bytes(sent))


def killed(service: Server, kills: int, seed: int = 0) -> dict[str, int]:
    """Kill a process that reads at random moments of requests, and return what that cost.

    Args:
        service: The service.
        kills: Number of kills.
        seed: Of the moments.
    """
    draw = random.Random(seed)
    sent = [
        SALT | {"id": str(i), "lattice": [[4 + i / 100 if a == b else 0 for a in range(3)] for b in range(3)]}
        for i in range(_CRYSTALS)
    ]
    whole = service.predict(sent)
    found = Counter(
        {"kills": 0, "requests": 0, "most rows that failed": 0, "rows that are others": 0, "requests not answered": 0}
    )
    while found["kills"] < kills:

        def kill() -> None:
            time.sleep(draw.uniform(0, 0.1))
            os.kill(draw.choice(service.readers()), signal.SIGKILL)
            found["kills"] += 1

        killing = threading.Thread(target=kill)
        killing.start()
        rows = service.predict(sent)
        killing.join()
        found["requests"] += 1
        found["requests not answered"] += len(rows) != len(whole)
        failed = [row["status"] == "failed" for row in rows]
        found["most rows that failed"] = max(found["most rows that failed"], sum(failed))
        others = [
            abs(one["band_gap"] - other["band_gap"]) > 1e-4
            for one, other in zip(rows, whole, strict=False)
            if one["status"] != "failed"
        ]
        found["rows that are others"] += sum(others)
    return dict(found)


def card_of(found: Sequence[tuple[int, str, Verdict]]) -> dict[str, Any]:
    """Return counts by family, and the numbers of the requests that must not be."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for _, family, verdict in found:
        counts[family][f"{verdict.outcome} {verdict.detail}" if verdict.outcome not in FAULTS else verdict.outcome] += 1
    return {
        "title": "Hostile requests",
        "requests": len(found),
        "faults": {fault: sum(verdict.outcome == fault for *_, verdict in found) for fault in FAULTS},
        "families": {family: dict(sorted(each.items())) for family, each in sorted(counts.items())},
        "numbers": [[number, family, *verdict] for number, family, verdict in found if verdict.outcome in FAULTS],
    }


def main() -> None:
    """Attack a service and write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--card", type=Path, default=_CARD)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(Path(folder, "log")) as service:
        before = service.memory()
        card = card_of(list(attacked(service, range(given.first, given.first + given.requests))))
        given.card.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        card["kills of a process that reads"] = killed(service, given.kills)
        errors = service.errors()
        card |= {
            "errors in the log": len(errors),
            "memory_mb": {"before": before, "after": service.memory()},
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        }
    given.card.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    sys.stderr.write("\n".join(errors))
    raise SystemExit(any(card["faults"].values()) or bool(errors))


if __name__ == "__main__":
    main()
