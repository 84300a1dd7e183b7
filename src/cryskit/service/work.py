"""What the processes of a service do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.service.explaining import Question, explained
from cryskit.service.json_body import Body, parsed
from cryskit.service.parsing import Task, read_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryskit.service.parsing import Rows


class Work(NamedTuple):
    """Functions of modules, each called in a process of its own.

    Attributes:
        read: Function from files and structures to crystals and graphs.
        parse: Function from a JSON body to its options and pieces.
        explain: Function from a crystal to its explanation.
    """

    read: Callable[[Task], list[Rows]] = read_task
    parse: Callable[[Body], dict[str, Any]] = parsed
    explain: Callable[[Question], dict[str, Any]] = explained
