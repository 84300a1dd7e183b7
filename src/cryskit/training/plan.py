"""The plan of a run: everything that its result depends on besides the data."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from cryskit.errors import PlanError
from cryskit.training.plan_problems import problems
from cryskit.yaml_files import read_mapping

if TYPE_CHECKING:
    from pathlib import Path

Parts = Literal["encoder", "convolutions", "model"]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]
"""Names in a plan, one or many: a single text is one of them."""

Kinds = dict[str, Literal["scalar", "class"]]

Repeats = dict[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1, le=100)]]

_FILES = ("start", "teacher")  # keys of a plan that name a file


class Optimisation(BaseModel):
    """How the loop of `fit` runs.

    Attributes:
        epochs: Passes over the training crystals.
        steps: Steps of the optimiser, rounded to whole passes; where given, `epochs` counts for nothing.
        edges: Number of edges that a batch has, about; batches are cut by cost, not by count of crystals.
        rate: Highest learning rate of the one-cycle schedule (AdamW).
        warmup: Share of the steps in which the rate rises.
        weight_decay: Weight decay of AdamW.
        averaging: Decay of the moving average of the weights, which is what is validated and kept; 0 switches it off.
        clip: Largest norm of the gradient.
        patience: Epochs without a better validation loss after which the run stops; None for never.
        seed: Seed of the initial weights and of the order of crystals.
        precision: Lightning's name of the numerical precision ("32-true", "bf16-mixed", "16-mixed"), or "bf16-matmul": numbers of
            32 bits, whose matrix products are made of bfloat16 parts by processors that can (AMX, or the tensor cores of a GPU).
        accelerator: Lightning's name of the hardware.
        devices: Number of devices of a computer; each takes its share of every batch.
        nodes: Number of computers.
        tensorboard: Also log for TensorBoard (the `track` extra).
        compile: Compile the objective with torch.compile.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Annotated[int, Field(ge=1)] = 100
    steps: Annotated[int, Field(ge=1)] | None = None
    edges: Annotated[int, Field(ge=1)] = 2_000
    rate: Annotated[float, Field(gt=0)] = 3e-3
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.15
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.998
    clip: Annotated[float, Field(gt=0)] = 2.0
    patience: Annotated[int, Field(ge=1)] | None = None
    seed: int = 0
    precision: Literal["32-true", "bf16-matmul", "bf16-mixed", "16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Annotated[int, Field(ge=1)] = 1
    nodes: Annotated[int, Field(ge=1)] = 1
    tensorboard: bool = False
    compile: bool = False

    @property
    def processes(self) -> int:
        """Number of processes that train together."""
        return self.devices * self.nodes

    def passes(self, batches: int) -> int:
        """Return how often the training crystals are passed over if they are cut into so many batches."""
        return self.epochs if self.steps is None else max(1, round(self.steps / batches))


class Start(BaseModel):
    """The model whose weights the encoder begins with; see `training.transfer`.

    Attributes:
        file: A model file, or the name of a published model.
        digest: SHA-256 of the file; "" until a run has read it.
        parts: "encoder" for all of the encoder, "convolutions" for all but the embedding of the elements, "model" for the encoder and
            the heads of properties that both predict.
        freeze: Levels of the encoder, counted from its input, that are not trained.
        decay: The learning rate of a level is multiplied with this for every level above it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    digest: str = ""
    parts: Parts = "encoder"
    freeze: Annotated[int, Field(ge=0)] = 0
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0


class Teacher(BaseModel):
    """The teacher whose atom vectors are learned besides labels; see `objectives.distill`.

    Attributes:
        file: A model file, the name of a published model, or a table of vectors (Parquet; see `training.teacher`).
        digest: SHA-256 of the file; "" until a run has read it.
        unlabelled: Data sets from which the student is shown, without labels, every crystal that its teacher was trained on
            (the manifest in its folder, or in that of the model it started from, lists them) and that is in no part of the split.
        labels: Whether these crystals are given the teacher's predictions as labels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    digest: str = ""
    unlabelled: Names = ()
    labels: bool = False


class About(BaseModel):
    """Lines for the card of the model besides what is measured; they change nothing in the run.

    Attributes:
        description: One or two sentences.
        licence: Licence of the weights.
        citation: DOIs or titles of method and data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    licence: str = ""
    citation: Names = ()


class Plan(BaseModel):
    """What is learned, by which network, and how.

    Attributes:
        properties: Registry names (or columns of the data) to learn, one or many; absent where no labels are read.
        encoder: Its registry name and constructor arguments, {"name": "cgcnn", "width": 64}.
        kinds: Name of a property to "scalar" or "class", or one of the two for all: how they are learned, where that is not to
            follow from the registry and the labels (`data.classes`).
        repeats: Number of distinct elements of a training crystal to how often a pass shows it, {1: 8, 2: 2}; 1 where absent. Elements and
            binaries are few among known crystals.
        objective: Its registry name and constructor arguments besides encoder and heads.
        start: The model whose weights the encoder begins with; None for random ones. Where it is given, the arguments of the encoder
            that are not given are those of the file.
        teacher: The teacher whose atom vectors are learned besides labels; None for labels only.
        optimisation: Settings of the training loop.
        about: Lines for the card of the model.

    Example:
        >>> from cryskit import Plan
        >>> plan = Plan.make({"properties": ["band_gap"], "encoder": {"name": "cgcnn", "width": 32}})
        >>> plan.objective["name"], plan.optimisation.epochs
        ('property', 100)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    properties: Annotated[Names, Field(min_length=1)] = ()
    kinds: Kinds = Field(default_factory=dict)
    repeats: Repeats = Field(default_factory=dict)
    encoder: dict[str, Any] = Field(default_factory=lambda: {"name": "cgcnn"})
    objective: dict[str, Any] = Field(default_factory=lambda: {"name": "property"})
    start: Start | None = None
    teacher: Teacher | None = None
    optimisation: Optimisation = Optimisation()
    about: About = About()

    @model_validator(mode="before")
    @classmethod
    def _one_kind_of_all(cls, values: Any) -> Any:
        """Let one kind stand for that of every property."""
        if not isinstance(values, dict) or not isinstance(values.get("kinds"), str):
            return values
        names = values.get("properties", ())
        return {**values, "kinds": dict.fromkeys([names] if isinstance(names, str) else names, values["kinds"])}

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that change with anything that can change the result.

        A file to start from or learn from counts by its content once its digest is known, until then by its name.
        """
        return hashlib.sha256(json.dumps(self.decisive, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def decisive(self) -> dict[str, Any]:
        """Everything in the plan that can change the result, as plain values."""
        decisive = self.model_dump(mode="json", exclude={"about"})
        if decisive["optimisation"]["steps"] is None:
            del decisive["optimisation"]["steps"]  # so that plans keep the hash they had before there were steps
        if decisive["optimisation"]["nodes"] == 1:
            del decisive["optimisation"]["nodes"]  # so that plans keep the hash they had before there were nodes
        if decisive["objective"].get("class_weights") == "balanced":
            del decisive["objective"]["class_weights"]  # so that runs go on that began before there were classes
        for name in ("kinds", "repeats"):
            if not decisive[name]:
                del decisive[name]  # so that plans keep the hash they had before there were such settings
        for name in _FILES:
            if decisive[name] is None:
                del decisive[name]  # so that plans keep the hash they had before there were starts and teachers
            elif decisive[name]["digest"]:
                del decisive[name]["file"]
        return decisive

    def to_yaml(self) -> str:
        """Return the plan as a file that `from_yaml` reads."""
        absent = {name for name in ("properties", "kinds", "repeats", *_FILES) if not getattr(self, name)}
        return yaml.safe_dump(self.model_dump(mode="json", exclude=absent), sort_keys=False)

    @classmethod
    def make(cls, values: dict[str, Any], origin: str = "the plan") -> Plan:
        """Check values and make a plan of them.

        Raises:
            PlanError: A key is unknown or a value out of range; every one is named.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise PlanError(f"{origin} is not valid ({problems(error, cls)})", "Correct these keys") from error

    @classmethod
    def from_yaml(cls, path: Path) -> Plan:
        """Read a plan from a YAML file.

        Raises:
            PlanError: The file is missing, no YAML, or no plan.
        """
        return cls.make(read_mapping(path, PlanError), str(path))
