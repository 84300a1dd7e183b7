"""The body of a request as files, structures and options: JSON, or multipart with files."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from cryskit.service.json_body import PARTS, joined, whole
from cryskit.service.limits import MEASURED
from cryskit.service.parsing import Given, plain_name
from cryskit.service.problems import InvalidError, ServiceError
from cryskit.service.schemas import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryskit.service.bodies import Bodies
    from cryskit.service.limits import Limits

Form = TypeVar("Form", bound=Asked)
Validated = TypeVar("Validated", bound=BaseModel)

_FIELDS = 50  # fields of a form besides files
_FIELD_BYTES = 1_000_000
_LISTS = ("properties",)


class Content(NamedTuple):
    """What a request holds, as it was read.

    Attributes:
        asked: Its options.
        given: Its crystals.
    """

    asked: Any
    given: list[Given]

    @property
    def options(self) -> dict[str, Any]:
        """Its options without crystals."""
        return dict(self.asked.model_dump(exclude=set(PARTS)))

    @property
    def crystals(self) -> list[Given]:
        """Its crystals, and those among which is searched."""
        candidates = (Given("structure", "", each) for each in getattr(self.asked, "candidates", ()))
        return [*self.given, *candidates]

    @property
    def size(self) -> int:
        """Bytes of its crystals."""
        return sum(len(each.content) for each in self.crystals)


async def content_of(request: Request, form: type[Form], bodies: Bodies) -> Content:
    """Read a request.

    Args:
        request: The request.
        form: Schema of its options.
        bodies: What parses JSON.

    Raises:
        ServiceError: It cannot be read, or holds too much.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with _whole(request) as limited:
        if kind == "multipart/form-data":
            options, files = await _multipart(limited, bodies)
        elif kind == "application/json":
            options, files = await bodies.options(await limited.body()), []
        else:
            raise ServiceError(
                415,
                "The kind of content is none that the service reads",
                "Set the header Content-Type",
                given=repr(kind[:60]),
                expected="application/json or multipart/form-data",
            )
    return checked(options, form, bodies.limits, files)


def checked(
    options: Mapping[str, Any],
    form: type[Form],
    limits: Limits,
    files: Sequence[Given] = (),
    schema: str = "/openapi.json",
) -> Content:
    """Return what a request holds, once it is what its schema says.

    Args:
        options: Options, and crystals as JSON.
        form: Schema of them.
        limits: What a request may hold.
        files: Files of the request.
        schema: Where the client finds the schema.

    Raises:
        ServiceError: The options cannot be, or there are too many crystals or none.
    """
    asked = validated(options, form, schema)
    limits.require_rows(len(files) + len(asked.structures) or (1 if getattr(asked, "words", "") else 0))
    limits.require_rows(1 + len(getattr(asked, "candidates", ())))
    given = [*files, *_structures(asked.structures)]
    return Content(asked, given)


async def form_in(request: Request, form: type[Validated], bodies: Bodies) -> Validated:
    """Read a request that holds no crystals, as JSON.

    Args:
        request: The request.
        form: Schema of its options.
        bodies: What parses JSON.

    Raises:
        ServiceError: It cannot be read, or holds too much.
    """
    with _whole(request) as limited:
        body = await limited.body()
    options = await bodies.options(body)
    return await asyncio.to_thread(lambda: validated(whole(options), form))


@contextmanager
def _whole(request: Request) -> Iterator[Request]:
    """Give the request with its content limited; one whose client hangs up before it is whole is an error of the client."""
    try:
        yield Request(request.scope, request.scope.get(MEASURED, request.receive))
    except ClientDisconnect as error:
        raise ServiceError(400, "The request ended before it was whole", "Send it again") from error


def validated(options: Mapping[str, Any], form: type[Validated], schema: str = "/openapi.json") -> Validated:
    """Return options as their schema has them.

    Args:
        options: What was given.
        form: Schema of it.
        schema: Where the client finds the schema.

    Raises:
        InvalidError: It is not what the schema says.
    """
    try:
        return form.model_validate(options)
    except ValidationError as error:
        raise InvalidError(error, schema) from error


async def _multipart(request: Request, bodies: Bodies) -> tuple[dict[str, Any], list[Given]]:
    """Return options and files of a form."""
    options: dict[str, Any] = {}
    parts: dict[str, bytes] = {}
    limits = bodies.limits
    files: list[Given] = []
    try:
        form = await request.form(max_files=limits.files, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    except HTTPException as error:
        status = 413 if "Too many" in str(error.detail) or "exceeded" in str(error.detail) else 400
        expected = f"at most {limits.files:,} files, {_FIELDS} fields" if status == 413 else "multipart/form-data"
        raise ServiceError(
            status, "The form cannot be read", "Send each file as a part with a file name", expected=expected
        ) from error
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files.append(Given("file", plain_name(value.filename or ""), await value.read()))
            elif name in PARTS:
                parts[name] = value.encode("utf-8", "surrogatepass")
            elif name in _LISTS:
                options.setdefault(name, []).extend(each.strip() for each in value.split(",") if each.strip())
            else:
                options[name] = value
    finally:
        await form.close()
    for name, part in parts.items():
        options[name] = (await bodies.options(joined({name: part})))[name]
    return options, files


def _structures(structures: list[Any] | dict[str, Any]) -> list[Given]:
    if isinstance(structures, dict):
        return [Given("document", "structures.json", joined(structures))] if structures else []
    return [Given("structure", str(i), each) for i, each in enumerate(structures)]
