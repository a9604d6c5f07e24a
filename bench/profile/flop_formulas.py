"""Flops of the operators for which torch's own table (torch.utils.flop_counter.flop_registry) has no formula, or a wrong one.

As in that table: a multiplication and an addition are 2 flops, in every precision; a complex number counts as one number, but in
Fourier transforms, whose customary count is of real operations; masks, causal ones too, save nothing; biases, activations,
softmax and norms are elementwise and count nothing. Operators of many steps count as the standard algorithm does, whatever the
device's library does:
    LU, Cholesky, QR and what is solved with them   Blackford and Dongarra 1999, LAPACK working note 41, appendix C
    Fourier transforms of N values                  5 N log2 N, half of it if real (Frigo and Johnson 2005, section V)
    recurrent layers                                their matrix products; backward the gradients of both factors
    x1 (P, M) and x2 (R, M): Euclidean distances    the product of (P, M + 2) and (M + 2, R) by which torch computes them
Without a formula remain what iterates until it converges (singular values, eigenvalues, matrix exponentials) and sums of products
that torch does not compute as matrix products (bilinear layers, distances of few points).

torch's formula for the backward pass of a convolution is replaced: it counts the weights' gradient of a convolution in G groups
G times over.

Each formula takes what the operator takes, with shapes in place of tensors, and the shapes of its result as `out_shape`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

Shape = Sequence[int]
aten = torch.ops.aten


# Products of matrices and vectors


def _mv(matrix: Shape, vector: Shape, **_: Any) -> int:
    return 2 * math.prod(matrix)


def _addmv(bias: Shape, matrix: Shape, vector: Shape, **_: Any) -> int:
    return 2 * math.prod(matrix)


def _dot(a: Shape, b: Shape, **_: Any) -> int:
    return 2 * math.prod(a)


def _addr(bias: Shape, a: Shape, b: Shape, **_: Any) -> int:
    return 2 * math.prod(a) * math.prod(b)


def _addbmm(bias: Shape, a: Shape, b: Shape, *rest: Any, **_: Any) -> int:
    """a (B, m, k), b (B, k, n); also of two matrices (m, k), (k, n)."""
    return 2 * math.prod(a) * b[-1]


def _euclidean_distances(a: Shape, b: Shape, **_: Any) -> int:
    """a (..., P, M), b (..., R, M): of |a|^2 + |b|^2 - 2 a b as one product, M + 2 terms each."""
    return 2 * math.prod(a[:-1]) * b[-2] * (a[-1] + 2)


def _convolution_backward(
    grad: Shape, x: Shape, weight: Shape, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int, output_mask: Sequence[bool], **_: Any,
) -> int:  # fmt: skip
    """The products of the forward pass for each gradient asked for, of the input and of the weight (output_mask: x, weight, bias).

    They are one for each place of the map that the filter visits, x where transposed, and each entry of the weight: whose
    shape is (out, in / groups, ...), or (in, out / groups, ...) where transposed.
    """
    places = math.prod((x if transposed else grad)[2:])
    return 2 * x[0] * places * math.prod(weight) * (output_mask[0] + output_mask[1])


# Attention and recurrent layers


def _attention(query: Shape, key: Shape, value: Shape, *rest: Any, **_: Any) -> int:
    """Only where attention did not become matrix products: q k^T and (.) v."""
    pairs = math.prod(query[:-1]) * key[-2]
    return 2 * pairs * (query[-1] + value[-1])


def _attention_backward(grad: Shape, query: Shape, key: Shape, value: Shape, *rest: Any, **_: Any) -> int:
    """The gradients of both factors of both products."""
    return 2 * _attention(query, key, value)


def _lstm_layer(x: Shape, from_input: Shape, from_state: Shape, *rest: Any, **_: Any) -> int:
    """One layer and direction; x (T, B, I), weights (4 H, I) and (4 H, H)."""
    return 2 * math.prod(x[:-1]) * (math.prod(from_input) + math.prod(from_state))


def _lstm_layer_backward(x: Shape, from_input: Shape, from_state: Shape, *rest: Any, **_: Any) -> int:
    return 2 * _lstm_layer(x, from_input, from_state)


def _cudnn_rnn(x: Shape, weights: Sequence[Shape], *rest: Any, **_: Any) -> int:
    """All layers and directions of an RNN, GRU or LSTM; x (T, B, I), or (rows, I) where packed. Biases are the vectors."""
    return 2 * math.prod(x[:-1]) * sum(math.prod(weight) for weight in weights if len(weight) == 2)


def _cudnn_rnn_backward(x: Shape, weights: Sequence[Shape], *rest: Any, **_: Any) -> int:
    """`output_mask`, the last argument, says whether the weights' gradients are wanted; those of the states always are needed."""
    return _cudnn_rnn(x, weights) * (1 + int(rest[-1][3]))


# Linear algebra of (..., m, n)


def lu_flops(m: int, n: int) -> int:
    """Step j takes a reciprocal, m - j multiplications and as many rows less a multiple of row j, each n - j long."""
    return sum(1 + (m - j) * (1 + 2 * (n - j)) for j in range(1, min(m, n) + 1))


def inverse_flops(n: int) -> int:
    """Of a matrix whose LU decomposition is known: 4/3 n^3 - n^2 + 5/3 n (getri)."""
    return (4 * n**3 - 3 * n**2 + 5 * n) // 3


def cholesky_flops(n: int) -> int:
    """n^3 / 3 + n^2 / 2 + n / 6 (potrf)."""
    return n * (n + 1) * (2 * n + 1) // 6


