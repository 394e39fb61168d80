"""The classifiers of digits, a rung at a time: nearest mean image, linear, one hidden layer, ResNet18 (fastbook ch. 4).

All take images as rows of 784 grey values from 0 to 1, X (B, 784), which the replicates share, and give logits
(R, B, k): k = 1, above zero for a 3, or one logit a class. `accuracy` judges them all.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from groundwork.common.settings import LinearDigitsSettings, NetSettings, PixelSimilaritySettings, ResNetSettings
from groundwork.engine.batches import Rows
from groundwork.engine.convolutions import PixelConvolution
from groundwork.engine.learner import Model
from groundwork.engine.products import Product, shared_product

SIDE = 28
PIXELS = SIDE * SIDE


def grey(images: Tensor) -> Tensor:
    """Images (n, 28, 28) uint8 as rows (n, 784) from 0, the paper, to 1, the ink."""
    rows = images.flatten(1).numpy() / np.float32(255)  # numpy asks for large pages: batches are gathered faster then
    return torch.from_numpy(rows)


def labelled(data: dict[str, np.ndarray], part: str) -> Rows:
    """A part of a dataset of digits, "train" or "valid": X (n, 784) and the labels (n, 1), both float32."""
    images, labels = (torch.from_numpy(data[f"{part}/{key}"]) for key in ("images", "labels"))
    return Rows(grey(images), labels[:, None].float(), images.flatten(1))


# --- the judge -------------------------------------------------------------------------------------------------------


def predicted(logits: Tensor) -> Tensor:
    """The label each image is given, (R, n): whether a single logit is above zero, else where the largest is."""
    return (logits > 0).squeeze(-1).long() if logits.shape[-1] == 1 else logits.argmax(-1)


def probability(logits: Tensor) -> Tensor:
    """Each label's probability, (R, n, classes), 0 before 1: the sigmoid of a single logit, else the softmax."""
    if logits.shape[-1] == 1:
        p = logits.sigmoid()
        return torch.cat([1 - p, p], dim=-1)
    return logits.softmax(-1)


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """The share of all images that are told right: logits (R, n, k), labels y (n, 1) -> (R,)."""
    return _right(logits, y).mean(1)


def batch_accuracy(logits: Tensor, y: Tensor, batch_size: int = 256) -> Tensor:
    """The mean of the accuracies of batches, as the book prints it: the images of a short last batch count for more."""
    return torch.stack([batch.mean(1) for batch in _right(logits, y).split(batch_size, dim=1)]).mean(0)


def _right(logits: Tensor, y: Tensor) -> Tensor:
    return (predicted(logits) == y[:, 0]).float()


def worst_mistakes(logits: Tensor, data: dict[str, np.ndarray], count: int) -> dict[str, Tensor]:
    """The validation images that logits (R, n, k) give the least probability of being what they are, the worst first.

    worst_images (R, count, 28, 28) uint8, worst_labels (R, count), worst_probabilities (R, count): of that label.
    """
    images, labels = (torch.from_numpy(data[f"valid/{key}"]) for key in ("images", "labels"))
    own = probability(logits)[:, torch.arange(len(labels)), labels.long()]
    p, rows = own.sort(stable=True)
    rows = rows[:, :count]
    return {"worst_images": images[rows], "worst_labels": labels[rows], "worst_probabilities": p[:, :count]}


# --- nearest mean image: the baseline, without learning --------------------------------------------------------------


def mean_images(X: Tensor, y: Tensor) -> Tensor:
    """The mean image of each label, (classes, 784), of X (n, 784) with labels y (n, 1)."""
    return torch.stack([X[y[:, 0] == label].mean(0) for label in range(int(y.max()) + 1)])


def l1_distance(X: Tensor, image: Tensor) -> Tensor:
    """Mean absolute difference of each image (n, d) from one (d,): (n,)."""
    return (X - image).abs().mean(-1)


def rmse(X: Tensor, image: Tensor) -> Tensor:
    """Root of the mean squared difference of each image (n, d) from one (d,): (n,)."""
    squared = ((X - image) ** 2).mean(-1)
    return torch.from_numpy(np.sqrt(squared.numpy()))  # numpy's root is exact on every machine, torch's is not


DISTANCES = {"L1": l1_distance, "RMSE": rmse}


class PixelSimilarity:
    """The logit of a label is minus the distance from its mean image, so the nearest wins; means (1, classes, 784)."""

    def __init__(self, means: Tensor, distance: str) -> None:
        self.means = means
        self.distance = DISTANCES[distance]
        self.parameters: list[Tensor] = []

    def __call__(self, X: Tensor) -> Tensor:
        return torch.stack([-self.distance(X, image) for image in self.means[0]], dim=-1)[None]


# --- linear, and one hidden layer ------------------------------------------------------------------------------------


class LinearDigits:
    """logits = X @ weights + bias: weights (R, 784, k), bias (R, 1, k)."""

    def __init__(self, weights: Tensor, bias: Tensor, product: Product) -> None:
        self.weights = inputs_last(weights).requires_grad_()
        self.bias = bias.clone().requires_grad_()
        self.product = product
        self.layers = [(self.weights, self.bias)]
        self.parameters = [self.weights, self.bias]

    def __call__(self, X: Tensor) -> Tensor:
        return shared_product(X, self.weights, self.product) + self.bias


class Net:
    """logits = max(X @ w1 + b1, 0) @ w2 + b2: w1 (R, 784, h), b1 (R, 1, h), w2 (R, h, k), b2 (R, 1, k)."""

    def __init__(self, layer1: tuple[Tensor, Tensor], layer2: tuple[Tensor, Tensor], product: Product) -> None:
        self.layers = [(inputs_last(w).requires_grad_(), b.clone().requires_grad_()) for w, b in (layer1, layer2)]
        (self.w1, self.b1), (self.w2, self.b2) = self.layers
        self.product = product
        self.parameters = [self.w1, self.b1, self.w2, self.b2]

    def __call__(self, X: Tensor) -> Tensor:
        activations = (shared_product(X, self.w1, self.product) + self.b1).clamp(min=0)
        return self.product(activations, self.w2) + self.b2


