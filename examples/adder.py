"""R's own example: learn to add binary numbers from 5,000 sums, then add 2,000 fresh pairs. A second's work.

python examples/adder.py
"""

import numpy as np

from pytrainr import bin2int, int2bin, predictr, sample, set_seed, trainr


def pairs(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n pairs of numbers below 128: their binary digits (n, 8, 2), the digits of the sums (n, 8), the sums (n,)."""
    left = sample(128, n, replace=True) - 1
    right = sample(128, n, replace=True) - 1
    return np.stack([int2bin(left), int2bin(right)], axis=2), int2bin(left + right), left + right


set_seed(1)
X, Y, _ = pairs(5000)
model = trainr(Y, X, learningrate=1, hidden_dim=10, numepochs=5)

X, _, sums = pairs(2000)
print(f"{np.sum(bin2int(predictr(model, X)) == sums)} of {len(sums)} fresh sums right")
