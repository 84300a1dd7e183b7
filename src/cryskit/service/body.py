"""The body of a request as files, structures and options: JSON, or multipart with files."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from cryskit.service.limits import MEASURED
from cryskit.service.parsing import Given, plain_name
from cryskit.service.problems import InvalidError, ServiceError
from cryskit.service.schemas import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryskit.service.limits import Limits

Form = TypeVar("Form", bound=Asked)
Validated = TypeVar("Validated", bound=BaseModel)

_FIELDS = 50  # fields of a form besides files
_FIELD_BYTES = 1_000_000
_SMALL = 50_000  # bytes of JSON that are read in less time than another thread needs to begin
_LISTS = ("properties",)
_PARTS = ("structures", "candidates")  # fields of a form that hold JSON


class Content(NamedTuple):
    """What a request holds, as it was read.

    Attributes:
        asked: Its options.
        given: Its crystals.
    """

    asked: Any
    given: list[Given]


async def content_of(request: Request, form: type[Form], limits: Limits) -> Content:
    """Read a request.

    Args:
        request: The request.
        form: Schema of its options.
        limits: What a request may hold.

    Raises:
        ServiceError: It cannot be read, or holds too much.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with _whole(request) as limited:
        if kind == "multipart/form-data":
            options, files = await _multipart(limited, limits)
        elif kind == "application/json":
            options, files = await _parsed(await limited.body()), []
        else:
            raise ServiceError(
                415,
                "The kind of content is none that the service reads",
                "Set the header Content-Type",
                given=repr(kind[:60]),
                expected="application/json or multipart/form-data",
            )
    return checked(options, form, limits, files)


def checked(
    options: Mapping[str, Any],
    form: type[Form],
    limits: Limits,
    files: Sequence[Given] = (),
    schema: str = "/openapi.json",
) -> Content:
    """Return what a request holds, once it is what its schema says.

    Args:
        options: Options and structures.
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


async def form_in(request: Request, form: type[Validated]) -> Validated:
    """Read a request that holds options alone, as JSON.

    Args:
        request: The request.
        form: Schema of its options.

    Raises:
        ServiceError: It cannot be read, or holds too much.
    """
    with _whole(request) as limited:
        body = await limited.body()
    return validated(await _parsed(body), form)


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


async def _parsed(data: bytes) -> dict[str, Any]:
    """Return the object of a JSON document, which is read in a thread where that may take long."""
    return _json(data) if len(data) < _SMALL else await asyncio.to_thread(_json, data)


def _json(data: bytes) -> dict[str, Any]:
    """Return the object of a JSON document."""
    try:
        found = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
        raise ServiceError(400, f"The body is no JSON that can be read ({why})", "Send one object in UTF-8") from error
    if not isinstance(found, dict):
        raise ServiceError(
            422, "The body is no object", "Send {'structures': [...]}", given=type(found).__name__, expected="an object"
        )
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


async def _multipart(request: Request, limits: Limits) -> tuple[dict[str, Any], list[Given]]:
    """Return options and files of a form."""
    options: dict[str, Any] = {}
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
            elif name in _PARTS:
                options[name] = _json(b'{"value":' + value.encode("utf-8", "surrogatepass") + b"}")["value"]
            elif name in _LISTS:
                options.setdefault(name, []).extend(each.strip() for each in value.split(",") if each.strip())
            else:
                options[name] = value
    finally:
        await form.close()
    return options, files


def _structures(structures: list[Any] | dict[str, Any]) -> list[Given]:
    if isinstance(structures, dict):
        return [Given("document", "structures.json", structures)] if structures else []
    return [Given("structure", str(i), each) for i, each in enumerate(structures)]
