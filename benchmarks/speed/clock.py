"""Time several ways to do the same, in turns, so that a change of the machine's load meets all of them."""

from __future__ import annotations

import gc
import time
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REFERENCE = "reference"


class Times(NamedTuple):
    """Seconds of each repeat, by the wall and of this process on all of its threads."""

    wall: list[float]
    cpu: list[float]


def interleave(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Run A B C A B C ... after one untimed round.

    Args:
        contenders: Name to what is timed.
        repeats: Timed rounds.
    """
    times = {name: Times([], []) for name in contenders}
    for repeat in range(repeats + 1):
        for name, run in contenders.items():
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            if repeat:
                times[name].wall.append(time.perf_counter() - wall)
                times[name].cpu.append(time.process_time() - cpu)
    return times


def rows(
    stage: str, crystals: int, times: Mapping[str, Times], clock: str, target: float | None
) -> list[dict[str, Any]]:
    """Return one record per contender that is not the reference.

    Args:
        stage: Name of what was timed.
        crystals: Number of crystals in each repeat.
        times: Times of each contender, from `interleave`.
        clock: Clock of rates and ratios, "wall" or "cpu".
        target: Least ratio to the reference that is asked for.
    """
    seconds = {name: getattr(of, clock) for name, of in times.items()}
    reference = seconds.get(REFERENCE)
    records = []
    for name, mine in seconds.items():
        if name == REFERENCE:
            continue
        record: dict[str, Any] = {"stage": stage, "variant": name, "crystals": crystals}
        record["per_second"] = crystals / median(mine)
        if reference:
            ratios = [theirs / ours for theirs, ours in zip(reference, mine, strict=True)]
            record |= {"reference_per_second": crystals / median(reference), "ratio": median(ratios)}
            record |= {"ratio_least": min(ratios), "ratio_most": max(ratios), "target": target}
        records.append(record)
    return records


def seconds(stage: str, times: Mapping[str, Times]) -> list[dict[str, Any]]:
    """Return the seconds of every contender: median, least and most, by either clock."""
    return [
        {
            "stage": stage,
            "variant": name,
            "repeats": len(of.wall),
            **{
                f"{clock}_{which}": round(figure(values), 5)
                for clock, values in of._asdict().items()
                for which, figure in (("median", median), ("least", min), ("most", max))
            },
        }
        for name, of in times.items()
    ]
