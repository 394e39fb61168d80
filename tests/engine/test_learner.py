"""The learner against plain PyTorch, against least squares, and against itself one replicate at a time."""

import numpy as np
import torch
from torch import Tensor
from torch.testing import assert_close

from groundwork.engine.batches import Rows
from groundwork.engine.learner import Learner
from groundwork.engine.losses import LOSSES, mnist_loss, mse
from groundwork.engine.optimizers import SGD
from groundwork.engine.products import product
from groundwork.models.digits import PIXELS, LinearDigits, accuracy
from groundwork.models.linear import LinearRegression

R, N, EPOCHS = 5, 200, 3  # 200 rows: six batches of 32 and one of 8


def line(rows: int = N, replicates: int = R, seed: int = 0) -> Rows:
    torch.manual_seed(seed)
    X = torch.randn(replicates, rows, 2)
    return Rows(X, X @ torch.tensor([[2], [-3.4]]) + 4.2 + 0.1 * torch.randn(replicates, rows, 1))


def starts() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(R, 2, 1)


def orders() -> Tensor:
    torch.manual_seed(2)
    return torch.stack([torch.stack([torch.randperm(N) for _ in range(R)]) for _ in range(EPOCHS)])


def trained(rows: Rows, w: Tensor, orders: Tensor, loss: str = "squared", lr: float = 0.03) -> Learner:
    model = LinearRegression(w, product)
    learner = Learner(model, LOSSES[loss], SGD(model.parameters, lr))
    learner.fit(rows, rows, 32, orders)
    return learner


def test_replicates_together_are_replicates_alone():
    """With the portable product even to the bit: each replicate's product is its own."""
    rows = line()
    together = trained(rows, starts(), orders())
    for r in range(R):
        one = slice(r, r + 1)
        alone = trained(Rows(rows.X[one], rows.y[one]), starts()[one], orders()[:, one])
        for p, q in zip(alone.model.parameters, together.model.parameters, strict=True):
            assert torch.equal(p[0], q[r])
        for name, values in alone.history.items():
            for (step, value), (other_step, others) in zip(values, together.history[name], strict=True):
                assert step == other_step
                assert torch.equal(value[0], others[r])


class Steep:
    """X @ w by autograd, for it says nothing of layers."""

    def __init__(self, w: Tensor) -> None:
        self.w = w.clone().requires_grad_()
        self.parameters = [self.w]

    def __call__(self, X: Tensor) -> Tensor:
        return X @ self.w


def test_a_model_without_layers_is_torchs_own_descent():
    """Step by step, so that gradients which are never zeroed would show."""
    rows, model, theirs = line(), Steep(starts()), starts().clone().requires_grad_()
    learner, optimizer = Learner(model, LOSSES["squared"], SGD(model.parameters, 0.03)), torch.optim.SGD([theirs], 0.03)
    for X, y in zip(rows.X.split(20, dim=1), rows.y.split(20, dim=1), strict=True):
        learner.step(X, y)
        optimizer.zero_grad()
        ((X @ theirs - y) ** 2 / 2).mean(1).sum().backward()
        optimizer.step()
        assert_close(model.w, theirs)


def test_a_replicate_that_diverges_stays_alone():
    rows, wild = line(), line()
    wild.X[2] *= 1e30
    calm = trained(rows, starts(), orders())
    with np.errstate(over="ignore", invalid="ignore"):
        torn = trained(wild, starts(), orders())
    assert not torn.model.parameters[0][2].isfinite().any()
    others = torch.arange(R) != 2
    for p, q in zip(calm.model.parameters, torn.model.parameters, strict=True):
        assert torch.equal(p[others], q[others])
    for name, values in calm.history.items():
        assert all(
            torch.equal(value[others], wilder[others])
            for (_, value), (_, wilder) in zip(values, torn.history[name], strict=True)
        )


