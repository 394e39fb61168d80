"""Training a study: its replicates are cut into blocks, the blocks go to workers, the results are written once.

The size of a block comes from params.yaml, never from the number of processes: a matrix product's bits depend on its
width, so this is what keeps the files the same with one worker or many.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic

import numpy as np
import torch
from joblib import cpu_count
from torch import Tensor
from tqdm import tqdm

from groundwork.common import paths
from groundwork.common.layouts import layouts
from groundwork.common.params import Params
from groundwork.common.settings import S, SGDSettings, Variant
from groundwork.common.studies import load_study
from groundwork.common.tensors import load_tensors
from groundwork.engine.batches import Rows
from groundwork.engine.learner import Learner, Metric, Model
from groundwork.engine.losses import LOSSES
from groundwork.engine.memory import keep_freed_memory
from groundwork.engine.optimizers import Optimizer, make_optimizer
from groundwork.engine.products import Product, product
from groundwork.engine.workers import train_blocks
from groundwork.runs import Trained, join, write_runs
from groundwork.streams import permutations, stream


@dataclass(frozen=True)
class Block(Generic[S]):
    """One unit of work: every variant of a study for some of its replicates."""

    study: str
    variants: list[Variant[S]]
    replicates: range
    seed: int
    data: dict[str, np.ndarray]  # the whole dataset
    made: Any  # its block of params.yaml, if it is synthetic; not a dependency of its own, for it decided the data

    def tensor(self, key: str) -> Tensor:
        """A tensor of the dataset that all replicates share."""
        return torch.from_numpy(self.data[key])

    def slice(self, key: str) -> Tensor:
        """This block's part (R, …) of a tensor of the dataset that has the replicate as first axis."""
        return self.tensor(key)[self.replicates.start : self.replicates.stop]

    def draw(self, purpose: str, shape: tuple[int, ...], draws: Callable) -> Tensor:
        """Random numbers (R, *shape), float32, by `streams.normal` or `streams.uniform`: the same for all variants."""
        if (purpose, shape, draws) not in self._drawn:  # a stream for each replicate takes as long as an epoch
            self._drawn[purpose, shape, draws] = torch.from_numpy(draws(self.streams(purpose), shape)).float()
        return self._drawn[purpose, shape, draws]

    def orders(self, n: int, epochs: int) -> Tensor:
        """A shuffle of n rows for each replicate and epoch, (epochs, R, n): the same for all variants."""
        return torch.from_numpy(permutations(self.streams("order"), epochs, n)).transpose(0, 1)

    def common_orders(self, n: int, epochs: int) -> Tensor:
        """One shuffle an epoch for the whole block, (epochs, n): for replicates that share their rows."""
        return torch.from_numpy(permutations(self.streams("order")[:1], epochs, n))[0]

    def streams(self, purpose: str) -> list[np.random.Generator]:
        """A stream of random numbers for each replicate: the same for all variants that ask for it anew."""
        return [stream(self.seed, f"studies/{self.study}", replicate, purpose) for replicate in self.replicates]

    @cached_property
    def _drawn(self) -> dict[tuple[str, tuple[int, ...], Callable], Tensor]:
        return {}

    @property
    def product(self) -> Product:
        return product


def fit(
    model: Model,
    settings: SGDSettings,
    train: Rows,
    valid: Rows,
    orders: Tensor,
    metrics: Mapping[str, Metric] | None = None,
    penalty: Callable[[], Tensor] | None = None,
    optimizer: Optimizer | None = None,
    drop_last: bool = False,
) -> Learner:
    """Train a model as a variant's settings say; `orders` (epochs or more, …, n) serve where they ask for a shuffle."""
    optimizer = optimizer or make_optimizer(settings.optimizer, model.parameters, settings.lr)
    learner = Learner(model, LOSSES[settings.loss], optimizer, metrics, penalty)
    chosen = orders[: settings.epochs] if settings.shuffle else [None] * settings.epochs
    learner.fit(train, valid, settings.batch_size, chosen, drop_last)
    return learner


def kept(learner: Learner, metrics: dict[str, Tensor], weights: dict[str, Tensor]) -> Trained:
    """What is kept of a training run: `metrics`, the last of each validation metric, the histories, the weights."""
    steps_per_epoch = learner.steps / (len(learner.history["val/loss"]) - 1)
    history = {}
    for name, values in learner.history.items():
        steps = np.array([step for step, _ in values])
        history[name] = (steps, steps / steps_per_epoch, torch.stack([value for _, value in values]).numpy())
    last = {name: values[-1] for name, (_, _, values) in history.items() if name != "train/loss"}
    return Trained(
        metrics={name: value.detach().numpy() for name, value in metrics.items()} | last,
        history=history,
        weights={name: value.detach().numpy() for name, value in weights.items()},
    )


def length(vectors: Tensor) -> Tensor:
    """The Euclidean length of vectors (R, d), (R,); numpy's root is exact on every machine, torch's is not."""
    return torch.from_numpy(np.sqrt((vectors.detach().double() ** 2).sum(1).numpy()))


def train_study(name: str, params: Params) -> None:
    """Train every variant of a study for all its replicates and write data/runs/<study>/."""
    study = params.studies[name]
    variants = study.expand()
    data = load_tensors(paths.dataset(study.dataset), layouts(study.dataset, params))
    blocks = [
        Block(
            study=name,
            variants=[variant for variant in variants if variant.replicates == count],
            replicates=range(start, min(start + study.block_size, count)),
            seed=params.seed,
            data=data,
            made=params.data_of(name),
        )
        for count in sorted({variant.replicates for variant in variants})  # the fewer, the dearer: they begin
        for start in range(0, count, study.block_size)
    ]
    done = train_blocks(train_block, blocks, cpu_count() if params.jobs == "auto" else params.jobs)
    trained = {
        variant.name: join([block[variant.name] for block in done if variant.name in block]) for variant in variants
    }
    write_runs(paths.runs(name), trained, {variant.name: variant.settings for variant in variants})


def train_block(block: Block) -> dict[str, Trained]:
    """The variants of a block by name, in order: what a worker does, whoever it is."""
    torch.set_num_threads(1)
    keep_freed_memory()
    runs: Iterator[Trained] = load_study(block.study).train(block)
    named = zip(block.variants, runs, strict=True)
    total = len(block.variants)
    progress = tqdm(named, block.study, total, unit="variant", leave=False, position=0, disable=None)
    with np.errstate(over="ignore", invalid="ignore"):  # a replicate that diverges stays alone with its inf
        return {variant.name: run for variant, run in progress}
