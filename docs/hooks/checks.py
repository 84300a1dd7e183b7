"""Fill the page on checks with what the fuzzer, the kill tests, the study of faults and hostile requests found, from their result cards.

A page says where with a comment, `<!-- checks: fuzz -->`, `<!-- checks: kill -->`, `<!-- checks: faults -->` or `<!-- checks: hostile -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import result_card, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = re.compile(r"<!-- checks: (\w+) -->")
_OUTCOMES = ("ok", "warned", "refused")
_ANSWERS = ("answered", "refused", "closed")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every mark of a page (called by MkDocs for each page)."""
    return MARK.sub(lambda found: part(found[1]), markdown)


def part(name: str) -> str:
    """Return what replaces a mark."""
    write = {"fuzz": fuzz, "kill": kill, "faults": faults, "hostile": hostile}[name]
    try:
        return write(result_card(name))
    except FileNotFoundError:
        return f"*`make {name}` has not been run yet.*"


def fuzz(card: Mapping[str, Any]) -> str:
    """Return what became of the mutated files, in all and by kind."""
    totals = {outcome: sum(kind.get(outcome, 0) for kind in card["kinds"].values()) for outcome in _OUTCOMES}
    faults = card["faults"]
    said = (
        f"Of {card['inputs']:,} files of {len(card['kinds'])} kinds, {totals['refused']:,} were refused with a typed error, "
        f"{totals['warned']:,} read with a warning and {totals['ok']:,} read as they are. "
        f"{faults['untyped'] + faults['unexpected']} ended in an exception that is not foreseen, "
        f"{faults['silent']} were read without a word as another crystal, {faults['hang']} took longer than five seconds."
    )
    rows = [
        [name, *(kind.get(outcome, 0) for outcome in _OUTCOMES), ", ".join(_errors(kind))]
        for name, kind in card["kinds"].items()
    ]
    made = ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    return f"{said}\n\n{table(['kind of file', *_OUTCOMES, 'errors'], rows)}\n\nVersions: {made}."


def kill(card: Mapping[str, Any]) -> str:
    """Return what came out of the commands that were killed."""
    columns = list(next(iter(card["commands"].values())))
    rows = [[f"`{name}`", *(found[column] for column in columns)] for name, found in card["commands"].items()]
    return table(["command", *columns], rows)


def faults(card: Mapping[str, Any]) -> str:
    """Return what faults did to a screening."""
    said = f"{card['crystals']:,} crystals in {card['parts']} parts, by {card['model']}:"
    rows = [[name, "; ".join(_words(what, found[what]) for what in found)] for name, found in card["faults"].items()]
    return f"{said}\n\n{table(['fault', 'found'], rows)}"


def hostile(card: Mapping[str, Any]) -> str:
    """Return what became of hostile requests to the service, in all and by family."""
    faults, kills = card["faults"], card["kills of a process that reads"]
    said = (
        f"Of {card['requests']} requests, {faults['crash']} ended the service, {faults['error']} met an error that was not foreseen, {faults['hang']} were "
        f"held for ever, {faults['leak']} were answered with something of the inside, and after {faults['next']} of them the next good request was not answered."
    )
    rows = [
        [name, *(sum(count for what, count in found.items() if what.startswith(outcome)) for outcome in _ANSWERS)]
        for name, found in card["families"].items()
    ]
    found = table(
        ["requests", "answered, with failed rows where there are any", "refused with a problem", "closed"], rows
    )
    killed = f"{kills['kills']} kills of a process that reads, in {kills['requests']} requests of 60 crystals: "
    killed += "; ".join(f"{what}: {count}" for what, count in kills.items() if what not in {"kills", "requests"})
    return f"{said}\n\n{found}\n\n{killed}."


def _words(what: str, found: Any) -> str:
    return f"{what}: {({True: 'yes', False: 'no'}[found]) if isinstance(found, bool) else found}"


def _errors(kind: Mapping[str, int]) -> list[str]:
    """Return the classes of the errors of a kind of file, the most frequent first."""
    found = {name.removeprefix("refused: "): count for name, count in kind.items() if name.startswith("refused: ")}
    return [f"`{name}`" for name in sorted(found, key=lambda name: -found[name])]
