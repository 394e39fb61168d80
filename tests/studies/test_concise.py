"""The concise program against the framework's own loop, on the same rows, batches and start."""

import numpy as np
import pytest
import torch
from torch import nn

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, permutations, stream, uniform


def draws(replicate: int, purpose: str) -> list[np.random.Generator]:
    return [stream(20, "studies/concise", replicate, purpose)]


def rows(replicate: int) -> tuple[torch.Tensor, torch.Tensor]:
    data = load_tensors(paths.dataset("generated/regression"))
    return torch.tensor(data["train/X"][replicate]), torch.tensor(data["train/y"][replicate])


def trained_by_torch(replicate: int, start: str) -> tuple[nn.Linear, torch.optim.SGD]:
    """The book's program: nn.Linear, MSELoss, SGD, three epochs of lr = 0.03."""
    X, y = rows(replicate)
    net, loss = nn.Linear(2, 1), nn.MSELoss()
    with torch.no_grad():
        if start == "default":
            uniforms = torch.from_numpy((2 * uniform(draws(replicate, "default start"), (3,))[0] - 1) / 2**0.5)
            net.weight.copy_(uniforms[:2])
            net.bias.copy_(uniforms[2])
        else:
            net.weight.copy_(torch.from_numpy(0.01 * normal(draws(replicate, "start"), (2,))[0]))
            net.bias.zero_()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03)
    for order in permutations(draws(replicate, "order"), 3, len(X))[0]:
        for batch in torch.from_numpy(order).split(32):
            optimizer.zero_grad()
            loss(net(X[batch]), y[batch]).backward()
            optimizer.step()
    return net, optimizer


@pytest.mark.parametrize(
    ("variant", "start"), [("concise", "default"), ("scratch lr=0.06", "default"), ("concise as meant", "normal")]
)
def test_it_is_the_book_s_program(variant, start, results):
    runs = results("concise")[variant]
    for replicate in (0, 2):
        net, _ = trained_by_torch(replicate, start)
        found = [runs[name][replicate] for name in ("w1", "w2", "b")]
        np.testing.assert_allclose(found, [*net.weight[0].tolist(), net.bias.item()], rtol=0, atol=5e-6)


def test_the_first_step_is_a_product_of_matrices(results):
    for name, factor in (("scratch", 1), ("concise as meant", 2)):
        runs = results("concise")[name]
        for replicate in range(3):
            X, y = (values.double().numpy() for values in rows(replicate))
            design = np.column_stack([X, np.ones(len(X))])
            start = np.append(0.01 * normal(draws(replicate, "start"), (2,))[0], 0)
            gradient = factor * design.T @ (design @ start - y[:, 0]) / len(X)
            np.testing.assert_allclose(runs["first_step"][replicate], 0.03 * np.linalg.norm(gradient), rtol=1e-5)


def test_what_the_optimiser_keeps(results):
    _, optimizer = trained_by_torch(0, "normal")
    assert optimizer.state_dict()["state"] == {}
    for runs in results("concise"):
        np.testing.assert_array_equal(runs["state"], 0)
        np.testing.assert_array_equal(runs["momentum_state"], 3)


def test_a_lazy_layer_forgets_what_is_written_before_its_first_rows():
    layer = nn.LazyLinear(1)
    assert layer.weight.data.normal_(0, 0.01).numel() == 0
    assert layer.bias.data.fill_(0).numel() == 0
    layer(torch.zeros(1, 2))
    assert layer.bias.item() != 0
    assert layer.weight.abs().max() > 0.05
