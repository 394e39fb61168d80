"""Minibatches against plain indexing: every row once, in the order asked for."""

import pytest
import torch

from groundwork.engine.batches import Rows

R, N, SIZES = 3, 1000, [32] * 31 + [8]


def shared_rows() -> Rows:
    return Rows(torch.arange(N * 2.0).view(N, 2), torch.arange(N * 1.0).view(N, 1))


def own_rows() -> Rows:
    return Rows(torch.arange(R * N * 2.0).view(R, N, 2), torch.arange(R * N * 1.0).view(R, N, 1))


def own_orders() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.stack([torch.randperm(N) for _ in range(R)])


def collected(rows: Rows, order: torch.Tensor | None) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(X.clone(), y.clone()) for X, y in rows.batches(32, order)]


@pytest.mark.parametrize("rows", [shared_rows(), own_rows()], ids=["shared", "own"])
def test_without_an_order_rows_come_as_they_lie(rows):
    batches = collected(rows, None)
    assert [X.shape[-2] for X, _ in batches] == SIZES
    assert torch.equal(torch.cat([X for X, _ in batches], -2), rows.X)
    assert torch.equal(torch.cat([y for _, y in batches], -2), rows.y)


def test_shared_rows_in_one_order():
    rows, order = shared_rows(), own_orders()[0]
    batches = collected(rows, order)
    assert [(X.shape, y.shape) for X, y in batches] == [((size, 2), (size, 1)) for size in SIZES]
    assert torch.equal(torch.cat([X for X, _ in batches]), rows.X[order])
    assert torch.equal(torch.cat([y for _, y in batches]), rows.y[order])


def test_shared_rows_in_an_order_for_each_replicate():
    rows, orders = shared_rows(), own_orders()
    batches = collected(rows, orders)
    assert [(X.shape, y.shape) for X, y in batches] == [((R, size, 2), (R, size, 1)) for size in SIZES]
    assert torch.equal(torch.cat([X for X, _ in batches], 1), rows.X[orders])
    assert torch.equal(torch.cat([y for _, y in batches], 1), rows.y[orders])


def test_grey_values_are_the_same_from_bytes():
    bytes_ = (torch.arange(N * 784) * 7919 % 256).byte().view(N, 784)  # every value
    rows = Rows(bytes_ / 255, torch.arange(N * 1.0).view(N, 1), bytes_)
    for some, kept, order in ((rows, N, own_orders()[0]), (rows, N, own_orders()), (rows.first(100), 100, None)):
        order = torch.randperm(kept) if order is None else order
        batches = collected(some, order)
        assert torch.equal(torch.cat([X for X, _ in batches], -2), rows.X[order])
        assert torch.equal(torch.cat([y for _, y in batches], -2), rows.y[order])


def test_own_rows_in_an_order_for_each_replicate():
    rows, orders = own_rows(), own_orders()
    batches = collected(rows, orders)
    assert [(X.shape, y.shape) for X, y in batches] == [((R, size, 2), (R, size, 1)) for size in SIZES]
    for values, got in ((rows.X, [X for X, _ in batches]), (rows.y, [y for _, y in batches])):
        expected = torch.stack([own[order] for own, order in zip(values, orders, strict=True)])
        assert torch.equal(torch.cat(got, 1), expected)


def test_own_rows_in_one_order():
    rows, order = own_rows(), own_orders()[0]
    batches = collected(rows, order)
    assert torch.equal(torch.cat([X for X, _ in batches], 1), rows.X[:, order])
    assert torch.equal(torch.cat([y for _, y in batches], 1), rows.y[:, order])


def test_every_row_comes_exactly_once():
    labels = torch.cat([y for _, y in collected(own_rows(), own_orders())], 1)
    assert torch.equal(labels.flatten().sort().values, torch.arange(R * N * 1.0))


@pytest.mark.parametrize("order", [None, own_orders()[0], own_orders()], ids=["as they lie", "common", "own"])
@pytest.mark.parametrize("rows", [own_rows(), shared_rows()], ids=["own rows", "shared rows"])
def test_a_short_last_batch_can_be_dropped(rows, order):
    """Whatever rows it would have had: an order names all of them."""
    whole, kept = collected(rows, order), list(rows.batches(32, order, drop_last=True))
    assert [y.shape[-2] for _, y in whole] == [32] * 31 + [8]
    assert [y.shape[-2] for _, y in kept] == [32] * 31
    for (X, y), (Z, z) in zip(whole, ((X.clone(), y.clone()) for X, y in rows.batches(32, order, True)), strict=False):
        assert torch.equal(X, Z)
        assert torch.equal(y, z)
    assert list(rows.batches(N + 1, order, drop_last=True)) == []


def test_all_batches_of_an_epoch_use_one_buffer():
    """Where the replicates share their rows, which are large."""
    places = [(X.data_ptr(), y.data_ptr()) for X, y in shared_rows().batches(32, own_orders()[0])]
    assert len(set(places)) == 1


@pytest.mark.parametrize(("batch_size", "sizes"), [(1000, [1000]), (5000, [1000]), (999, [999, 1]), (1, [1] * 1000)])
def test_batch_sizes_at_the_edges(batch_size, sizes):
    for order in (None, own_orders()):
        assert [X.shape[1] for X, _ in own_rows().batches(batch_size, order)] == sizes


def test_the_number_of_rows():
    assert len(shared_rows()) == len(own_rows()) == N
