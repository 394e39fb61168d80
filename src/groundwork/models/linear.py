"""Linear regression from scratch (d2l §3.4.2)."""

import torch
from torch import Tensor

from groundwork.products import Product


class LinearRegression:
    """y_hat = Xw + b for X (R, B, d); w (R, d, 1), b (R, 1, 1) starts from zero."""

    def __init__(self, w: Tensor, product: Product) -> None:
        self.w = w.clone().requires_grad_()
        self.b = torch.zeros(len(w), 1, 1, requires_grad=True)
        self.product = product
        self.parameters = [self.w, self.b]

    def __call__(self, X: Tensor) -> Tensor:
        return self.product(X, self.w) + self.b
