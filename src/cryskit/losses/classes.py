"""The loss of a class: cross entropy, in which rare classes may weigh more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softmax

if TYPE_CHECKING:
    from cryskit.types import Property


def class_loss(
    logits: Float[Tensor, "crystals outputs"],
    labels: Float[Tensor, " crystals"],
    frequencies: Float[Tensor, " outputs"],
    wanted: Property,
    *,
    balanced: bool,
) -> Float[Tensor, " crystals"]:
    """Return the cross entropy of each crystal.

    With w_k = n / (K n_k), n_k of n training labels being of class k, the balanced loss is w_y CE(logits, y): the logits become
    those for classes that are equally frequent. The other is CE(logits + frequencies, y), whose logits mean the same.

    Args:
        logits: One output for two classes, else one per class, as the heads return them.
        labels: Number of the class of each crystal, 0, 1, ...
        frequencies: What `PropertyHeads.mean` says of the classes.
        wanted: The property.
        balanced: Whether all classes weigh the same in sum, not all crystals.
    """
    shifted = logits if balanced else logits + frequencies
    if wanted.outputs == 1:
        loss = binary_cross_entropy_with_logits(shifted[:, 0], labels, reduction="none")
        second = frequencies[0].sigmoid()
        share = second * labels + (1 - second) * (1 - labels)
    else:
        loss = cross_entropy(shifted, labels.long(), reduction="none")
        share = softmax(frequencies, 0)[labels.long()]
    return loss / (len(wanted.classes) * share) if balanced else loss
