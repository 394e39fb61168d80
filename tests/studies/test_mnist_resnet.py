"""ResNet18 under the one-cycle schedule against a plain PyTorch loop.

The network is ours in both, for a few steps blow the rounding of torch's convolution up to per cents; that the two
convolutions agree is tested in double precision, in engine/test_convolutions.py and models/test_resnet.py.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.engine.convolutions import PixelConvolution
from groundwork.models.digits import ResNet18, resnet_start
from groundwork.streams import permutations, stream

STUDY = "studies/mnist_resnet"
LR, BATCH = 0.001, 64  # larger steps amplify the rounding of a different order of operations a thousandfold


@pytest.fixture
def runs(train):
    """One epoch of 300 images in batches of 64, two replicates in blocks of their own."""
    fixed = {"network": "resnet18", "loss": "cross_entropy", "optimizer": "one_cycle", "lr": LR}
    fixed |= {"batch_size": BATCH, "epochs": 1, "shuffle": True}
    (runs,) = train("mnist_resnet", fixed=fixed, variants={"only": {}}, replicates=2, block_size=1)
    return runs


def digits(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 1, 28, 28) in [0, 1] and labels (n,)."""
    data = load_tensors(paths.dataset("raw/mnist_sample"))
    images, labels = (torch.from_numpy(data[f"{part}/{key}"]) for key in ("images", "labels"))
    return (images.float() / 255)[:, None], labels.long()


def in_colour(images: torch.Tensor) -> torch.Tensor:
    """Grey images (n, 1, 28, 28) as (n, 3, 28, 28)."""
    return images.expand(-1, 3, -1, -1)


def trained(replicate: int, X: torch.Tensor, y: torch.Tensor) -> tuple[ResNet18, list[float], dict[str, list[float]]]:
    """The network after one epoch of torch's optimiser and schedule, its losses, and the lr and momentum it had."""
    net = ResNet18(2, PixelConvolution).to(memory_format=torch.channels_last)
    net.load_state_dict(resnet_start(stream(20, STUDY, replicate, "start"), 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.95)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=math.ceil(len(X) / BATCH))
    order = permutations([stream(20, STUDY, replicate, "order")], 1, len(X))[0, 0]
    losses: list[float] = []
    cycle: dict[str, list[float]] = {"lr": [], "momentum": []}
    for rows in torch.from_numpy(order).split(BATCH):
        for name, values in cycle.items():
            values.append(optimizer.param_groups[0][name])
        loss = cross_entropy(net(in_colour(X[rows])), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return net.eval(), losses, cycle


def test_it_is_the_plain_pytorch_loop(runs):
    (X, y), (V, labels) = digits("train"), digits("valid")
    for replicate in range(2):
        net, losses, cycle = trained(replicate, X, y)
        for name, expected in net.state_dict().items():
            found = torch.from_numpy(np.asarray(runs.weights[name][replicate]))
            torch.testing.assert_close(found, expected, atol=5e-4, rtol=1e-3)
        np.testing.assert_allclose(runs.curve("train/loss")[1][:, replicate], losses, rtol=1e-3)
        for name, values in cycle.items():
            np.testing.assert_allclose(runs.curve(f"train/{name}")[1][:, replicate], values, rtol=1e-6)
        with torch.no_grad():
            logits = torch.cat([net(in_colour(some)) for some in V.split(256)])
        wrong = (logits.argmax(1) != labels).sum().item()
        assert runs["errors"][replicate] == wrong
        assert runs["accuracy"][replicate] == pytest.approx(1 - wrong / len(V))
        assert runs["val/loss"][replicate] == pytest.approx(cross_entropy(logits, labels).item(), rel=1e-3)
        begin = resnet_start(stream(20, STUDY, replicate, "start"), 2)["conv1.weight"]
        assert (net.conv1.weight - begin).abs().max() > 0.001  # so far that a wrong step would have shown


def test_what_is_kept(runs):
    """The worst mistakes are those of the weights, the worst first."""
    assert (runs["parameters"] == 11_177_538).all()
    assert (runs["training_images"] == len(digits("train")[0])).all()
    V, labels = digits("valid")
    for replicate in range(2):
        net = ResNet18(2).eval()
        net.load_state_dict(
            {name: torch.from_numpy(np.asarray(runs.weights[name][replicate])) for name in net.state_dict()}
        )
        with torch.no_grad():
            own = net(in_colour(V)).softmax(1)[torch.arange(len(V)), labels].numpy()
        np.testing.assert_allclose(runs.weights["worst_probabilities"][replicate], np.sort(own)[:8], atol=1e-5)
