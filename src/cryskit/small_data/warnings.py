"""What a reader of the errors of a fit has to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryskit.data.audit import audit
from cryskit.errors import counted
from cryskit.small_data.table import GUESS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.small_data.sources import Source
    from cryskit.small_data.table import Table
    from cryskit.types import Crystal

_HARDLY = 0.9  # share of the error of guessing above which a model knows hardly more


def warnings_of(
    table: Table,
    crystals: Sequence[Crystal],
    sources: Sequence[Source],
    excluded: Mapping[str, str],
    guess: str,
    share: float,
) -> list[str]:
    """Return sentences, the gravest first.

    Args:
        table: The table.
        crystals: All crystals that were read.
        sources: Encoders that were tried.
        excluded: Names of encoders that have learned the target itself, and what they have learned.
        guess: What the model is compared with, in words.
        share: Error of the model as a share of that of the guess.
    """
    found = []
    if len(table) < GUESS:
        found.append(
            f"This is a guess: {counted(len(table), 'label')} are too few to tell how good a model is. Each formula was judged by a model of all others"
        )
    if share > _HARDLY:
        found.append(
            f"The model hardly knows more than the {guess}: the structures do not tell this property, or the labels are wrong"
        )
    if table.left_out:
        name, reason = next(iter(table.left_out.items()))
        found.append(f"{counted(len(table.left_out), 'row')} not used, the first {name}: {reason}")
    found += _audited(table, crystals)
    for name, learned in excluded.items():
        itself = learned if learned != table.wanted.name else f"{learned} itself"
        follows = f", from which {table.wanted.name} follows," if learned != table.wanted.name else ""
        found.append(
            f"{name} has learned {itself}{follows} and was not tried: its labels may be those of your crystals"
        )
    taught = [source.name for source in sources if source.learned]
    if taught:
        found.append(
            f"{', '.join(taught)} was trained with other labels of crystals of the Materials Project: if yours are among them, expect larger errors for new ones"
        )
    return found


def _audited(table: Table, crystals: Sequence[Crystal]) -> list[str]:
    """Return what an audit of the data says of the target."""
    report = audit(crystals)
    same = report.of("duplicate")
    far = [] if table.wanted.classes else [one for one in report.of("outlier") if one.property == table.wanted.name]
    found = []
    if same:
        found.append(
            f"{counted(len(same), 'crystal')} given more than once (the first {', '.join(same[0].ids[:3])}); copies stay together in the folds"
        )
    if far:
        found.append(f"{counted(len(far), 'label')} far from all others, the first {far[0].ids[0]}: {far[0].message}")
    return found
