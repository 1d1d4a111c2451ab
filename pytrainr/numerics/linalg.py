"""Matrix products in R's order: sums start at 0 and add ``a[i, l] * b[l, j]`` for ``l`` ascending, each rounded."""

from __future__ import annotations

from pytrainr.numerics.jit import strict

__all__ = ["add_product", "add_transposed_product", "add_transposed_products", "product", "transpose"]


@strict
def product(out, a, b):
    """``out = a b``."""
    for i in range(a.shape[0]):
        out[i, :] = 0.0
        for l in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[i, j] += a[i, l] * b[l, j]


@strict
def add_product(out, a, b):
    """``out = out + (a b)``, the product summed from 0 and then added once."""
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = 0.0
            for l in range(a.shape[1]):
                total += a[i, l] * b[l, j]
            out[i, j] += total


@strict
def add_transposed_product(out, a, b):
    """``out = out + (aᵀ b)``, the product summed from 0 and then added once."""
    for i in range(a.shape[1]):
        for j in range(b.shape[1]):
            total = 0.0
            for l in range(a.shape[0]):
                total += a[l, i] * b[l, j]
            out[i, j] += total


@strict
def add_transposed_products(out, a, b):
    """``out = out + (a[t]ᵀ b[t])`` for the steps t of ``a`` (steps, n, K) and ``b`` (steps, n, M) from last to first."""
    for t in range(a.shape[0] - 1, -1, -1):
        add_transposed_product(out, a[t], b[t])


@strict
def transpose(out, a):
    """``out = aᵀ``."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[j, i] = a[i, j]
