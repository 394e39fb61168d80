"""The roller coaster against descent, least squares, eigenvalues and matrix powers in numpy."""

import numpy as np
import pytest
import torch

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.tensors import load_tensors
from groundwork.judging.printed import reference
from groundwork.streams import normal, stream
from groundwork.studies.roller_coaster import SIDES, claims, some_steps

TRAINED = {"as printed": "seconds", "too large steps": "seconds", "standardised time": "standardised"}  # in few steps


def design(time: str = "seconds") -> np.ndarray:
    """The columns t², t and 1, (20, 3)."""
    t = np.arange(20.0)
    if time == "standardised":
        t = (t - 9.5) / np.sqrt((20**2 - 1) / 12)  # of a uniform distribution over 20 integers
    return np.column_stack([t**2, t, np.ones(20)])


def speeds() -> np.ndarray:
    return load_tensors(paths.dataset("generated/descent"))["speed"].astype(float)


def start(replicate: int) -> np.ndarray:
    draw = normal([stream(20, "studies/roller_coaster", replicate, "start")], (3,))[0]
    return draw.astype(np.float32).astype(float)


def time_of(runs) -> str:
    return "standardised" if runs.variant.settings.function == "scaled_quadratic" else "seconds"


def loss(A: np.ndarray, y: np.ndarray, parameters: np.ndarray) -> float:
    return float(np.mean((A @ parameters - y) ** 2))


@pytest.mark.parametrize("variant", TRAINED)
def test_descent(variant, results):
    """w ← w − lr·2Aᵀ(Aw − y)/n, written out."""
    runs, A = results("roller_coaster")[variant], design(TRAINED[variant])
    steps, values = runs.curve("val/loss")
    for replicate, y in enumerate(speeds()):
        w, losses = start(replicate), []
        for step in range(runs.variant.settings.steps + 1):
            losses.append(loss(A, y, w))
            if step <= 10 and replicate == 0:
                np.testing.assert_allclose(runs.weights["path"][0, step], w, rtol=1e-9)
            if step < runs.variant.settings.steps:
                w = w - runs.variant.settings.lr * 2 * A.T @ (A @ w - y) / len(y)
        np.testing.assert_allclose(runs.weights["parameters"][replicate], w, rtol=1e-9)
        np.testing.assert_allclose(values[:, replicate], np.array(losses)[steps.astype(int)], rtol=1e-6)
        np.testing.assert_allclose(runs["start_loss"][replicate], losses[0], rtol=1e-8)


def test_least_squares(results):
    for runs in results("roller_coaster"):
        A = design(time_of(runs))
        for replicate, y in enumerate(speeds()):
            expected = np.linalg.solve(A.T @ A, A.T @ y)
            np.testing.assert_allclose(runs.weights["bottom"][replicate], expected, rtol=1e-7)
            np.testing.assert_allclose(runs["lowest_loss"][replicate], loss(A, y, expected), rtol=1e-7)


def test_curvatures_are_those_of_autograds_hessian(results):
    for runs in results("roller_coaster"):
        A, y = torch.from_numpy(design(time_of(runs))), torch.from_numpy(speeds()[0])

        def mean_squared_error(w: torch.Tensor, A: torch.Tensor = A, y: torch.Tensor = y) -> torch.Tensor:
            return torch.nn.functional.mse_loss(A @ w, y)

        hessian = torch.autograd.functional.hessian(mean_squared_error, torch.ones(3, dtype=torch.double))
        curvatures = np.linalg.eigvalsh(hessian.numpy())
        np.testing.assert_allclose(runs["condition"], curvatures[-1] / curvatures[0], rtol=1e-7)
        np.testing.assert_allclose(runs["lr_limit"], 2 / curvatures[-1], rtol=1e-8)


def after(A: np.ndarray, y: np.ndarray, w: np.ndarray, lr: float, steps: int) -> float:
    """The loss after so many steps by a power of the matrix I − lr·H."""
    least_squares = np.linalg.lstsq(A, y)[0]
    steps_at_once = np.linalg.matrix_power(np.eye(3) - lr * 2 * A.T @ A / len(y), steps)
    return loss(A, y, least_squares + steps_at_once @ (w - least_squares))


