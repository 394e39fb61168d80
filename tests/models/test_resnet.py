"""ResNet18 against the paper's table written out, and against plain functions of its state."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from groundwork.common.settings import ResNetSettings
from groundwork.engine.convolutions import PixelConvolution
from groundwork.engine.products import product
from groundwork.models.digits import PIXELS, ResNet18, ResNets, cost, resnet_start, restore

State = dict[str, Tensor]

CONVOLUTIONS = {  # torchvision's names: channels out, channels in, kernel, side of what comes out of 28 × 28
    "conv1": (64, 3, 7, 14),  # then a max pool halves it
    "layer1.0.conv1": (64, 64, 3, 7),
    "layer1.0.conv2": (64, 64, 3, 7),
    "layer1.1.conv1": (64, 64, 3, 7),
    "layer1.1.conv2": (64, 64, 3, 7),
    "layer2.0.conv1": (128, 64, 3, 4),
    "layer2.0.conv2": (128, 128, 3, 4),
    "layer2.0.downsample.0": (128, 64, 1, 4),
    "layer2.1.conv1": (128, 128, 3, 4),
    "layer2.1.conv2": (128, 128, 3, 4),
    "layer3.0.conv1": (256, 128, 3, 2),
    "layer3.0.conv2": (256, 256, 3, 2),
    "layer3.0.downsample.0": (256, 128, 1, 2),
    "layer3.1.conv1": (256, 256, 3, 2),
    "layer3.1.conv2": (256, 256, 3, 2),
    "layer4.0.conv1": (512, 256, 3, 1),
    "layer4.0.conv2": (512, 512, 3, 1),
    "layer4.0.downsample.0": (512, 256, 1, 1),
    "layer4.1.conv1": (512, 512, 3, 1),
    "layer4.1.conv2": (512, 512, 3, 1),
}


def norm_of(convolution: str) -> str:
    """The batch norm that follows it."""
    return convolution.replace("conv", "bn").replace("downsample.0", "downsample.1")


def forward(state: State, x: Tensor, training: bool) -> Tensor:
    """What a ResNet18 makes of images (B, 3, 28, 28)."""

    def convolve(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight, norm = state[f"{name}.weight"], norm_of(name)
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, var, gamma, beta = (state[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, mean.clone(), var.clone(), gamma, beta, training)

    x = functional.max_pool2d(convolve(x, "conv1", 2).relu(), 3, 2, padding=1)
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            shortcut = convolve(x, f"{name}.downsample.0", stride) if stride == 2 else x
            x = (convolve(convolve(x, f"{name}.conv1", stride).relu(), f"{name}.conv2") + shortcut).relu()
    x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
    return functional.linear(x, state["fc.weight"], state["fc.bias"])


@pytest.fixture(scope="module")
def start() -> State:
    return resnet_start(np.random.default_rng(0), classes=2)


@pytest.fixture(scope="module")
def trained(start: State) -> State:
    """A state whose batch norms are not the identity any more."""
    rng, state = np.random.default_rng(1), dict(start)
    for name, tensor in start.items():
        if "bn" in name or "downsample.1" in name:
            low = 0.5 if name.endswith(("weight", "running_var")) else -0.5
            if tensor.is_floating_point():
                state[name] = torch.from_numpy(rng.uniform(low, low + 1, tensor.shape)).float()
    return state


def some(count: int = 2) -> Tensor:
    return torch.rand(count, PIXELS, generator=torch.Generator().manual_seed(0))


def in_colour(X: Tensor) -> Tensor:
    return X.view(-1, 1, 28, 28).repeat(1, 3, 1, 1)


def test_names_and_shapes_are_torchvisions():
    expected: dict[str, tuple[int, ...]] = {"fc.weight": (2, 512), "fc.bias": (2,)}
    for name, (out, channels, kernel, _) in CONVOLUTIONS.items():
        expected[f"{name}.weight"] = (out, channels, kernel, kernel)
        expected |= {f"{norm_of(name)}.{key}": (out,) for key in ("weight", "bias", "running_mean", "running_var")}
        expected[f"{norm_of(name)}.num_batches_tracked"] = ()
    model = ResNet18(2)
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == expected
    assert sum(p.numel() for p in model.parameters()) == 11_177_538


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("conv", [torch.nn.Conv2d, PixelConvolution])
def test_forward_and_gradients(conv, training, trained):
    X = some()
    state = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in trained.items()}
    model = ResNet18(2, conv).double().train(training)
    model.load_state_dict(state)
    leaves = {name: state[name].clone().requires_grad_() for name, _ in model.named_parameters()}
    ours = model(in_colour(X.double()))
    theirs = forward(state | leaves, in_colour(X.double()), training)
    assert_close(ours, theirs)
    (ours**2).sum().backward()
    (theirs**2).sum().backward()
    for name, p in model.named_parameters():
        assert_close(p.grad, leaves[name].grad)


# --- the start -------------------------------------------------------------------------------------------------------


def test_convolutions_start_as_torchvision_draws_them(start):
    """torchvision: kaiming_normal_ by fan out, for ReLU."""
    for name, (out, _, kernel, _) in CONVOLUTIONS.items():
        drawn = start[f"{name}.weight"]
        theirs = torch.nn.init.kaiming_normal_(torch.empty_like(drawn), mode="fan_out", nonlinearity="relu")
        assert drawn.std().item() == pytest.approx(math.sqrt(2 / (out * kernel**2)), rel=0.04)
        assert drawn.std().item() == pytest.approx(theirs.std().item(), rel=0.06)
        assert abs(drawn.mean().item()) < 5 * drawn.std().item() / math.sqrt(drawn.numel())


def test_the_last_layer_starts_as_nn_linear(start):
    for tensor in (start["fc.weight"], start["fc.bias"]):
        assert tensor.abs().max() <= 1 / math.sqrt(512)
    assert start["fc.weight"].abs().max() > 0.99 / math.sqrt(512)
    assert start["fc.weight"].std().item() == pytest.approx(torch.nn.Linear(512, 2).weight.std().item(), rel=0.1)


def test_batch_norm_starts_as_the_identity(start):
    for name in map(norm_of, CONVOLUTIONS):
        for key, value in {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}.items():
            assert (start[f"{name}.{key}"] == value).all()
        assert start[f"{name}.num_batches_tracked"] == 0


def test_a_stream_decides_the_start(start):
    again, other = (resnet_start(np.random.default_rng(seed), 2) for seed in (0, 1))
    assert all(torch.equal(start[name], again[name]) for name in start)
    assert not any(torch.equal(start[f"{name}.weight"], other[f"{name}.weight"]) for name in (*CONVOLUTIONS, "fc"))


# --- several as one model --------------------------------------------------------------------------------------------


def test_each_grey_serves_three_channels_and_logits_are_stacked(start, trained):
    X = some()
    with torch.no_grad():
        logits = ResNets([start, trained])(X)
        assert logits.shape == (2, 2, 2)
        for r, state in enumerate((start, trained)):
            assert_close(logits[r], forward(state, in_colour(X), training=False), rtol=1e-4, atol=1e-4)


def test_batch_norm_by_mode(trained):
    """Recording gradients: the batch's statistics, and the running ones follow. Not: the running ones, as they are."""
    X = some(16)  # a batch norm over fewer magnifies rounding
    model = ResNets([trained])
    with torch.no_grad():
        before = model(X)
    assert all(torch.equal(model.weights[name][0], trained[name]) for name in trained)
    assert_close(model(X)[0], forward(trained, in_colour(X), training=True), rtol=1e-4, atol=1e-4)
    first = functional.conv2d(in_colour(X), trained["conv1.weight"], stride=2, padding=3)
    for key, batch in (("running_mean", first.mean((0, 2, 3))), ("running_var", first.var((0, 2, 3)))):
        assert_close(model.weights[f"bn1.{key}"][0], 0.9 * trained[f"bn1.{key}"] + 0.1 * batch)
    assert model.weights["layer4.1.bn2.num_batches_tracked"].item() == 1
    with torch.no_grad():
        assert not torch.allclose(model(X), before)


