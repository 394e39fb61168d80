"""fastai's Learner, used as fastbook ch. 4 uses it: a list of pairs, DataLoader, DataLoaders, Learner, fit.

Its progress bar and its printed table are off, and the shuffle that it draws from Python's `random` is given.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from fastai.basics import SGD, DataLoader, DataLoaders, Learner, tensor
from fastai.callback.all import ParamScheduler, combined_cos  # whose import gives Learner no_bar
from PIL import Image

from bench.peers.torch_loop import JUDGED, LOSSES, accuracy, first_replicate, module, weights_of
from bench.works import PARTS, PICTURES, Task

Weights = dict[str, np.ndarray]


def program(task: Task) -> Callable[[], Weights]:
    if task.kind == "loading":
        return load_pictures
    X, y, X_valid, y_valid, start, orders = first_replicate(task)
    train, valid = list(zip(X, y, strict=True)), list(zip(X_valid, y_valid, strict=True))
    shuffles = [order.tolist() for order in orders]

    def train_once() -> Weights:
        orders = iter(shuffles)
        dl = DataLoader(train, bs=task.batch_size, shuffle=True, shuffle_fn=lambda _: next(orders))
        dls = DataLoaders(dl, DataLoader(valid, bs=256))
        model = module(task, start)
        sgd = partial(SGD, mom=0.95) if task.kind == "resnet18" else SGD
        metrics = [partial(accuracy, task)] if task.kind in JUDGED else None
        learn = Learner(dls, model, loss_func=LOSSES[task.kind], opt_func=sgd, lr=task.lr, metrics=metrics)
        with learn.no_bar(), learn.no_logging():
            if task.kind == "resnet18":
                learn.fit(task.epochs, cbs=one_cycle(task))
            else:
                learn.fit(task.epochs, wd=task.lambd)
        return weights_of(task, model)

    return train_once


def one_cycle(task: Task) -> ParamScheduler:
    """torch's schedule in fastai's words: it turns a step earlier than `fit_one_cycle`'s, and its end is reached."""
    last = task.steps - 1
    turn = 0.3 - 0.7 / last

    def cosines(*values: float) -> Callable[[float], float]:
        schedule = combined_cos(turn, *values)
        return lambda part: schedule(min(part * task.steps / last, 1.0))  # of all steps

    return ParamScheduler({"lr": cosines(task.lr / 25, task.lr, task.lr / 25e4), "mom": cosines(0.95, 0.85, 0.95)})


def load_pictures() -> Weights:
    """A picture at a time, stacked: images (n, 28, 28) of each part, all 3s, then all 7s."""
    return {
        f"{part}/images": torch.cat([_stacked(PICTURES / part / digit) for digit in "37"]).numpy() for part in PARTS
    }


def _stacked(folder: Path) -> torch.Tensor:
    return torch.stack([tensor(Image.open(file)) for file in sorted(folder.iterdir())])
