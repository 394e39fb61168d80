"""Weight decay against numpy, and what the framework does to a start that comes too early."""

import numpy as np
import pytest
import torch
from scipy.linalg import null_space
from torch import nn
from weight_decay_by_numpy import descended, high_dimensional, mse, start

from groundwork.common.studies import load_study
from groundwork.judging.printed import judge, reference

EPOCHS = 10


@pytest.mark.parametrize(
    ("variant", "lambd", "default", "times"),
    [
        ("scratch lambd=0", 0, False, 1),
        ("scratch lambd=3", 3, False, 1),
        ("concise as meant", 3, False, 2),
        ("concise", 3, True, 2),
    ],
)
def test_weights_and_metrics(variant, lambd, default, times, results):
    runs, data = results("weight_decay")[variant], high_dimensional()
    for replicate in range(3):
        X, y = data["train/X"][replicate, :20], data["train/y"][replicate, :20, 0]
        first = start("weight_decay", replicate, default)
        w, b = descended("weight_decay", replicate, X, y, *first, lambd, EPOCHS, times=times)
        np.testing.assert_allclose(runs.weights["w"][replicate, :, 0], w, atol=1e-6)
        np.testing.assert_allclose(runs.weights["b"][replicate, 0, 0], b, atol=1e-6)
        unseen = null_space(X).T @ w
        expected = {
            "l2_penalty": w @ w / 2,
            "l2_unseen": unseen @ unseen / 2,
            "train/mse": mse(X, y, w, b),
            "mse": mse(data["valid/X"][replicate], data["valid/y"][replicate, :, 0], w, b),
        }
        for metric, value in expected.items():
            np.testing.assert_allclose(runs[metric][replicate], value, rtol=2e-3, err_msg=metric)


@pytest.mark.parametrize("variant", ["scratch lambd=3", "concise"])
def test_what_no_row_reaches_only_decays(variant, results):
    unseen = results("weight_decay")[variant].curve("l2_unseen")[1]
    np.testing.assert_allclose(unseen[-1] / unseen[0], (1 - 0.01 * 3) ** 80, rtol=1e-3)


def test_a_lazy_layer_loses_what_is_written_before_its_first_batch():
    layer = nn.LazyLinear(1)
    layer.weight.data.normal_(0, 0.01)
    layer(torch.zeros(5, 200))
    assert 0.03 < layer.weight.std() < 0.05  # 1/√600 = 0.041 for U(±1/√200)
    assert layer.weight.abs().max() <= 1 / np.sqrt(200)


def test_the_printed_concise_value_comes_from_the_default_start(results):
    study, runs = load_study("weight_decay"), results("weight_decay")
    rows = [judge(value, runs, reference()) for value in study.printed()]
    assert [row["printed"] for row in rows] == ["0.0097", "0.0013", "0.0136"]
    meant, got = runs["concise as meant"]["l2_penalty"], runs["concise"]["l2_penalty"]
    assert meant.max() < 0.003 < 0.0136 / 2 < got.min()