def inputs_last(weights: Tensor) -> Tensor:
    """A copy of weights (R, d, k) that lies in memory as (R, k, d), as `shared_product` wants it."""
    return weights.mT.clone(memory_format=torch.contiguous_format).mT


def init_params(start: str, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (R, d, k) and bias (R, 1, k) from draws (R, d + 1, k) of N(0, 1), or of [0, 1) for a uniform start.

    `normal`: the draws themselves, the book's `init_params`. `uniform`: ±1/√d, as nn.Linear draws both.
    """
    inputs = draws.shape[1] - 1
    if start == "uniform":
        draws = (2 * draws - 1) / math.sqrt(inputs)
    return draws[:, :inputs], draws[:, inputs:]


# --- ResNet18 --------------------------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut round them (He et al. 2015, figure 2)."""

    def __init__(self, channels_in: int, channels: int, stride: int, conv: type[nn.Conv2d]) -> None:
        super().__init__()
        self.conv1 = conv(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = (
            nn.Sequential(conv(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
            if stride != 1 or channels_in != channels
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(out)) + self.downsample(x)).relu()


class ResNet18(nn.Module):
    """He et al. 2015, table 1, with the names of torchvision's: images (B, 3, height, width) -> logits (B, classes).

    `conv`: torch's convolution, or one like it that is faster for our images.
    """

    def __init__(self, classes: int, conv: type[nn.Conv2d] = nn.Conv2d) -> None:
        super().__init__()
        self.conv1 = conv(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1, conv), BasicBlock(64, 64, 1, conv))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2, conv), BasicBlock(128, 128, 1, conv))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2, conv), BasicBlock(256, 256, 1, conv))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2, conv), BasicBlock(512, 512, 1, conv))
        self.fc = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def resnet_start(rng: np.random.Generator, classes: int) -> dict[str, Tensor]:
    """A ResNet18's starting state as torchvision draws it, from one stream.

    Convolutions N(0, 2/(channels·k²)), the last layer ±1/√512; batch norm starts as the identity.
    """
    state = ResNet18(classes).state_dict()
    for name, tensor in state.items():
        if tensor.dim() == 4:
            deviation = math.sqrt(2 / (tensor.shape[0] * tensor.shape[2] * tensor.shape[3]))
            state[name] = torch.from_numpy(deviation * rng.standard_normal(tensor.shape)).float()
        elif name.startswith("fc."):
            state[name] = torch.from_numpy((2 * rng.random(tensor.shape) - 1) / math.sqrt(512)).float()
    return state


class ResNets:
    """R ResNet18s, which cannot broadcast, as one model: their logits stacked. Each grey value serves all 3 channels.

    Batch norm uses a batch's own statistics where gradients are recorded, its running ones where not.
    """

    def __init__(self, states: list[dict[str, Tensor]]) -> None:
        self.members = [ResNet18(len(state["fc.bias"]), PixelConvolution) for state in states]
        for member, state in zip(self.members, states, strict=True):
            member.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            member.load_state_dict(state)
        self.parameters: list[Tensor] = [p for member in self.members for p in member.parameters()]

    def __call__(self, X: Tensor) -> Tensor:
        images = X.view(-1, 1, SIDE, SIDE).expand(-1, 3, -1, -1)
        return torch.stack([self._logits(member.train(torch.is_grad_enabled()), images) for member in self.members])

    def _logits(self, member: nn.Module, images: Tensor) -> Tensor:
        if member.training:
            return member(images)
        return torch.cat([member(some) for some in images.split(128)])  # as many as are fastest

    @property
    def weights(self) -> dict[str, Tensor]:
        """The state of all members, (R, …) each."""
        states = [member.state_dict() for member in self.members]
        return {name: torch.stack([state[name] for state in states]) for name in states[0]}


# --- what a model costs, and from files -----------------------------------------------------------------------------


def cost(model: Model) -> tuple[int, int]:
    """The parameters of one replicate, and its multiply-adds an image; batch norm, ReLU and biases not counted there.

    Pixel similarity has its mean images, and compares each of their pixels once.
    """
    from torch.utils.flop_counter import FlopCounterMode

    match model:
        case PixelSimilarity():
            return model.means.numel(), model.means.numel()
        case ResNets():
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                ResNet18(model.members[0].fc.out_features).eval()(torch.zeros(1, 3, SIDE, SIDE))
            parameters = sum(p.numel() for p in model.members[0].parameters())
            return parameters, counter.get_total_flops() // 2
    sizes = [p[0].numel() for p in model.parameters]  # weights, bias, weights, bias
    return sum(sizes), sum(sizes[::2])


def restore(
    settings: PixelSimilaritySettings | LinearDigitsSettings | NetSettings | ResNetSettings,
    weights: dict[str, Tensor],
    product: Product,
) -> Model:
    """A trained model from its weights, replicates first, as its study's weights.safetensors has them."""
    match settings:
        case PixelSimilaritySettings():
            return PixelSimilarity(weights["means"], settings.distance)
        case LinearDigitsSettings():
            return LinearDigits(weights["weights"], weights["bias"], product)
        case NetSettings():
            return Net((weights["w1"], weights["b1"]), (weights["w2"], weights["b2"]), product)
        case ResNetSettings():
            replicates = range(len(weights["fc.bias"]))
            return ResNets([{name: weights[name][r] for name in ResNet18(1).state_dict()} for r in replicates])
