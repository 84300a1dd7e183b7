"""Fill the page on the service with what it answers under load, and what its page in the browser computes, from their cards.

The page says where with the comments `<!-- load -->` and `<!-- page -->`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, result_card, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLUMNS = ("requests_per_second", "crystals_per_second", "p50_ms", "p95_ms", "p99_ms", "errors")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page (called by MkDocs for each page)."""
    return filled(filled(markdown, "<!-- load -->", "service", load), "<!-- page -->", "page", page)


def page(card: Mapping[str, Any]) -> str:
    """Return what a table of 10,000 rows costs the browser."""
    said = ", ".join(f"{name} {found['median']} ms ({found['p99']})" for name, found in card["milliseconds"].items())
    return f"With 10,000 rows each step costs the page this much of the processor, in the median (and the 99th percentile): {said}."


def load(card: Mapping[str, Any]) -> str:
    """Return the table of rates and times, the gain of batches and what else the machine did."""
    named = {f"{found['clients']} clients".replace("1 clients", "1 client"): found for found in card["clients"]}
    named[f"{card['unbatched']['clients']} clients, each crystal alone"] = card["unbatched"]
    named[f"1 client, files of {card['files']['crystals_per_file']:,}"] = card["files"]
    rows = [[name, *(f"{found[column]:,}" for column in _COLUMNS)] for name, found in named.items()]
    heads = ["", "requests/s", "crystals/s", "p50 / ms", "p95 / ms", "p99 / ms", "errors"]
    made, gain, memory = card["machine"], card["batched_over_unbatched"], card["memory_mb"]
    together, alone = (found["processor_ms"] for found in (card["clients"][-1], card["unbatched"]))
    said = (
        f"Batches give {gain['median']} times the requests of crystals computed alone (turns: {', '.join(map(str, gain['turns']))}). Of the processor, a request of 64 clients takes "
        f"{together['network and HTTP']} ms for the network and HTTP where crystals are computed together and {alone['network and HTTP']} ms where each is computed alone; reading "
        f"and graphs take {together['reading and graphs']} and {alone['reading and graphs']} ms, which batches cannot save. Memory of all processes: "
        f"{memory['before']['batched']:.0f} MB before, {memory['after']['batched']:.0f} MB after. Measured on {made['cpu']} with {made['cores']} cores, which the "
        f"clients share, and other programs, too: the load average was {made['load_before']:.1f} before and {made['load_after']:.1f} after."
    )
    busy = result_card("service-busy")
    said += (
        f" In a run while other programs kept both cores busy (load average {busy['machine']['load_before']:.1f}) 64 clients got {busy['clients'][-1]['requests_per_second']} "
        f"requests per second, {busy['batched_over_unbatched']['median']} times those of crystals computed alone."
    )
    return f"{table(heads, rows)}\n\n{said}"