@pytest.mark.parametrize("variant", ["as printed", "larger steps", "standardised time"])
def test_steps_needed(variant, results):
    runs = results("roller_coaster")[variant]
    A, lr = design(time_of(runs)), runs.variant.settings.lr
    for replicate, y in enumerate(speeds()):
        enough, goal = int(runs["steps_needed"][replicate]), 1.01 * runs["lowest_loss"][replicate]
        assert after(A, y, start(replicate), lr, enough) <= goal * (1 + 1e-7)
        assert after(A, y, start(replicate), lr, enough - 1) >= goal * (1 - 1e-7)


@pytest.mark.parametrize("variant", ["as printed", "standardised time"])
def test_no_rate_needs_fewer(variant, results):
    runs = results("roller_coaster")[variant]
    A = design(time_of(runs))
    for replicate, y in enumerate(speeds()):
        fewest, goal = int(runs["fewest_steps"][replicate]), 1.01 * runs["lowest_loss"][replicate]
        rates = runs["lr_limit"][0] * np.linspace(0.01, 0.99, 99)
        losses = np.array([after(A, y, start(replicate), lr, fewest) for lr in rates])
        assert losses.min() <= goal * (1 + 1e-7)
        earlier = np.array([after(A, y, start(replicate), lr, fewest - 1) for lr in rates])
        assert earlier.min() >= goal * (1 - 1e-7)


def test_what_is_foreseen(results):
    for runs in results("roller_coaster"):
        A, lr = design(time_of(runs)), runs.variant.settings.lr
        steps, values = runs.curve("foreseen_loss")
        for replicate, y in enumerate(speeds()):
            expected = [after(A, y, start(replicate), lr, int(step)) for step in steps]
            np.testing.assert_allclose(values[:, replicate], expected, rtol=1e-6)


def test_the_sides_make_up_the_loss(results):
    for runs in results("roller_coaster"):
        above = sum(runs.curve(side)[1] for side in SIDES)
        np.testing.assert_allclose(above + runs["lowest_loss"], runs.curve("val/loss")[1], rtol=1e-5)


def test_diverged_are_those_above_the_limit(results):
    for runs in results("roller_coaster"):
        assert (runs.diverged == (runs.variant.settings.lr > runs["lr_limit"])).all()
        assert (np.isinf(runs["steps_needed"]) == runs.diverged).all()


def test_the_books_loss_is_the_mean_squared_error():
    """Its printed losses near their floor by (1 − lr·λ)² a step, with the λ of that loss and of no root or sum."""
    rows = reference()
    (text,) = rows.loc[(rows["item"] == "roller-coaster") & (rows["quantity"] == "mse_by_step"), "value"]
    drops = -np.diff([float(value) for value in text.split(";")])
    steepest = np.linalg.eigvalsh(2 * design().T @ design() / 20)[-1]
    assert drops[1] / drops[0] == pytest.approx((1 - 1e-5 * steepest) ** 2, rel=1e-4)


def test_some_steps():
    assert some_steps(3) == [0, 1, 2, 3]
    assert some_steps(10) == list(range(11))
    many = some_steps(100_000)
    assert many[:11] == list(range(11))
    assert many[-1] == 100_000
    assert {100, 1000, 10_000} <= set(many)
    assert many == sorted(set(many))
    assert max(np.diff(np.log(many[10:]))) < 0.2


def test_claims(results):
    """All but the one about the mean over many replicates."""
    found = [claim.judge(results("roller_coaster")).verdict for claim in claims()]
    assert set(found[:-1]) == {"holds"}


def test_claims_can_fail(train):
    """The variants of the claims, with standardised time throughout."""
    names = ("as printed", "patient", "larger steps", "too large steps", "standardised time")
    results = train(
        "roller_coaster", variants={name: {"function": "scaled_quadratic", "lr": 0.1, "steps": 100} for name in names}
    )
    verdicts = [claim.judge(results).verdict for claim in claims()]
    assert verdicts[2:7] == ["fails"] * 5


def test_another_studys_function_is_refused(train):
    with pytest.raises(UserError, match="variant 'x' has function = square: allowed: quadratic, scaled_quadratic"):
        train("roller_coaster", variants={"x": {"function": "square", "lr": 0.1, "steps": 10}})
