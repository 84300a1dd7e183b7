"""What a reader of the errors of a fit has to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryskit.data.audit import audit
from cryskit.errors import counted
from cryskit.small_data.judge import FIT, MEAN
from cryskit.small_data.table import GUESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.small_data.judge import Judged
    from cryskit.small_data.sources import Source
    from cryskit.small_data.table import Table
    from cryskit.types import Crystal

_HARDLY = 0.9  # share of the error of guessing above which a model knows hardly more


def warnings_of(
    table: Table, crystals: Sequence[Crystal], sources: Sequence[Source], excluded: Sequence[str], judged: Judged
) -> list[str]:
    """Return sentences, the gravest first.

    Args:
        table: The table.
        crystals: All crystals that were read.
        sources: Encoders that were tried.
        excluded: Encoders that have learned the target itself.
        judged: What the outer folds say.
    """
    found = []
    if len(table) < GUESS:
        found.append(
            f"This is a guess: {counted(len(table), 'label')} are too few to tell how good a model is. Each formula was judged by a model of all others"
        )
    errors = judged.errors(table)
    if errors[FIT][0] > _HARDLY * errors[MEAN][0]:
        found.append(
            "The model hardly knows more than the mean of the labels: the structures do not tell this property, or the labels are wrong"
        )
    if table.left_out:
        name, reason = next(iter(table.left_out.items()))
        found.append(f"{counted(len(table.left_out), 'row')} not used, the first {name}: {reason}")
    found += _audited(table, crystals)
    if excluded:
        found.append(
            f"{', '.join(excluded)} has learned {table.wanted.name} itself and was not tried: its labels may be those of your crystals"
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
    far = [finding for finding in report.of("outlier") if finding.property == table.wanted.name]
    found = []
    if same:
        found.append(
            f"{counted(len(same), 'crystal')} given more than once (the first {', '.join(same[0].ids[:3])}); copies stay together in the folds"
        )
    if far:
        found.append(f"{counted(len(far), 'label')} far from all others, the first {far[0].ids[0]}: {far[0].message}")
    return found
