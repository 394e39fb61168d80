"""What is measured: each work's sizes, data, starts and orders, the same for every contender, and the goals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from groundwork.common.paths import dataset
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, permutations, stream, uniform

Kind = Literal["regression", "decay", "digits", "net", "resnet18", "loading"]

SEED = 20
PIXELS = 784
IMAGES = 14_434
MNIST = dataset("raw/mnist_sample")
PICTURES = Path(".bench/mnist_sample")  # the same as a folder of PNGs a part and digit, see bench/pictures.py
PARTS = ("train", "valid")


class Contender(NamedTuple):
    """Who does the work, in a process of its own."""

    peer: str  # a module of bench/peers
    profile: Literal["portable", "native"]


PORTABLE, NATIVE = Contender("ours", "portable"), Contender("ours", "native")
FASTAI, D2L = Contender("fastai_learner", "native"), Contender("d2l_trainer", "native")
LOOP, JAX = Contender("torch_loop", "native"), Contender("jax_scan", "native")
NAMES = {
    PORTABLE: "Groundwork, portable",
    NATIVE: "Groundwork, native",
    FASTAI: "fastai's Learner",
    D2L: "d2l's Trainer",
    LOOP: "a plain PyTorch loop",
    JAX: "JAX",
}


@dataclass(frozen=True)
class Task:
    """One thing to compute. Sizes that a kind of work has no use for stay as they are."""

    kind: Kind
    replicates: int = 1
    rows: int = 0  # to train on
    valid: int = 0  # to validate on, after each epoch
    inputs: int = PIXELS
    hidden: int = 30
    batch_size: int = 256
    epochs: int = 1
    lr: float = 1.0
    lambd: float = 0.0

    @property
    def steps(self) -> int:
        return self.epochs * -(-self.rows // self.batch_size)


class Goal(NamedTuple):
    """How many times as fast as `against`, per run, `ours` is to be."""

    ours: Contender
    replicates: int
    against: Contender
    factor: float


class Work(NamedTuple):
    """A task at one or more numbers of replicates, who does it, and how closely they must agree."""

    name: str
    task: Task
    replicates: tuple[int, ...]
    peers: tuple[Contender, ...]  # beside Groundwork in both profiles
    tolerance: float  # of ‖weights − weights‖ / ‖weights‖, for every pair
    seconds: float  # to spend on it, after the check
    goals: tuple[Goal, ...]
    checked: Task | None = None  # another task for the check, where rounding grows too fast in this one
    quick: Task | None = None  # a shorter task for a quick run

    @property
    def label(self) -> str:
        """What is done, in a few words."""
        epochs = self.task.epochs
        return (
            f"{self.name}, {epochs} epoch{'s' if epochs > 1 else ''} of {self.task.rows:,} rows"
            if epochs
            else self.name
        )


WORKS = (
    Work(
        name="linear regression",
        task=Task("regression", rows=1000, valid=1000, inputs=2, batch_size=32, epochs=3, lr=0.03),
        replicates=(1, 20, 200, 512),
        peers=(FASTAI, D2L, LOOP, JAX),
        tolerance=1e-5,
        seconds=40,
        goals=(Goal(PORTABLE, 1, FASTAI, 12), Goal(PORTABLE, 512, FASTAI, 1000), Goal(PORTABLE, 200, JAX, 1 / 3)),
    ),
    Work(
        name="weight decay",
        task=Task("decay", rows=20, valid=100, inputs=200, batch_size=5, epochs=10, lr=0.01, lambd=3.0),  # d2l §3.7
        replicates=(1, 20, 200),
        peers=(FASTAI, D2L, LOOP, JAX),
        tolerance=1e-5,
        seconds=30,
        goals=(),
    ),
    Work(
        name="MNIST linear",
        task=Task("digits", rows=12396, valid=2038, epochs=20, lr=1.0),
        replicates=(1, 20, 64),
        peers=(FASTAI, D2L, LOOP, JAX),
        tolerance=1e-5,
        seconds=90,
        goals=(
            Goal(PORTABLE, 1, FASTAI, 6),
            Goal(PORTABLE, 20, FASTAI, 60),
            Goal(PORTABLE, 20, JAX, 1 / 1.5),
            Goal(NATIVE, 20, JAX, 1),
        ),
        quick=Task("digits", rows=12396, valid=2038, epochs=4, lr=1.0),
    ),
    Work(
        name="784-30-1 net",
        task=Task("net", rows=12396, valid=2038, epochs=40, lr=0.1),
        replicates=(1, 20),
        peers=(FASTAI, D2L, LOOP, JAX),
        tolerance=1e-5,
        seconds=180,
        goals=(Goal(PORTABLE, 1, FASTAI, 3), Goal(PORTABLE, 20, FASTAI, 6)),
        quick=Task("net", rows=12396, valid=2038, epochs=2, lr=0.1),
    ),
    Work(
        name="ResNet18",
        task=Task("resnet18", rows=12396, valid=2038, batch_size=64, lr=0.1),
        replicates=(1,),
        peers=(FASTAI, LOOP),
        tolerance=1e-4,
        seconds=300,
        goals=(Goal(NATIVE, 1, FASTAI, 1.4), Goal(PORTABLE, 1, FASTAI, 0.6)),
        checked=Task("resnet18", rows=256, valid=64, batch_size=64, lr=0.001),  # a step makes it ten times as large
        quick=Task("resnet18", rows=512, valid=128, batch_size=64, lr=0.1),
    ),
    Work(
        name=f"loading {IMAGES:,} images",
        task=Task("loading", epochs=0),
        replicates=(1,),
        peers=(FASTAI,),
        tolerance=0,
        seconds=20,
        goals=(Goal(PORTABLE, 1, FASTAI, 500),),
    ),
)


class Data(NamedTuple):
    """Rows, own starts and orders of R replicates; digits share their rows and orders.

    X (R, n, d) or (n, d), y (R, n, 1) or (n, 1), orders (epochs, R, n) or (epochs, n), start: each (R, …).
    """

    X: np.ndarray
    y: np.ndarray
    X_valid: np.ndarray
    y_valid: np.ndarray
    start: dict[str, np.ndarray]
    orders: np.ndarray


def data_of(task: Task) -> Data:
    """The same for all contenders; digits want data/raw/mnist_sample.safetensors."""
    return _synthetic(task) if task.kind in ("regression", "decay") else _digits(task)


def _streams(task: Task, purpose: str) -> list[np.random.Generator]:
    return [stream(SEED, f"bench/{task.kind}", replicate, purpose) for replicate in range(task.replicates)]


def _synthetic(task: Task) -> Data:
    """y = Xw + b + N(0, 0.01²) with the true weights of d2l §3.3 and §3.7, repeated where there are more inputs."""
    w, b = (np.full(task.inputs, 0.01), 0.05) if task.kind == "decay" else (np.resize([2, -3.4], task.inputs), 4.2)
    rows = task.rows + task.valid
    X = normal(_streams(task, "X"), (rows, task.inputs)).astype(np.float32)
    y = X @ w[:, None] + b + 0.01 * normal(_streams(task, "noise"), (rows, 1))
    y = y.astype(np.float32)
    w0 = 0.01 * normal(_streams(task, "start"), (task.inputs, 1)).astype(np.float32)
    orders = permutations(_streams(task, "order"), task.epochs, task.rows).swapaxes(0, 1)
    start = {"w": w0, "b": np.zeros((task.replicates, 1, 1), np.float32)}
    train, valid = slice(task.rows), slice(task.rows, None)
    X, X_valid, y, y_valid = (np.ascontiguousarray(all_[:, part]) for all_ in (X, y) for part in (train, valid))
    return Data(X, y, X_valid, y_valid, start, orders)


def _digits(task: Task) -> Data:
    """The first `inputs` pixels of images drawn from all of them, so that few rows have both digits."""
    tensors = load_tensors(MNIST)
    picked = stream(SEED, "bench/images", 0, "rows")
    parts: list[np.ndarray] = []
    for part, count in zip(PARTS, (task.rows, task.valid), strict=True):
        chosen = np.sort(picked.permutation(len(tensors[f"{part}/labels"]))[:count])
        images = tensors[f"{part}/images"][chosen].reshape(count, PIXELS)[:, : task.inputs]
        parts += [images.astype(np.float32) / 255, tensors[f"{part}/labels"][chosen, None].astype(np.float32)]
    X, y, X_valid, y_valid = parts
    orders = permutations(_streams(task, "order")[:1], task.epochs, task.rows)[0]
    return Data(X, y, X_valid, y_valid, _start(task), orders)


def _start(task: Task) -> dict[str, np.ndarray]:
    """As nn.Linear and torchvision's ResNet18 draw it."""
    if task.kind == "resnet18":
        from groundwork.models.digits import resnet_start

        members = [resnet_start(rng, 2) for rng in _streams(task, "start")]
        return {name: np.stack([member[name].numpy() for member in members]) for name in members[0]}
    shapes = {"w": (task.inputs, 1), "b": (1, 1)}
    if task.kind == "net":
        shapes = {"w1": (task.inputs, task.hidden), "b1": (1, task.hidden), "w2": (task.hidden, 1), "b2": (1, 1)}
    fan_in = {name: task.hidden if name in ("w2", "b2") else task.inputs for name in shapes}
    return {
        name: ((2 * uniform(_streams(task, name), shape) - 1) / np.sqrt(fan_in[name])).astype(np.float32)
        for name, shape in shapes.items()
    }
