"""Second derivatives against torch's own Hessian, singular values, and descent written as a recursion."""

import numpy as np
import torch

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, stream
from groundwork.studies.second_derivatives import RATES, limits


def designs() -> np.ndarray:
    """The training inputs with a column of ones, (R, 1000, 3), in double precision."""
    X = load_tensors(paths.dataset("generated/regression"))["train/X"].astype(float)
    return np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=-1)


def labels() -> np.ndarray:
    """The training labels, (R, 1000), in double precision."""
    return load_tensors(paths.dataset("generated/regression"))["train/y"][..., 0].astype(float)


def start(replicate: int) -> np.ndarray:
    """(w, b) before the first step: 0.01·N(0, 1) as float32 has it, and 0."""
    draw = normal([stream(20, "studies/second_derivatives", replicate, "start")], (2,))[0]
    return np.append((np.float32(0.01) * draw.astype(np.float32)).astype(float), 0)


def hessian_of_loss(A: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of ½·mean (A·parameters − y)², by torch's own function, somewhere."""
    design, labels = torch.from_numpy(A), torch.from_numpy(y)
    somewhere = torch.tensor([0.3, -1.0, 2.0], dtype=torch.double)
    return torch.autograd.functional.hessian(
        lambda parameters: ((design @ parameters - labels) ** 2).mean() / 2, somewhere
    ).numpy()


def test_the_hessian(results):
    runs = results("second_derivatives")["lr=2"]
    for replicate, (A, y) in enumerate(zip(designs(), labels(), strict=True)):
        expected = hessian_of_loss(A, y)
        np.testing.assert_allclose(runs.weights["hessian"][replicate], expected, atol=1e-13)
        np.testing.assert_allclose(runs.weights["closed_form"][replicate], expected, atol=1e-13)


def test_the_largest_eigenvalue(results):
    runs = results("second_derivatives")["lr=2"]
    expected = np.linalg.svd(designs(), compute_uv=False)[:, 0] ** 2 / 1000
    np.testing.assert_allclose(runs["lambda_max"], expected, rtol=1e-8)
    np.testing.assert_allclose(runs["lr_limit"], 2 / expected, rtol=1e-8)
    assert (runs["lambda_products"] <= expected * (1 + 1e-8)).all()
    np.testing.assert_allclose(runs["lambda_products"], expected, rtol=0.05)


def test_descent_is_a_recursion(results):
    """The distance e from least squares becomes (1 − lr·H)e in every step."""
    for rate in RATES:
        runs = results("second_derivatives")[f"lr={rate}"]
        for replicate, (A, y) in enumerate(zip(designs(), labels(), strict=True)):
            least_squares = np.linalg.lstsq(A, y, rcond=None)[0]
            error = start(replicate) - least_squares
            lengths = [np.linalg.norm(error)]
            for _ in range(runs.variant.settings.epochs):
                error = error - float(rate) * A.T @ (A @ error) / len(A)
                lengths.append(np.linalg.norm(error))
            found = np.append(runs.weights["w"][replicate], runs.weights["b"][replicate]) - least_squares
            np.testing.assert_allclose(found, error, rtol=1e-6, atol=1e-11)
            np.testing.assert_allclose(runs["growth"][replicate], lengths[-1] / lengths[-2], rtol=1e-3)
            np.testing.assert_allclose(runs.curve("distance")[1][:, replicate], lengths, rtol=1e-4)


def test_measured_and_predicted_limits_agree(results):
    runs = results("second_derivatives")
    np.testing.assert_allclose(limits(runs), runs["lr=2"]["lr_limit"], rtol=0.02)


def test_derivatives_of_sin(results):
    for runs in results("second_derivatives"):
        for x, y, slope, curvature in runs.weights["sine"]:
            np.testing.assert_allclose([y, slope, curvature], [np.sin(x), np.cos(x), -np.sin(x)], atol=1e-15)
        assert (runs["slope_has_graph"] == 1).all()
        assert (runs["plain_slope_has_graph"] == 0).all()
