"""The recipes of CONTRIBUTING.md do what they say: their code is registered and keeps the contracts."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import torch
from budgets.test_imports import ORDER
from contracts import test_encoders, test_objectives

from cryskit import properties
from cryskit.registry import ENCODERS, OBJECTIVES, Registry
from cryskit.training.plan import Plan
from cryskit.training.pretrain import pretrain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
LOOP = {"epochs": 3, "edges": 400, "accelerator": "cpu"}


def block(first: str) -> str:
    """Return the block of code that begins with a comment."""
    (found,) = [text for _, text in BLOCKS if text.startswith(f"# {first}\n")]
    return found


def registered(registry: Registry, file: str, where: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the file of a recipe, and its line into a registry; return its name."""
    ((name, entry),) = re.findall(r'"(\w+)": "(.*)",', block(f"registry.py, in {where}"))
    module = ModuleType(f"cryskit.{file.removesuffix('.py').replace('/', '.')}")
    assert entry.startswith(f"{module.__name__}:")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block(file), str(PAGE), "exec"), module.__dict__)  # noqa: S102 - our own page
    monkeypatch.setattr(registry, "_entries", registry._entries | {name: entry})
    return name


@pytest.fixture
def smooth(monkeypatch: pytest.MonkeyPatch) -> str:
    return registered(ENCODERS, "encoders/smooth.py", "ENCODERS", monkeypatch)


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch) -> str:
    return registered(OBJECTIVES, "objectives/volume.py", "OBJECTIVES", monkeypatch)


def laws(module: ModuleType, argument: str) -> Iterator[Callable[..., None]]:
    """Yield the tests of a contract that need nothing but the part."""
    for name, law in vars(module).items():
        alone = name.startswith("test_") and law.__code__.co_varnames[: law.__code__.co_argcount] == (argument,)
        if alone and ("gpu" not in name or torch.cuda.is_available()):
            yield law


def test_the_encoder_of_the_recipe_keeps_the_contract(smooth: str) -> None:
    tried = list(laws(test_encoders, "encoder"))
    assert len(tried) > 8
    for law in tried:
        torch.manual_seed(0)
        law(ENCODERS.build({"name": smooth, "width": 32}).eval())


def test_the_objective_of_the_recipe_keeps_the_contract(volume: str) -> None:
    tried = list(laws(test_objectives, "name"))
    assert len(tried) > 6
    for law in tried:
        law(volume)


def test_the_objective_of_the_recipe_resumes(volume: str, tmp_path: Path) -> None:
    test_objectives.test_a_stopped_run_ends_as_one_that_was_not(volume, tmp_path)


def test_the_objective_of_the_recipe_pretrains_the_encoder_of_the_recipe(
    smooth: str, volume: str, tmp_path: Path
) -> None:
    plan = Plan.make({"encoder": {"name": smooth, "width": 8}, "objective": {"name": volume}, "optimisation": LOOP})
    sources = {"examples": test_objectives.CRYSTALS}
    card = pretrain(plan, sources, tmp_path / "a.safetensors", tmp_path / "run")
    assert set(card.metrics) == {"volume"}
    assert card.encoder["name"] == smooth
    again = pretrain(plan, sources, tmp_path / "a.safetensors", tmp_path / "run")
    assert again == card, "a run that is done is not repeated"


def test_the_property_of_the_recipe_is_one() -> None:
    text = block("properties.yaml")
    (found,) = properties.parse(text).values()
    assert found.transform == "log10"
    everything = (Path(properties.__file__).with_name("properties.yaml")).read_text(encoding="utf-8") + text
    assert found.name in properties.parse(everything)


def test_the_order_of_imports_is_the_one_that_is_tested() -> None:
    (order,) = [text for language, text in BLOCKS if language == "text"]
    assert [set(re.findall(r"\w+", line)) for line in order.strip().splitlines()] == ORDER
