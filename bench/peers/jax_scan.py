"""JAX: the training of one replicate as two nested scans, vmapped over the replicates, compiled as one program."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from bench.works import Task, data_of

Weights = dict[str, np.ndarray]


def program(task: Task) -> Callable[[], Weights]:
    data = data_of(task)
    own = task.kind in ("regression", "decay")  # rows and orders of each replicate's own
    orders = data.orders.swapaxes(0, 1) if own else data.orders
    shared = (data.X, data.y, data.X_valid, data.y_valid, orders.astype(np.int32))
    on_device = [jnp.asarray(values) for values in shared]
    start = {name: jnp.asarray(values) for name, values in data.start.items()}
    axes = 0 if own else None
    train = jax.jit(jax.vmap(lambda *given: train_one(task, *given), in_axes=(0, *[axes] * len(shared))))

    def train_once() -> Weights:
        weights, _ = jax.block_until_ready(train(start, *on_device))
        return {name: np.asarray(values) for name, values in weights.items()}

    return train_once


def train_one(
    task: Task, start: dict[str, Array], X: Array, y: Array, X_valid: Array, y_valid: Array, orders: Array
) -> tuple[dict[str, Array], tuple]:
    """One replicate; the short last batch of an epoch has a step of its own, for a scan wants equal shapes."""
    whole = task.rows // task.batch_size * task.batch_size

    def objective(weights: dict[str, Array], rows: Array) -> tuple[Array, Array]:
        loss = loss_of(task, predict(weights, X[rows]), y[rows])
        return loss + task.lambd * (weights["w"] ** 2).sum() / 2 if task.lambd else loss, loss

    def step(weights: dict[str, Array], rows: Array) -> tuple[dict[str, Array], Array]:
        gradients, loss = jax.grad(objective, has_aux=True)(weights, rows)
        return {name: w - task.lr * gradients[name] for name, w in weights.items()}, loss

    def epoch(weights: dict[str, Array], order: Array) -> tuple[dict[str, Array], tuple]:
        weights, losses = lax.scan(step, weights, order[:whole].reshape(-1, task.batch_size))
        if whole < task.rows:
            weights, last = step(weights, order[whole:])
            losses = jnp.append(losses, last)
        y_hat = predict(weights, X_valid)
        return weights, (losses, loss_of(task, y_hat, y_valid), ((y_hat > 0) == (y_valid == 1)).mean())

    return lax.scan(epoch, start, orders)


def predict(weights: dict[str, Array], X: Array) -> Array:
    if "w" in weights:
        return X @ weights["w"] + weights["b"]
    return jax.nn.relu(X @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]


def loss_of(task: Task, y_hat: Array, y: Array) -> Array:
    if task.kind in ("regression", "decay"):
        return ((y_hat - y) ** 2 / 2).mean()
    predictions = jax.nn.sigmoid(y_hat)
    return jnp.where(y == 1, 1 - predictions, predictions).mean()
