"""Models on a hub: Hugging Face's, or a folder that is laid out like one, for sites without a network.

A repository OWNER/NAME holds `model.safetensors`, its SHA-256 in `SHA256SUMS`, and the card as `README.md`. Nothing is fetched or sent
unless one of the two functions here is called.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.atomic_write import replacing
from cryskit.errors import ModelError, UnknownNameError, shortened
from cryskit.predict.card import digest
from cryskit.predict.model_card import markdown
from cryskit.predict.network import matching_card
from cryskit.predict.published import path_of

if TYPE_CHECKING:
    from cryskit.predict.card import Card

FILE, SUMS, PAGE = "model.safetensors", "SHA256SUMS", "README.md"
"""Files of a repository."""

_REPOSITORY = re.compile(r"(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)
_LINE = re.compile(rf"([0-9a-f]{{64}})  {re.escape(FILE)}\s*")


class Pulled(NamedTuple):
    """A model that was fetched.

    Attributes:
        path: Its file.
        card: Its card.
        sha256: SHA-256 of the file.
    """

    path: Path
    card: Card
    sha256: str


def push(model: str | Path, repository: str, hub: Path | None = None, *, private: bool = False) -> str:
    """Put a model on a hub and return where it is.

    Args:
        model: A published model or a model file.
        repository: Its name there, OWNER/NAME.
        hub: Folder that is the hub; Hugging Face's by default, which needs a login of `hf auth login`.
        private: Whether others shall not see a new repository.

    Raises:
        ModelError: It is no model file, or the hub does not take it.
        UnknownNameError: That is no name of a repository.
    """
    name, revision = _parsed(repository)
    if revision:
        raise ModelError(f"{repository} names a revision, which only a hub gives", "Leave out what is behind the @")
    path = path_of(model)
    card, sha256 = matching_card(path), digest(path)
    with TemporaryDirectory() as folder:
        staged = Path(folder)
        shutil.copyfile(path, staged / FILE)
        (staged / SUMS).write_text(f"{sha256}  {FILE}\n", encoding="utf-8")
        (staged / PAGE).write_text(markdown(card, sha256, FILE), encoding="utf-8")
        if hub is None:
            return _uploaded(staged, name, card, private=private)
        target = hub / name
        target.mkdir(parents=True, exist_ok=True)
        for each in (FILE, PAGE, SUMS):
            with replacing(target / each) as temporary:
                shutil.copyfile(staged / each, temporary)
        return str(target)


def pull(repository: str, out: Path, hub: Path | None = None, *, sha256: str = "") -> Pulled:
    """Fetch a model from a hub, whose file has to have the SHA-256 that the repository says, and be a model.

    Args:
        repository: Its name, OWNER/NAME, or OWNER/NAME@REVISION for a commit or tag of Hugging Face.
        out: The file to write.
        hub: Folder that is the hub; Hugging Face's by default. With HF_HUB_OFFLINE=1 only files are taken that were fetched before.
        sha256: SHA-256 that the file has to have, too, from somebody whom you trust; "" asks for none.

    Raises:
        ModelError: There is no such model, the network is not there, or the file is not the one that was asked for.
        UnknownNameError: That is no name of a repository.
    """
    name, revision = _parsed(repository)
    if hub is None:
        file, sums = _downloaded(name, FILE, revision), _downloaded(name, SUMS, revision)
    elif revision:
        raise ModelError(
            f"{repository} names a revision, which a folder does not have", "Leave out what is behind the @"
        )
    else:
        file, sums = hub / name / FILE, hub / name / SUMS
    try:
        said = _LINE.fullmatch(sums.read_text(encoding="utf-8"))
        found = digest(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"There is no model {name} in {hub or 'the hub'} ({error})", "Check its name") from error
    for wanted in (said[1] if said else "", sha256.lower()):
        if wanted and wanted != found:
            raise ModelError(
                f"The file of {name} has the SHA-256 {found}, not {wanted}", "Do not use it; ask its author"
            )
    if not said:
        raise ModelError(f"{SUMS} of {name} does not say the SHA-256 of {FILE}", "Ask its author to push it again")
    with replacing(out) as temporary:
        shutil.copyfile(file, temporary)
        if digest(temporary) != found:
            raise ModelError(f"The file of {name} changed while it was copied", "Pull it again")
        card = matching_card(temporary)
    return Pulled(out, card, found)


def _parsed(repository: str) -> tuple[str, str]:
    """Return name and revision of a repository."""
    found = _REPOSITORY.fullmatch(repository)
    if not found or ".." in repository:
        raise UnknownNameError("repository OWNER/NAME", shortened(repository), [])
    return found["name"], found["revision"] or ""


def _library() -> Any:
    """Return huggingface_hub."""
    try:
        import huggingface_hub  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ModelError(
            "Hugging Face's hub needs huggingface_hub", "pip install 'cryskit[hub]', or name a --hub FOLDER"
        ) from error
    return huggingface_hub


def _downloaded(name: str, file: str, revision: str) -> Path:
    """Return the path of a file of a repository, from the cache or the network."""
    library = _library()
    try:
        return Path(library.hf_hub_download(name, file, revision=revision or None))
    except (OSError, ValueError, library.errors.HfHubHTTPError) as error:
        raise ModelError(
            f"{file} of {name} cannot be fetched ({str(error).splitlines()[0][:200]})",
            "Check name, login and network, or name a --hub FOLDER",
        ) from error


def _uploaded(folder: Path, name: str, card: Card, *, private: bool) -> str:
    """Send the files of a repository and return its address."""
    library = _library()
    try:
        api = library.HfApi()
        api.create_repo(name, private=private, exist_ok=True)
        sent = api.upload_folder(
            repo_id=name, folder_path=str(folder), commit_message=f"{card.full_name}, made with cryskit"
        )
    except (OSError, ValueError, library.errors.HfHubHTTPError) as error:
        raise ModelError(
            f"{name} cannot be sent ({str(error).splitlines()[0][:200]})",
            "Log in with `hf auth login`, check the network, or name a --hub FOLDER",
        ) from error
    return str(sent.commit_url)
