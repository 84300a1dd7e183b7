"""Directed messages between states, cut into blocks whose intermediate values fit into the cache of a core.

A gated convolution makes several values of each message on the way. Made for all messages of a batch at once they go through
main memory; made for some hundred messages at a time they stay in the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

_BLOCK_SIZE = {"cpu": 768}  # messages, by type of device
_OTHER_BLOCK_SIZE = 1 << 16  # messages, on any other type of device


def cuts(messages_per_group: Tensor, states_per_group: Tensor) -> list[tuple[slice, slice]]:
    """Return the positions of the messages and of the states of each block of whole groups, in order.

    Args:
        messages_per_group: (G,) int64, the number of messages in each group.
        states_per_group: (G,) int64, the number of states in each group.
    """
    before = messages_per_group.cumsum(0) - messages_per_group
    block = before // _BLOCK_SIZE.get(before.device.type, _OTHER_BLOCK_SIZE)
    last = torch.ones_like(block, dtype=torch.bool)
    last[:-1] = block[1:] != block[:-1]
    ends = (messages_per_group.cumsum(0)[last], states_per_group.cumsum(0)[last])
    stops = torch.stack(ends, dim=1).tolist()
    pairs = zip([(0, 0), *stops], stops, strict=False)
    return [(slice(a, b), slice(c, d)) for (a, c), (b, d) in pairs if b > a]


class MessageBlock(NamedTuple):
    """M consecutive messages, and the S consecutive states that send and receive them and no others.

    Attributes:
        messages: Positions of the messages of this block among all messages.
        states: Positions of the states of this block among all states.
        sender: (M,) int64, the state that sends each message, counted from the first state of the block.
        receiver: (M,) int64, the state that receives each message, sorted, counted from the first state of the block.
        rows: (M,) int64, 0..M-1, the messages in the order of their receivers.
        starts: (S,) int64, the position in `rows` of the first message to each state.
        sender_order: (M,) int64, the messages in the order of their senders.
        sender_starts: (S,) int64, the position in `sender_order` of the first message from each state.
        multiplicity: (M, 1) the number of equal messages that each message stands for, or None if it is 1 for all.
    """

    messages: slice
    states: slice
    sender: Tensor
    receiver: Tensor
    rows: Tensor
    starts: Tensor
    sender_order: Tensor
    sender_starts: Tensor
    multiplicity: Tensor | None

    def sum_to_receivers(self, values: Tensor) -> Tensor:
        """Return for each state the sum of the values of the messages that it receives, (S, width).

        Args:
            values: (M, width) a vector for each message.
        """
        return embedding_bag(self.rows, values, self.starts, mode="sum")

    def sum_to_senders(self, values: Tensor) -> Tensor:
        """Return for each state the sum of the values of the messages that it sends, (S, width).

        Args:
            values: (M, width) a vector for each message.
        """
        return embedding_bag(self.sender_order, values, self.sender_starts, mode="sum")

    def weigh_(self, values: Tensor) -> Tensor:
        """Multiply the values of each message by its multiplicity, in place, and return them, (M, width).

        Args:
            values: (M, width) a vector for each message, changed in place.
        """
        return values if self.multiplicity is None else values.mul_(self.multiplicity)


class EdgeBlock(NamedTuple):
    """Consecutive atoms and their edges, the messages that these atoms receive; the senders may be anywhere.

    Attributes:
        edges: Positions of the edges.
        atoms: Positions of the atoms.
        centre: (e,) int64, the atom of each edge, sorted, counted from the first atom of the block.
        rows: (e,) int64, 0, 1, ..., the edges of the block.
        starts: (a,) int64, the first edge of each atom in the block.
        weight: (e, 1) how much each edge counts in a sum, or None if it is 1 for all.
    """

    edges: slice
    atoms: slice
    centre: Tensor
    rows: Tensor
    starts: Tensor
    weight: Tensor | None

    def sum_to_atoms(self, values: Tensor) -> Tensor:
        """Return for each atom of the block the sum of the values of its edges, (a, width).

        Args:
            values: (e, width) a vector for each edge.
        """
        return embedding_bag(self.rows, values, self.starts, mode="sum")

    def weigh_(self, values: Tensor) -> Tensor:
        """Multiply the values of each edge by how much it counts, in place, and return them, (e, width).

        Args:
            values: (e, width) a vector for each edge, changed in place.
        """
        return values if self.weight is None else values.mul_(self.weight)


class MessageGraph:
    """A directed graph along whose edges messages go, cut into blocks.

    States and messages come in groups (crystals, or the bonds of one atom): no message leaves its group, so a block holds
    whole groups.

    Args:
        sender: (M,) int64, the state that sends each message.
        receiver: (M,) int64, the state that receives each message, sorted.
        messages_per_group: (G,) int64, the number of messages in each group.
        states_per_group: (G,) int64, the number of states in each group.
        multiplicity: (M,) the number of equal messages that each message stands for; 1 by default.
        reverse: (S,) int64, if messages to the state i of `receiver` are really meant for another state, the index of that
            state for each i, and its own inverse: in a line graph, the bond seen from its other end. None if they are not.

    Attributes:
        reverse: The argument of that name.
        blocks: The blocks of messages, in order; together they hold every message once.
    """

    def __init__(
        self,
        sender: Tensor,
        receiver: Tensor,
        messages_per_group: Tensor,
        states_per_group: Tensor,
        multiplicity: Tensor | None = None,
        reverse: Tensor | None = None,
    ) -> None:
        count = int(states_per_group.sum())
        self.reverse = reverse
        self._sender, self._receiver, self._multiplicity = sender, receiver, multiplicity
        self._sender_order = torch.argsort(sender, stable=True)
        self._starts, self._sender_starts = (
            counts.cumsum(0) - counts for counts in (torch.bincount(end, minlength=count) for end in (receiver, sender))
        )
        self.blocks = [self._block(messages, states) for messages, states in cuts(messages_per_group, states_per_group)]

    def reversed(self, states: Tensor) -> Tensor:
        """Return the rows of `states` in the order of `reverse`, (S, width); as they are if there is none.

        Args:
            states: (S, width) a vector for each state.
        """
        return states if self.reverse is None else states.index_select(0, self.reverse)

    def _block(self, messages: slice, states: slice) -> MessageBlock:
        first, first_state = messages.start, states.start
        return MessageBlock(
            messages,
            states,
            self._sender[messages] - first_state,
            self._receiver[messages] - first_state,
            torch.arange(messages.stop - first, device=self._sender.device),
            self._starts[states] - first,
            self._sender_order[messages] - first,
            self._sender_starts[states] - first,
            None if self._multiplicity is None else self._multiplicity[messages, None],
        )
