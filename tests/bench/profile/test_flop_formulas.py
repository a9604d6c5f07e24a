"""Counted flops against formulas by hand, exactly, forward and backward."""

import itertools
import math
import warnings

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from paragone.bench.profile.flop_formulas import (
    FORMULAS,
    cholesky_flops,
    inverse_flops,
    lu_flops,
    orthogonal_flops,
    reflectors_flops,
)
from tests.bench.profile.counting import counted

B = 3


def forward_and_backward(work):
    """Flops of a function of leaves, and of the gradients of its sum."""
    forward, y = counted(work)
    backward, _ = counted(lambda: (y if y.ndim == 0 else y.abs().sum()).backward())
    return forward, backward


def leaf(*shape, **options):
    return torch.randn(*shape, requires_grad=True, generator=torch.Generator().manual_seed(0), **options)


def both(flops, factor=2):
    """Forward, and backward for both factors of a product."""
    return flops, factor * flops


# Products


def test_a_multilayer_perceptron():
    sizes = [5, 7, 11, 2]
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 11), nn.Tanh(), nn.Linear(11, 2))
    layers = [2 * B * i * o for i, o in itertools.pairwise(sizes)]
    assert forward_and_backward(lambda: net(torch.ones(B, 5))) == (sum(layers), 2 * sum(layers) - layers[0])
    assert forward_and_backward(lambda: net(leaf(B, 5))) == both(sum(layers))
    assert forward_and_backward(lambda: net(leaf(B, 4, 5))) == both(4 * sum(layers))


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16, torch.complex64], ids=str)
def test_every_precision_counts_the_same(precision):
    assert forward_and_backward(lambda: leaf(B, 5, dtype=precision) @ leaf(5, 7, dtype=precision)) == both(2 * B * 5 * 7)


def test_autocast():
    net = nn.Linear(5, 7)
    with torch.autocast("cpu", torch.bfloat16):
        assert forward_and_backward(lambda: net(leaf(B, 5))) == both(2 * B * 5 * 7)


def test_inference_mode_counts_the_same():
    net = nn.Sequential(nn.Linear(5, 7), nn.Unflatten(1, (7, 1, 1)), nn.Conv2d(7, 4, 1))
    with torch.inference_mode():
        assert counted(lambda: net(torch.ones(B, 5)))[0] == 2 * B * (5 * 7 + 7 * 4)


