"""What is wrong with a plan, in words: every wrong key, with the name that it has here if another tool calls it so."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from cryskit.errors import close_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import ValidationError

_BY_EDGES = "optimisation.edges, for batches are cut by edges (an atom and a neighbour), not by crystals"
CALLED_HERE: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("lr", "learning_rate", "max_lr", "lr_max"), "optimisation.rate")
    | dict.fromkeys(("batch", "batch_size", "batchsize", "bs"), _BY_EDGES)
    | dict.fromkeys(("n_epochs", "num_epochs", "max_epochs", "nepochs"), "optimisation.epochs")
    | dict.fromkeys(("max_steps", "num_steps"), "optimisation.steps")
    | dict.fromkeys(("wd", "l2", "weightdecay"), "optimisation.weight_decay")
    | dict.fromkeys(("early_stopping", "early_stop"), "optimisation.patience")
    | dict.fromkeys(("grad_clip", "gradient_clip", "gradient_clip_val", "clip_grad", "max_norm"), "optimisation.clip")
    | dict.fromkeys(("ema", "ema_decay"), "optimisation.averaging")
    | dict.fromkeys(("device", "gpu", "gpus", "cuda"), "optimisation.accelerator")
    | dict.fromkeys(("random_seed", "random_state"), "optimisation.seed")
    | dict.fromkeys(("optimizer", "optimization", "training", "trainer", "optim"), "optimisation")
    | dict.fromkeys(("model", "network", "net", "architecture"), "encoder")
    | dict.fromkeys(("target", "targets", "property", "label", "labels", "task"), "properties")
    | dict.fromkeys(("loss", "criterion"), "objective.loss")
    | dict.fromkeys(("checkpoint", "pretrained", "finetune", "fine_tune"), "start.file")
)
"""Names that other tools have for keys of a plan."""


def problems(error: ValidationError, plan: type[BaseModel]) -> str:
    """Return every wrong key of a plan with what is wrong with it and, if it is unknown, what may be meant.

    Args:
        error: What pydantic says.
        plan: Class of the plan.
    """
    return "; ".join(_problem(each, plan) for each in error.errors())


def _problem(each: Any, plan: type[BaseModel]) -> str:
    path = [str(part) for part in each["loc"]]
    where = ".".join(path)
    if each["type"] != "extra_forbidden":
        return f"{where}: {each['msg']}"
    meant = _meant(path, plan)
    return f"{where}: there is no such key{f'; {meant}' if meant else ''}"


def _meant(path: list[str], plan: type[BaseModel]) -> str:
    """Return what an unknown key is called here, or which keys are like it; "" if nobody knows."""
    key, known = path[-1], dict(_keys(plan))
    here = [name for name in known if known[name] == ".".join([*path[:-1], name])]
    called = known.get(key) or CALLED_HERE.get(key.lower().replace("-", "_"), "")
    if called and called.partition(".")[0] in plan.model_fields:
        return f"it is called {called} here"
    if close := close_names(key, here):
        return f"did you mean {' or '.join(close)}?"
    close = close_names(key, known)
    return f"did you mean {' or '.join(known[name] for name in close)}?" if close else f"known: {', '.join(here)}"


def _keys(plan: type[BaseModel], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key of a plan, the innermost first, with its path."""
    for name, field in plan.model_fields.items():
        parts = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _keys(part, f"{before}{name}.")
    for name in plan.model_fields:
        yield name, f"{before}{name}"
