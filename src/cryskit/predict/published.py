"""The models that come with the package: names, versions, files.

A published version never changes. `cryskit-mp@2026.11` is one version, the bare name `cryskit-mp` is the newest one.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from cryskit.atomic_write import read_json
from cryskit.errors import QUOTED_PATH, ModelError, UnknownNameError, shortened

DEFAULT = "cryskit-mp"
"""The model used where none is named."""
SEARCHING = "cryskit-search"
"""The model that crystals are found by words with where none is named."""
INDEX = "versions.json"
"""File in the folder of the models: name to version to file."""

_CURE = "Install cryskit again"
_SUFFIX = ".safetensors"


def versions() -> dict[str, dict[str, Path]]:
    """Return the published models: name to version to file, the newest version last.

    Raises:
        DataError: The index that comes with the package is missing or damaged.
        ModelError: It is no index.
    """
    folder = Path(str(files("cryskit") / "models"))
    return _listed(folder, read_json(folder / INDEX, _CURE))


def _listed(folder: Path, index: Any) -> dict[str, dict[str, Path]]:
    """Return name to version to file of an index."""
    try:
        return {
            name: {version: folder / found[version] for version in sorted(found, key=_numbers)}
            for name, found in sorted(index.items())
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / INDEX} is damaged ({error})", _CURE) from error


def models() -> dict[str, Path]:
    """Return the published models: name to the file of its newest version.

    Example:
        >>> import cryskit
        >>> "cryskit-mp" in cryskit.models()
        True
    """
    return {name: list(found.values())[-1] for name, found in versions().items()}


def path_of(model: str | Path) -> Path:
    """Return the file of a published model, or the file itself.

    Args:
        model: A name (`cryskit-mp`), a name with a version (`cryskit-mp@2026.11`), or a path.

    Raises:
        ModelError: It looks like a path but there is no file, or the model has no such version.
        UnknownNameError: There is neither a model nor a file of this name.
    """
    name, _, version = str(model).partition("@")
    known = versions()
    found = known.get(name, {})
    if found and str(model) == name:
        return list(found.values())[-1]
    if version in found:
        return found[version]
    path = Path(model)
    if _is_file(path):
        return path
    if path.suffix == _SUFFIX or len(path.parts) > 1:
        raise ModelError(
            f"There is no model file {shortened(path, QUOTED_PATH)}",
            "Check the path, or name one of `cryskit models list`",
        )
    if found:
        raise ModelError(
            f"There is no version {shortened(version)!r} of the model {name}", f"Known: {', '.join(found)}"
        )
    raise UnknownNameError("model", str(model), known)


def version_of(path: Path) -> str:
    """Return the version of a published model file, "" for any other file."""
    wanted = path.resolve()
    found = (version for every in versions().values() for version, file in every.items() if file.resolve() == wanted)
    return next(found, "")


def _is_file(path: Path) -> bool:
    """Return whether a file is there; a text that is too long for a path, or has a null character, names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, so that 2026.9 comes before 2026.11."""
    return tuple(map(int, version.split(".")))
