import pytest
import torch

from spectype.generate.dense import FEW, Dense


@pytest.mark.parametrize("rows", [1, 3, 6, FEW])
@pytest.mark.parametrize("usable", [True, False])
def test_values_and_derivatives_are_the_layers_own(rows, usable, monkeypatch):
    """Against the formulas in double precision: y = x W' + b and its three derivatives."""
    if usable and not Dense.usable:
        pytest.skip("this torch has no oneDNN inner product")
    monkeypatch.setattr(Dense, "usable", usable)
    torch.manual_seed(rows)
    layer = Dense(37, 51)
    x = torch.randn(rows, 37, requires_grad=True)
    outer = torch.randn(rows, 51)
    y = layer(x)
    (y * outer).sum().backward()
    w, b = layer.weight.detach().double(), layer.bias.detach().double()
    expected = {
        "y": (y, x.detach().double() @ w.T + b),
        "to x": (x.grad, outer.double() @ w),
        "to weight": (layer.weight.grad, outer.double().T @ x.detach().double()),
        "to bias": (layer.bias.grad, outer.double().sum(0)),
    }
    for got, want in expected.values():
        torch.testing.assert_close(got.detach().double(), want, rtol=1e-4, atol=1e-5)


def test_frozen_weights_take_no_derivative():
    layer = Dense(8, 5).requires_grad_(False)
    x = torch.randn(3, 8, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None and layer.bias.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(3, 8))


def test_other_shapes_and_precisions_go_the_usual_way():
    layer = Dense(8, 5).double()
    assert layer(torch.ones(2, 8, dtype=torch.float64)).dtype == torch.float64
    wide = Dense(8, 5)
    many = torch.randn(FEW + 9, 8)
    torch.testing.assert_close(wide(many)[:3], wide(many[:3]), rtol=1e-5, atol=1e-6)
    assert wide(torch.randn(2, 4, 8)).shape == (2, 4, 5)
