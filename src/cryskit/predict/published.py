"""The models that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from cryskit.errors import ModelError, UnknownNameError

DEFAULT = "cryskit-mp"
"""The model used where none is named."""

_SUFFIX = ".safetensors"


def models() -> dict[str, Path]:
    """Return the published models: name to file.

    Example:
        >>> import cryskit
        >>> "cryskit-mp" in cryskit.models()
        True
    """
    folder = Path(str(files("cryskit") / "models"))
    return {path.stem: path for path in sorted(folder.glob(f"*{_SUFFIX}"))}


def path_of(model: str | Path) -> Path:
    """Return the file of a published name, or the file itself.

    Raises:
        ModelError: It looks like a path but there is no file.
        UnknownNameError: There is neither a model nor a file of this name.
    """
    known = models()
    if str(model) in known:
        return known[str(model)]
    path = Path(model)
    if path.is_file():
        return path
    if path.suffix == _SUFFIX or len(path.parts) > 1:
        raise ModelError(f"There is no model file {path}", "Check the path, or name one of `cryskit models list`")
    raise UnknownNameError("model", str(model), known)
