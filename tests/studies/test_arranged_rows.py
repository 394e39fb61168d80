"""The orders of the shuffling study on a few rows, against numpy's sorting; on its own data see test_shuffling.py."""

import numpy as np
import pytest
import torch

from groundwork.engine.batches import Rows
from groundwork.studies.shuffling import arranged


@pytest.mark.parametrize("order", ["shuffled", "fixed", "sorted", "adversarial"])
def test_rows_are_arranged_as_their_key_sorts(order):
    rng = np.random.default_rng(0)
    X, y = (rng.standard_normal((3, 50, columns)).astype(np.float32) for columns in (2, 1))
    keys = {"sorted": y[..., 0], "adversarial": np.arctan2(X[..., 1], X[..., 0])}
    numbers = np.argsort(keys[order], axis=1, kind="stable") if order in keys else np.tile(np.arange(50), (3, 1))
    laid = arranged(Rows(torch.from_numpy(X), torch.from_numpy(y)), order)
    np.testing.assert_array_equal(laid.X, np.take_along_axis(X, numbers[..., None], axis=1))
    np.testing.assert_array_equal(laid.y, np.take_along_axis(y, numbers[..., None], axis=1))
