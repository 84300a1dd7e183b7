"""One model file of what was fitted: the encoders, the regressors as tensors, and the card."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.small_data.table import SPEC
from cryskit.weights import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from cryskit.small_data.search import Part
    from cryskit.small_data.sources import Vectors
    from cryskit.small_data.table import Table

STANDS_ON = ("cryskit", "torch", "numpy", "scikit-learn", "moyopy")
"""Packages whose versions are on the card."""


def assembled(
    table: Table,
    vectors: Vectors,
    parts: Sequence[Part],
    networks: Sequence[Predictor],
    shares: tuple[float, float],
    transform: str,
    facts: Mapping[str, Any],
) -> Predictor:
    """Return a predictor made of what was fitted.

    Args:
        table: The table.
        vectors: The vectors that the regressors read.
        parts: Regressors on frozen vectors.
        networks: Fine-tuned networks.
        shares: Shares of regressors and networks in the prediction.
        transform: Transform under which the property is learned.
        facts: Further fields of the card.
    """
    used = [part for part in parts if part.share] if shares[0] else []
    tuned = list(networks) if shares[1] else []
    names = {name for part in used for name in vectors.members(part.candidate.view)}
    sources = [source for name, source in vectors.sources.items() if name in names]
    members = [source.member for source in sources]
    members += [{"encoder": network.card.encoder, "levels": 0} for network in tuned]
    start, section = 0, {}
    for source in sources:
        section[source.name] = start, start + source.width
        start += source.width
    configs = []
    for part in used:
        read = [section[name] for name in vectors.members(part.candidate.view)]
        configs.append({**part.config, "start": read[0][0], "stop": read[-1][1], "share": shares[0] * part.share})
    for network in tuned:
        stop = start + network.encoder.width
        configs.append({"name": "perceptrons", "start": start, "stop": stop, "share": shares[1] / len(tuned)})
        start = stop
    card = Card(
        encoder=ENCODERS.complete({"name": "levels", "members": members}),
        heads={"name": "regressors", "parts": configs},
        spec=SPEC,
        properties=[table.under(transform)],
        elements=sorted({int(number) for crystal in table.crystals for number in crystal.numbers}),
        versions={package: version(package) for package in STANDS_ON},
        **facts,
    )
    predictor = Predictor.from_card(card)
    weights = [*(source.tensors for source in sources), *(rounded(network.encoder.state_dict()) for network in tuned)]
    modules = [part.module.state_dict() for part in used]
    modules += [{f"heads.{name}": tensor for name, tensor in one.heads.state_dict().items()} for one in tuned]
    _fill(predictor, weights, modules, torch.from_numpy(table.learned(transform)))
    return predictor.eval()


@torch.no_grad()
def _fill(
    predictor: Any, weights: Sequence[Mapping[str, Tensor]], modules: Sequence[Mapping[str, Tensor]], labels: Tensor
) -> None:
    """Give a predictor the weights of its encoders, the tensors of its regressors and the scale of the labels."""
    for member, tensors in zip(predictor.encoder.members, weights, strict=True):
        member.load_state_dict(dict(tensors))
    for part, tensors in zip(predictor.heads.parts, modules, strict=True):
        part.load_state_dict(dict(tensors))
    predictor.heads.mean.fill_(float(labels.mean()))
    predictor.heads.deviation.fill_(float(labels.std(correction=0)) or 1.0)