PRODUCTS = {
    "mv": (lambda: torch.mv(leaf(3, 4), leaf(4)), 2 * 3 * 4),
    "matmul": (lambda: leaf(3, 4) @ leaf(4), 2 * 3 * 4),
    "addmv": (lambda: torch.addmv(leaf(3), leaf(3, 4), leaf(4)), 2 * 3 * 4),
    "dot": (lambda: torch.dot(leaf(4), leaf(4)), 2 * 4),
    "vdot": (lambda: torch.vdot(leaf(4), leaf(4)), 2 * 4),
    "addr": (lambda: torch.addr(leaf(3, 4), leaf(3), leaf(4)), 2 * 3 * 4),
    "addmm": (lambda: torch.addmm(leaf(5), leaf(3, 4), leaf(4, 5)), 2 * 3 * 4 * 5),
    "with activation": (lambda: torch._addmm_activation(leaf(5), leaf(3, 4), leaf(4, 5)), 2 * 3 * 4 * 5),
    "baddbmm": (lambda: torch.baddbmm(leaf(2, 3, 5), leaf(2, 3, 4), leaf(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    "addbmm": (lambda: torch.addbmm(leaf(3, 5), leaf(2, 3, 4), leaf(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    "einsum": (lambda: torch.einsum("bij,bjk->ik", leaf(2, 3, 4), leaf(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    "einsum of three": (lambda: torch.einsum("i,ij,j->", leaf(3), leaf(3, 4), leaf(4)), 2 * 3 * 4 + 2 * 4),
    "cdist": (lambda: torch.cdist(leaf(2, 30, 4), leaf(2, 40, 4)), 2 * 2 * 30 * 40 * 6),
}


@pytest.mark.parametrize(("work", "flops"), PRODUCTS.values(), ids=PRODUCTS)
def test_matrices_and_vectors(work, flops):
    assert counted(work)[0] == flops


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 2, 2)])
def test_a_convolution(groups, stride, padding, dilation):
    x, layer = (B, 6, 9, 8), nn.Conv2d(6, 12, (3, 2), stride, padding, dilation, groups)
    height, width = ((s + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for s, k in ((9, 3), (8, 2)))
    flops = 2 * B * height * width * 12 * (6 // groups) * 3 * 2  # of each output value: a filter of its group's channels
    assert forward_and_backward(lambda: layer(leaf(*x))) == both(flops)
    assert forward_and_backward(lambda: layer(torch.ones(x))) == both(flops, 1)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1)])
def test_a_transposed_convolution(groups, stride, padding):
    x, layer = (B, 6, 9, 8), nn.ConvTranspose2d(6, 12, (3, 2), stride, padding, groups=groups)
    flops = 2 * B * 9 * 8 * 6 * (12 // groups) * 3 * 2  # each input value is spread over a filter of its group's outputs
    assert forward_and_backward(lambda: layer(leaf(*x))) == both(flops)
    assert forward_and_backward(lambda: layer(torch.ones(x))) == both(flops, 1)


def test_convolutions_of_lines_and_volumes():
    assert forward_and_backward(lambda: nn.Conv1d(4, 6, 3)(leaf(B, 4, 9))) == both(2 * B * 7 * 4 * 6 * 3)
    assert forward_and_backward(lambda: nn.Conv3d(2, 4, 2, groups=2)(leaf(B, 2, 3, 4, 5))) == both(2 * B * 2 * 3 * 4 * 4 * 8)


def test_the_gradient_of_a_gradient():
    """A penalty on the slope of y = W2 tanh(W1 x): the slope multiplies by W2 and W1 backwards, W1 is reached by both ways."""
    critic, x = nn.Sequential(nn.Linear(5, 7, bias=False), nn.Tanh(), nn.Linear(7, 1, bias=False)), leaf(B, 5)
    first, second = 2 * B * 5 * 7, 2 * B * 7
    flops, (slope,) = counted(lambda: torch.autograd.grad(critic(x).sum(), x, create_graph=True))
    assert flops == 2 * (first + second)
    assert counted(lambda: slope.square().sum().backward(inputs=list(critic.parameters())))[0] == second + 3 * first


# Attention and recurrent layers


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal):
    """q k^T and its product with v; a causal one does the same work, half of it for nothing."""
    q, k, v = leaf(B, 2, 5, 4), leaf(B, 2, 6, 4), leaf(B, 2, 6, 3)
    flops = 2 * B * 2 * 5 * 6 * (4 + 3)
    assert forward_and_backward(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)) == both(flops)


def test_attention_by_the_kernel_that_cpus_prefer_counts_the_same():
    """Where a contender asks for the fused kernel by name."""

    def work():
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return F.scaled_dot_product_attention(*(leaf(B, 2, 5, 4) for _ in range(3)))

    assert forward_and_backward(work) == both(2 * B * 2 * 5 * 5 * 8)


@pytest.mark.parametrize("grad", [False, True])
def test_a_transformer_layer_counts_the_same_in_inference(grad):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    with torch.set_grad_enabled(grad):
        flops, _ = counted(lambda: layer(torch.ones(B, 5, 8)))
    assert flops == 2 * B * 5 * (8 * 24 + 8 * 8 + 2 * 8 * 16) + 2 * B * 5 * 5 * (8 + 8)
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize(("layer", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_layers(layer, gates):
    net, steps = layer(5, 7, num_layers=2, bidirectional=True), 4
    one = [2 * B * steps * gates * 7 * (inputs + 7) for inputs in (5, 5, 14, 14)]  # layers and directions
    forward, backward = forward_and_backward(lambda: net(leaf(steps, B, 5))[0])
    assert forward == sum(one)
    # The first state is no parameter; only oneDNN's LSTM takes its gradient all the same.
    fused = layer is nn.LSTM and torch.backends.mkldnn.is_available()
    first_states = 0 if fused else 4 * 2 * B * gates * 7 * 7
    assert backward == 2 * sum(one) - first_states
    with torch.inference_mode():
        assert counted(lambda: net(torch.ones(steps, B, 5)))[0] == sum(one)


def test_an_lstm_of_several_paths():
    """Double precision, packed sequences and projections do not take the fused kernel; the products are the same."""
    double = nn.LSTM(5, 7).double()
    assert counted(lambda: double(torch.ones(4, B, 5).double()))[0] == 2 * B * 4 * 28 * (5 + 7)
    packed = nn.utils.rnn.pack_padded_sequence(torch.ones(4, B, 5), [4, 3, 1])
    assert counted(lambda: nn.LSTM(5, 7)(packed))[0] == 2 * 8 * 28 * (5 + 7)
    with warnings.catch_warnings(action="ignore"):  # torch says that it takes another path
        assert counted(lambda: nn.LSTM(5, 7, proj_size=3)(torch.ones(4, B, 5)))[0] == 2 * B * 4 * (28 * (5 + 3) + 7 * 3)
    cell = nn.LSTMCell(5, 7)
    assert counted(lambda: cell(torch.ones(B, 5)))[0] == 2 * B * 28 * (5 + 7)


def test_recurrent_layers_of_cuda():
    """By shapes, since the kernel needs a GPU: of an LSTM forward by torch's own shapes, backward by the formula alone."""
    x, state = torch.empty(4, B, 5, device="meta"), torch.empty(1, B, 7, device="meta")
    weights = [torch.empty(shape, device="meta") for shape in ((28, 5), (28, 7), (28,), (28,))]
    kind = (2, 7, 0, 1, False, 0.0, True, False, [], None)
    flops, _ = counted(lambda: torch.ops.aten._cudnn_rnn(x, weights, 4, None, state, state, *kind))
    assert flops == 2 * B * 4 * 28 * (5 + 7)
    shapes = (x.shape, [w.shape for w in weights], 4, None, state.shape, state.shape, (4, B, 7), (4, B, 7), None, None)
    for trained in (False, True):
        mask = [True, True, True, trained]
        assert FORMULAS[torch.ops.aten._cudnn_rnn_backward](*shapes, *kind, None, mask) == flops * (1 + trained)


# Linear algebra and Fourier transforms


A = torch.tensor([[[4.0, 1.0, 0.0, 2.0, 0.5], [1, 5, 2, 0, 1], [0, 2, 6, 1, 0], [2, 0, 1, 7, 3], [0.5, 1, 0, 3, 8]]] * 2)
X = torch.ones(2, 5, 3)
"""Two positive definite matrices of five rows, and three columns for each."""
LU, SUBSTITUTIONS = 5 + 10 + 2 * 30, 2 * 25 - 5
"""Of five rows: 5 reciprocals, 4 + 3 + 2 + 1 multiplications, 16 + 9 + 4 + 1 updates; forward and back for one column."""
LINEAR_ALGEBRA = {
    "slogdet": (lambda: torch.linalg.slogdet(A), LU),
    "det": (lambda: torch.linalg.det(A), LU),
    "lu": (lambda: torch.linalg.lu(A), LU),
    "inverse": (lambda: torch.linalg.inv(A), LU + (4 * 125 - 3 * 25 + 25) // 3),
    "solve": (lambda: torch.linalg.solve(A, X), LU + 3 * SUBSTITUTIONS),
    "solve for rows": (lambda: torch.linalg.solve(A, X.mT, left=False), LU + 3 * SUBSTITUTIONS),
    "solve for a vector": (lambda: torch.linalg.solve(A, X[..., 0]), LU + SUBSTITUTIONS),
    "lu_solve": (lambda: torch.linalg.lu_solve(*torch.linalg.lu_factor(A), X), LU + 3 * SUBSTITUTIONS),
    "triangular": (lambda: torch.linalg.solve_triangular(A, X, upper=True), 3 * 25),
    "cholesky": (lambda: torch.linalg.cholesky(A), (2 * 125 + 3 * 25 + 5) // 6),
    "cholesky_solve": (lambda: torch.cholesky_solve(X, A), 3 * 2 * 25),
    "cholesky_inverse": (lambda: torch.cholesky_inverse(A), (4 * 125 + 3 * 25 + 25) // 6),
}


@pytest.mark.parametrize(("work", "flops"), LINEAR_ALGEBRA.values(), ids=LINEAR_ALGEBRA)
def test_linear_algebra(work, flops):
    assert counted(work)[0] == 2 * flops


def test_the_determinant_of_an_invertible_convolution():
    """Glow's 1x1 convolution (Kingma and Dhariwal 2018, eq. 9): the gradient of its log-determinant solves for n columns."""
    weight, x = leaf(6, 6), leaf(B, 6, 4, 4)

    def step():
        return F.conv2d(x, weight[:, :, None, None]).square().mean() + torch.linalg.slogdet(weight)[1]

    convolution, lu = 2 * B * 16 * 36, 6 + 15 + 2 * 55
    assert forward_and_backward(step) == (convolution + lu, 2 * convolution + 6 * (2 * 36 - 6))


@given(st.integers(1, 40), st.integers(1, 40))
def test_decompositions_as_published(m, n):
    """LAPACK working note 41, appendix C: whole numbers, multiplications and additions apart in the note."""
    if m >= n:
        assert lu_flops(m, n) == pytest.approx(m * n**2 - n**3 / 3 - n**2 / 2 + 5 / 6 * n, abs=1e-6)
        assert reflectors_flops(m, n) == pytest.approx(2 * m * n**2 - 2 / 3 * n**3 + m * n + n**2 + 14 / 3 * n, abs=1e-6)
        assert orthogonal_flops(m, n, n) == pytest.approx(2 * m * n**2 - 2 / 3 * n**3 + 2 * n**2 - m * n - 4 / 3 * n, abs=1e-6)
    else:
        assert reflectors_flops(m, n) == pytest.approx(2 * n * m**2 - 2 / 3 * m**3 - m**2 + 3 * m * n + 14 / 3 * m, abs=1e-6)
    assert inverse_flops(n) + lu_flops(n, n) == pytest.approx(2 * n**3 - 3 / 2 * n**2 + 5 / 2 * n, abs=1e-6)
    assert cholesky_flops(n) == sum((n - j) * (n - j + 1) + (n - j) + 1 for j in range(1, n + 1))  # root, divisions, half updates


@pytest.mark.parametrize("mode", ["r", "reduced", "complete"])
def test_qr(mode):
    q = {"r": 0, "reduced": orthogonal_flops(6, 4, 4), "complete": orthogonal_flops(6, 6, 4)}[mode]
    assert counted(lambda: torch.linalg.qr(torch.ones(2, 6, 4), mode))[0] == 2 * (reflectors_flops(6, 4) + q)


def test_fourier_transforms():
    """Of N values 5 N log2 N, real ones half; forward and back."""
    line = B * 5 * 8 * 3
    assert forward_and_backward(lambda: torch.fft.fft(leaf(B, 8, dtype=torch.complex64))) == both(line, 1)
    assert counted(lambda: torch.fft.rfft(leaf(B, 8)))[0] == line // 2
    assert counted(lambda: torch.fft.irfft(leaf(B, 5, dtype=torch.complex64)))[0] == line // 2
    assert counted(lambda: torch.fft.rfft2(leaf(B, 8, 6)))[0] == B * round(2.5 * 48 * math.log2(48))
    assert counted(lambda: torch.fft.fft(leaf(4, 8, dtype=torch.complex64), dim=0))[0] == 8 * 5 * 4 * 2
    assert counted(lambda: torch.fft.fft(torch.ones(B, 1)))[0] == 0
