"""The contracts of the parts that can be exchanged: what an encoder and what an objective offer.

Both are modules of torch that the registry builds by name. A new one is tested against its contract in `tests/contracts`
before its author writes a test.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from cryskit.types import Encoding, Graph, GraphSpec

NOTHING: Mapping[str, int] = MappingProxyType({})


class Module(Protocol):
    """What the package uses of `torch.nn.Module`, which every encoder and every objective is."""

    training: bool

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Put all modules into training mode."""
        ...

    def eval(self) -> Self:
        """Put all modules into evaluation mode."""
        ...

    def children(self) -> Iterator[nn.Module]:
        """Return the modules one level below."""
        ...

    def named_children(self) -> Iterator[tuple[str, nn.Module]]:
        """Return the modules one level below, with their names."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """Return the module and all modules below it."""
        ...

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Return the module and all modules below it, with their names."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return all parameters."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Return all parameters with their names."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all parameters and saved buffers by name."""
        ...


class Encoder(Module, Protocol):
    """A network that turns a graph into vectors of its atoms and of its crystals.

    Its constructor takes plain values only, so that a model file can hold them, each with its type (`arguments.check`
    compares), and its class is `registry.configured`. The layers are the entries of its last `ModuleList`. In
    evaluation the vectors of a crystal do not depend on the batch. The class also has the static method
    `needs_of(**arguments)`, and `width_of(**arguments)` if its constructor takes no argument `width`: they return from
    all arguments of the constructor, without building anything, what `needs` and `width` would be.

    Attributes:
        needs: The graph that it is to be given.
        width: Length of its vectors.
        inputs: The layer from atomic numbers, (N,), to input vectors, (N, width).
    """

    needs: GraphSpec
    width: int

    @property
    def inputs(self) -> nn.Module:
        """The layer from atomic numbers, (N,), to input vectors, (N, width)."""
        ...

    def __call__(self, graph: Graph) -> Encoding:
        """Return atom vectors, (N, width), and crystal vectors, (B, width); defined by `forward`."""
        ...


class TextEncoder(Encoder, Protocol):
    """An encoder that also reads descriptions; its `needs.text` names who turns them into vectors."""

    def pair(self, graph: Graph) -> tuple[Tensor, Tensor]:
        """Return a projection of the graph and one of the description of each crystal, (B, projected) each."""
        ...


class Objective(Module, Protocol):
    """A quantity to minimise, around the encoder that is trained by it; a class of its own inherits from `nn.Module` and from this.

    Its constructor takes `encoder`, if it is supervised also `heads` (`layers.heads.PropertyHeads`), if it learns from a teacher also
    `teacher`, the length of the teacher's vectors, and then settings of its own. Its random numbers in evaluation are the same in
    every call; what has to outlive an interruption is kept in buffers.

    Attributes:
        encoder: The encoder, kept under this name: learning rates and frozen parameters are named "encoder....".
        supervised: Whether it learns from labels, so that `cryskit train` is its command and not `cryskit pretrain`.
        learns_from_teacher: Whether it needs a teacher's vectors.
        aligns_words: Whether it brings crystals and their descriptions into one space, so that its models can search by words.
        default_encoder: Configuration of the encoder where a plan names none.
        needs: The graph that it is to be given: that of its encoder, and what it asks for besides.
        teacher_layers: Number of layers of the teacher whose vectors have to be in the training graph (`Graph.teacher`).
    """

    encoder: Encoder
    supervised: ClassVar[bool] = False
    learns_from_teacher: ClassVar[bool] = False
    aligns_words: ClassVar[bool] = False
    default_encoder: ClassVar[Mapping[str, Any]] = MappingProxyType({"name": "cgcnn"})
    needs: GraphSpec
    teacher_layers: int = 0

    def __call__(self, graph: Graph) -> dict[str, Tensor]:
        """Return scalar losses by name, of which the sum is minimised; defined by `forward`."""
        ...

    def sizes(self, graph: Graph) -> Mapping[str, int]:  # noqa: ARG002 - for those that override it
        """Return the number of crystals (or labels) that a loss is the mean of, where it is not that of all crystals.

        Batches of the validation crystals are averaged with these weights.
        """
        return NOTHING

    def prepare(self, graph: Graph) -> None:
        """Take from the graph of all training crystals what has to be known before the first step, such as a scale."""

    def advance(self, share: float) -> None:
        """Take note, before each training step, of the share of the run that is done, from 0 to 1."""
