"""The plain ALIGNN is the same function as ours, so that only the way of computing it is timed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.speed import zoo, zoo_alignn
from cryskit.encoders.alignn import ALIGNN
from cryskit.graphs.build import build

if TYPE_CHECKING:
    from cryskit.types import Crystal

_NAMES = {
    "edge_gate": "message",
    "src_gate": "sender",
    "dst_gate": "receiver",
    "src_update": "own",
    "dst_update": "value",
    "norm_nodes": "state_norm",
    "norm_edges": "message_norm",
}


def converted(network: zoo_alignn.Network) -> dict[str, torch.Tensor]:
    """Return the weights of the plain network under the names of ours."""
    state, angular = {}, len(network.over_pairs)
    parameters = {name: value for name, value in network.named_parameters() if not name.startswith("out.")}
    for name, value in parameters.items():
        first, middle, *_, last = name.split(".")
        if first == "atom":
            new = "inputs.linear" if middle == "0" else "atom.0"
        elif first in {"bond", "angle"}:
            new = f"{first}.{3 * (int(middle) - 1) + int(name.split('.')[2])}"
        else:
            position = int(middle)
            layer = f"angular.{position}.{first[5:]}" if position < angular else f"layers.{position - angular}"
            new = f"{layer}.{_NAMES[name.split('.')[2]]}"
        state[f"{new}.{last}"] = value.detach()
    return state


def test_the_plain_network_is_ours(crystals: list[Crystal]) -> None:
    torch.manual_seed(0)
    network, encoder = zoo_alignn.Network(32, 2, 2), ALIGNN(32, 2, 2, neighbours="nearest", readout="atoms").eval()
    for parameter in network.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0.5, 0.3)
    missing, unread = encoder.load_state_dict(converted(network), strict=False)
    assert missing == ["inputs.bits"]
    assert {name.split(".")[-2] for name in unread} == {"message_norm"}
    few = crystals[:20]
    plain = network.encode(zoo_alignn.tensors(build(few, replace(encoder.needs, reduce=False))))
    torch.testing.assert_close(encoder(build(few, encoder.needs)).crystals, plain, atol=1e-4, rtol=1e-4)


def test_the_plain_network_has_the_published_size() -> None:
    assert sum(p.numel() for p in zoo_alignn.Network().parameters()) == 4_026_753


def test_contenders_of_the_zoo_run(crystals: list[Crystal]) -> None:
    smallest = sorted(crystals, key=len)[:1]
    for network in zoo.CONTENDERS:
        for variant in (zoo.REFERENCE, zoo.OURS):
            runner = zoo.runner(network, variant, smallest)
            runner.train()
            runner.infer()
