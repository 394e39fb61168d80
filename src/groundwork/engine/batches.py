"""Rows of a dataset, and the minibatches that an order cuts them into."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Inputs and labels, shared by all replicates, X (n, d) and y (n, k), or their own, X (R, n, d) and y (R, n, k).

    `grey`: shared inputs that are grey values once more, as bytes, X · 255: a shuffle reads a quarter of the memory.
    """

    X: Tensor
    y: Tensor
    grey: Tensor | None = None

    @property
    def shared(self) -> bool:
        return self.X.dim() == 2

    def __len__(self) -> int:
        return self.X.shape[-2]

    def first(self, rows: int) -> "Rows":
        """The first so many rows."""
        return Rows(self.X[..., :rows, :], self.y[..., :rows, :], None if self.grey is None else self.grey[:rows])

    def batches(
        self, batch_size: int, order: Tensor | None = None, drop_last: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Minibatches of `batch_size` rows; a short last one is kept, or dropped (d2l §3.3.2, `data_iter`).

        `order`: the row numbers, (n,) or (R, n); None: as they lie. A batch is only valid until the next one.
        """
        kept = len(self) // batch_size * batch_size if drop_last else len(self)
        if not kept:
            return
        if order is None:
            rows = self.first(kept)
            yield from zip(rows.X.split(batch_size, dim=-2), rows.y.split(batch_size, dim=-2), strict=True)
        elif self.shared:
            X, y = _Gather(self.X if self.grey is None else self.grey), _Gather(self.y)
            for numbers in order[..., :kept].split(batch_size, dim=-1):
                yield X(numbers), y(numbers)
        else:
            yield from self._in_order(order[..., :kept]).batches(batch_size)

    def _in_order(self, order: Tensor) -> "Rows":
        """Rows in an order of each replicate's own: they are small, so gathering an epoch at once is quicker."""
        numbers = order + torch.arange(len(self.X))[:, None] * len(self)  # (R, n), of all replicates' rows
        return Rows(*(_take(values.reshape(-1, values.shape[-1]), numbers) for values in (self.X, self.y)))


def _take(values: Tensor, rows: Tensor) -> Tensor:
    """values[rows]; numpy's is several times quicker than torch's where a row is short."""
    return torch.from_numpy(np.take(values.numpy(), rows.numpy(), axis=0))


class _Gather:
    """values[rows] into one reused buffer: a fresh array for each batch costs more. Bytes become grey values again."""

    def __init__(self, values: Tensor) -> None:
        self.values = values.reshape(-1, values.shape[-1])
        self.taken, self.floats = self.values.new_empty(0), torch.empty(0)

    def __call__(self, rows: Tensor) -> Tensor:
        width = self.values.shape[-1]
        taken = self.taken.resize_(rows.numel(), width)
        torch.index_select(self.values, 0, rows.flatten(), out=taken)
        if taken.dtype == torch.uint8:
            taken = self.floats.resize_(rows.numel(), width).copy_(taken).div_(255)
        return taken.view(*rows.shape, width)
