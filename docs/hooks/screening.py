"""Fill the page on clusters with what screenings took on one computer, at `<!-- screening -->` and `<!-- million -->`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page (called by MkDocs for each page)."""
    markdown = filled(markdown, "<!-- screening -->", "screening", stages)
    return filled(markdown, "<!-- million -->", "screening-million", million)


def stages(card: Mapping[str, Any]) -> str:
    """Return what each stage costs a core, and the rates of both engines."""
    first = card["stages"]["first rows"]
    rows = [[name, f"{value / 1000:.2f}"] for name, value in first["microseconds_a_crystal"].items()]
    local, ray = card["end_to_end"], card["ray"]
    said = (
        f"{card['crystals']:,} crystals of the Materials Project with {first['atoms']:.0f} atoms in the mean, six properties with intervals and the domain: {_rate(local)} crystals a "
        f"second on two cores of {card['cpu']} after the start, {_rate(ray)} with `--engine ray` on the same computer (the same bytes; {ray['ratio']} times the rate with the start). What "
        "a crystal costs a core:"
    )
    rows.append(["sum", f"{first['sum'] / 1000:.2f}"])
    return f"{said}\n\n{table(['stage', 'ms'], rows)}"


def million(card: Mapping[str, Any]) -> str:
    """Return time, memory and size on disk of a screening of a million crystals, and what peers take."""
    found, peers = card["end_to_end"], card["peers"]
    rates = "; ".join(f"{name}: {rate}" for name, rate in peers["crystals_per_second"].items())
    memory = [point["mib"] for point in found["points"]]
    return (
        f"{found['rows']:,} crystals, most of them strained copies, took {found['seconds'] / 60:.0f} minutes on the same computer, which did other things too: "
        f"{_rate(found)} a second; {found['failed']} rows failed. Memory of all processes together was {min(memory[1:-1]):,} to {max(memory):,} MiB from the first part to the last, and a row "
        f"takes {found['bytes_a_row']:.0f} bytes on disk. {peers['files']:,} of the crystals as CIF files, in crystals a second with the start of the programs: {rates}. The loop of "
        "pymatgen and CGCNN gives one number without interval, from random weights."
    )


def _rate(found: Mapping[str, Any]) -> str:
    return f"{found['crystals_per_second_after_the_first_point']:.0f}"