def cholesky_inverse_flops(n: int) -> int:
    """Of a matrix whose Cholesky decomposition is known: 2/3 n^3 + n^2 / 2 + 5/6 n (potri)."""
    return (4 * n**3 + 3 * n**2 + 5 * n) // 6


def reflectors_flops(m: int, n: int) -> int:
    """R and the Householder vectors of Q: geqrf, where m >= n is 2 m n^2 - 2/3 n^3 + m n + n^2 + 14/3 n."""
    k = min(m, n)
    linear = m * n + n**2 if m >= n else 3 * m * n - m**2
    return (6 * max(m, n) * k**2 - 2 * k**3 + 3 * linear + 14 * k) // 3


def orthogonal_flops(m: int, n: int, k: int) -> int:
    """Q (m, n) from k Householder vectors: orgqr, 4 m n k - 2 (m + n) k^2 + 4/3 k^3 + 3 n k - m k - k^2 - 4/3 k."""
    return 4 * m * n * k - 2 * (m + n) * k**2 + 3 * n * k - m * k - k**2 + (4 * k**3 - 4 * k) // 3


def _of_matrices(flops: Callable[[int, int], int]) -> Callable[..., int]:
    """The formula of an operator that does the same to each matrix of its first argument."""

    def formula(a: Shape, *rest: Any, **_: Any) -> int:
        return math.prod(a[:-2]) * flops(a[-2], a[-1])

    return formula


def _columns(solution: Shape, n: int) -> int:
    """Right-hand sides of n values in a solution, whether they are its columns, its rows or a vector, over all matrices."""
    return math.prod(solution) // n if n else 0


def _lu_solve(lu: Shape, pivots: Shape, b: Shape, *, out_shape: Shape, **_: Any) -> int:
    n = lu[-1]
    return _columns(out_shape, n) * (2 * n**2 - n)


def _solve(a: Shape, b: Shape, *, out_shape: Sequence[Shape], **_: Any) -> int:
    n = a[-1]
    return math.prod(a[:-2]) * lu_flops(n, n) + _columns(out_shape[0], n) * (2 * n**2 - n)


def _solve_triangular(a: Shape, b: Shape, *, out_shape: Shape, **_: Any) -> int:
    return _columns(out_shape, a[-1]) * a[-1] ** 2


def _old_solve_triangular(b: Shape, a: Shape, *rest: Any, out_shape: Sequence[Shape], **_: Any) -> int:
    return _columns(out_shape[0], a[-1]) * a[-1] ** 2


def _cholesky_solve(b: Shape, factor: Shape, *rest: Any, out_shape: Shape, **_: Any) -> int:
    return _columns(out_shape, factor[-1]) * 2 * factor[-1] ** 2


def _qr(a: Shape, mode: str = "reduced", **_: Any) -> int:
    m, n = a[-2:]
    columns = {"r": 0, "reduced": min(m, n), "complete": m}[mode]
    building = orthogonal_flops(m, columns, min(m, n)) if columns else 0
    return math.prod(a[:-2]) * (reflectors_flops(m, n) + building)


# Fourier transforms


def _fourier(shape: Shape, dims: Sequence[int], factor: float) -> int:
    size = math.prod(shape[dim] for dim in dims)
    return round(factor * size * math.log2(size)) * (math.prod(shape) // size) if size else 0


def _fourier_complex(x: Shape, dims: Sequence[int], *rest: Any, **_: Any) -> int:
    return _fourier(x, dims, 5.0)


def _fourier_of_real(x: Shape, dims: Sequence[int], *rest: Any, **_: Any) -> int:
    return _fourier(x, dims, 2.5)


def _fourier_to_real(x: Shape, dims: Sequence[int], *rest: Any, out_shape: Shape, **_: Any) -> int:
    return _fourier(out_shape, dims, 2.5)


FORMULAS: dict[Any, Callable[..., int]] = {
    aten.mv: _mv,
    aten.addmv: _addmv,
    aten.dot: _dot,
    aten.vdot: _dot,
    aten.addr: _addr,
    aten.addbmm: _addbmm,
    aten._addmm_activation: _addbmm,
    aten._euclidean_dist: _euclidean_distances,
    aten.convolution_backward: _convolution_backward,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten.mkldnn_rnn_layer: _lstm_layer,
    aten.mkldnn_rnn_layer_backward: _lstm_layer_backward,
    aten._cudnn_rnn: _cudnn_rnn,
    aten._cudnn_rnn_backward: _cudnn_rnn_backward,
    aten._linalg_slogdet: _of_matrices(lu_flops),
    aten._linalg_det: _of_matrices(lu_flops),
    aten.linalg_lu: _of_matrices(lu_flops),
    aten.linalg_lu_factor_ex: _of_matrices(lu_flops),
    aten.linalg_inv_ex: _of_matrices(lambda m, n: lu_flops(m, n) + inverse_flops(n)),
    aten.linalg_cholesky_ex: _of_matrices(lambda m, n: cholesky_flops(n)),
    aten.cholesky_inverse: _of_matrices(lambda m, n: cholesky_inverse_flops(n)),
    aten.linalg_lu_solve: _lu_solve,
    aten._linalg_solve_ex: _solve,
    aten.linalg_solve_triangular: _solve_triangular,
    aten.triangular_solve: _old_solve_triangular,
    aten.cholesky_solve: _cholesky_solve,
    aten.linalg_qr: _qr,
    aten._fft_c2c: _fourier_complex,
    aten._fft_r2c: _fourier_of_real,
    aten._fft_c2r: _fourier_to_real,
}
"""Formula of an operator; they take precedence over torch's own (flops.py)."""
