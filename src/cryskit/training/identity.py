"""Which run a folder holds: what its result depends on is noted there, and another run is refused with what differs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.atomic_write import remove_partial, write_json
from cryskit.errors import PlanError, shortened
from cryskit.exclusive import exclusive
from cryskit.training.checkpoint import LAST, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

NOTE = "identity.json"
"""File of a run that names what its result depends on."""

_SHOWN = 6
_DIGITS = 12  # of a hash that are shown
_LENGTHS = frozenset({"optimisation.epochs", "optimisation.steps"})
_ANEW = "Choose another --out or --folder, or delete that folder"
_LONGER = (
    "A run cannot be made longer or shorter afterwards, because its learning rate follows a schedule over all epochs: choose "
    "another --out and --folder, and to begin with what was learned, `cryskit train --start MODEL`"
)


class Identity(NamedTuple):
    """What the result of a run depends on.

    Attributes:
        facts: Name to plain value: settings of the plan ("optimisation.epochs" to 5), hashes of data, split, labels, descriptions.
        digest: Hash under which versions of cryskit that noted no facts knew the same run; "" if there is none.
    """

    facts: Mapping[str, Any]
    digest: str = ""


def training_in(folder: Path) -> AbstractContextManager[None]:
    """Keep other trainings out of a folder, which is made if it is missing.

    Args:
        folder: Folder of a run.

    Raises:
        PlanError: Another process trains in it.
    """
    busy = PlanError(f"Another process trains in {folder}", "Wait for it, or choose another --out or --folder")
    return exclusive(folder, busy)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under names with dots, {"a": {"b": 1}} as {"a.b": 1}.

    Args:
        values: Plain values.
        prefix: Text in front of every name.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        nested = isinstance(value, dict) and value
        found |= flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return found


def digest_of(*what: object) -> str:
    """Return the SHA-256 of things by their text."""
    return hashlib.sha256(" ".join(map(str, what)).encode()).hexdigest()


def claim(folder: Path, identity: Identity) -> None:
    """Let a folder belong to a run, or find out that it belongs to another.

    Args:
        folder: Folder of the run; made if it is missing.
        identity: What the run depends on.

    Raises:
        PlanError: The folder holds another run; the message names what differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note, facts = folder / NOTE, json.loads(json.dumps(identity.facts))  # compared as they are noted
    noted = _noted(note)
    if "facts" in noted:
        _refuse_differences(folder, noted["facts"], facts)
    elif noted.get("identity", identity.digest) != identity.digest:
        raise PlanError(f"{folder} holds another run (its plan or data differ)", _ANEW)
    remove_partial(folder)
    write_json({"identity": identity.digest, "facts": facts}, note)


def _noted(note: Path) -> dict[str, Any]:
    """Return what a note says: nothing if there is none, or if it is damaged and nothing was trained that could be taken for another run."""
    if not note.exists():
        return {}
    try:
        noted = json.loads(note.read_bytes())
        return {"identity": str(noted["identity"]), **({"facts": dict(noted["facts"])} if "facts" in noted else {})}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if not (note.parent / f"{LAST}{SUFFIX}").exists():
            return {}
        raise PlanError(
            f"{note} is damaged ({error}), so nobody knows whether the checkpoint next to it is of this run",
            "Delete the folder to begin anew; or only that file to go on, if plan and data are surely the same",
        ) from error


def _refuse_differences(folder: Path, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Compare two runs; a name that one of them lacks counts as None, so that new settings leave old runs alone."""
    differ = [name for name in {**known, **given} if known.get(name) != given.get(name)]
    if not differ:
        return
    said = [f"{name} {_short(known.get(name))} -> {_short(given.get(name))}" for name in differ[:_SHOWN]]
    more = [f"and {len(differ) - _SHOWN} more"] if len(differ) > _SHOWN else []
    cure = _LONGER if _LENGTHS.issuperset(differ) else _ANEW
    raise PlanError(f"{folder} holds another run ({', '.join([*said, *more])})", cure)


def _short(value: Any) -> str:
    """Return a value as a message shows it: the first digits of a hash, the beginning of a long text."""
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:_DIGITS]}..."
    return shortened(json.dumps(value))