def test_it_is_the_plain_pytorch_loop():
    rows = line()
    ours = trained(rows, starts(), orders(), loss="mse")
    for r in range(R):
        net = torch.nn.Linear(2, 1)
        with torch.no_grad():
            net.weight.copy_(starts()[r].mT)
            net.bias.zero_()
        optimizer, criterion, losses = torch.optim.SGD(net.parameters(), lr=0.03), torch.nn.MSELoss(), []
        for order in orders()[:, r]:
            for batch in order.split(32):
                optimizer.zero_grad()
                loss = criterion(net(rows.X[r, batch]), rows.y[r, batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
        w, b = ours.model.parameters
        assert_close(w[r].mT, net.weight)
        assert_close(b[r].flatten(), net.bias)
        assert_close(torch.stack([value[r] for _, value in ours.history["train/loss"]]), torch.stack(losses))


def test_it_finds_the_least_squares_solution():
    rows = line()
    model = LinearRegression(starts(), product)
    Learner(model, mse, SGD(model.parameters, 0.3)).fit(rows, rows, N, [None] * 60)
    for r in range(R):
        A = np.column_stack([rows.X[r].numpy(), np.ones(N)]).astype(np.float64)
        solution = np.linalg.lstsq(A, rows.y[r].numpy().astype(np.float64).ravel())[0]
        found = [*model.w[r].flatten().tolist(), model.b[r].item()]
        np.testing.assert_allclose(found, solution, rtol=1e-5)


def test_history_has_every_step_and_every_epoch():
    learner = trained(line(), starts(), orders())
    assert [step for step, _ in learner.history["train/loss"]] == list(range(1, 22))
    assert [step for step, _ in learner.history["val/loss"]] == [0, 7, 14, 21]
    assert all(value.shape == (R,) for values in learner.history.values() for _, value in values)
    assert not any(value.requires_grad for values in learner.history.values() for _, value in values)


def test_validation_weighs_every_row_alike():
    """4100 rows are predicted in batches of 1024, the last of 4, and the last four are far off."""
    rows = line(rows=4100)
    rows.y[:, -4:] += 1000
    model = LinearRegression(starts(), product)
    learner = Learner(model, mse, SGD(model.parameters, 0.1))
    learner.validate(rows)
    error = (rows.X @ starts()).double() - rows.y
    step, value = learner.history["val/loss"][0]
    assert step == 0
    assert_close(value.double(), (error**2).mean((1, 2)), rtol=1e-5, atol=0)
    assert learner.predict(rows).shape == (R, 4100, 1)


def test_validation_leaves_the_model_alone():
    model = LinearRegression(starts(), product)
    Learner(model, mse, SGD(model.parameters, 0.1)).validate(line())
    assert torch.equal(model.w, starts())
    assert model.w.grad is None


def test_replicates_may_share_their_rows():
    """One wide product rounds differently from narrow ones, so together and alone agree, but not to the bit."""
    torch.manual_seed(0)
    images, labels = torch.rand(100, PIXELS), (torch.arange(100)[:, None] % 2).float()
    rows, w, b = Rows(images, labels), torch.randn(R, PIXELS, 1), torch.randn(R, 1, 1)
    orders = torch.stack([torch.randperm(100) for _ in range(EPOCHS)])

    def train(chosen: slice) -> Learner:
        model = LinearDigits(w[chosen], b[chosen], product)
        learner = Learner(model, mnist_loss, SGD(model.parameters, 1.0), {"accuracy": accuracy})
        learner.fit(rows, rows, 32, orders)
        return learner

    together = train(slice(R))
    assert together.history["accuracy"][-1][1].shape == (R,)
    for r in range(R):
        alone = train(slice(r, r + 1))
        assert_close(alone.model.parameters[0][0], together.model.parameters[0][r], rtol=0, atol=1e-4)
        for (_, one), (_, all_of_them) in zip(alone.history["val/loss"], together.history["val/loss"], strict=True):
            assert_close(one[0], all_of_them[r], rtol=0, atol=1e-4)