def test_many_images_are_judged_one_by_one(trained):
    X = some(258)
    with torch.no_grad():
        model = ResNets([trained])
        logits = model(X)
        assert logits.shape == (1, 258, 2)
        assert_close(logits[:, [0, 255, 256, 257]], model(X[[0, 255, 256, 257]]), rtol=1e-4, atol=1e-4)


def test_training_leaves_the_start_alone(start):
    X = some()
    before = {name: tensor.clone() for name, tensor in start.items()}
    model = ResNets([start])
    model(X).sum().backward()
    with torch.no_grad():
        for p in model.parameters:
            p -= p.grad
    assert all(torch.equal(start[name], before[name]) for name in start)
    assert not torch.equal(model.weights["fc.weight"][0], before["fc.weight"])


def test_from_their_weights(start, trained):
    X = some()
    settings = ResNetSettings(
        network="resnet18",
        loss="cross_entropy",
        optimizer="one_cycle",
        lr=0.1,
        batch_size=64,
        epochs=1,
        shuffle=True,
    )
    model = ResNets([start, trained])
    other = {"worst_images": torch.zeros(2, 1)}
    with torch.no_grad():
        restored = restore(settings, model.weights | other, product)
        assert torch.equal(restored(X), model(X))


def test_what_it_costs(trained):
    multiply_adds = 512 * 2
    for out, channels, kernel, side in CONVOLUTIONS.values():
        multiply_adds += out * channels * kernel**2 * side**2
    assert cost(ResNets([trained, trained])) == (11_177_538, multiply_adds)
