"""The binary adder of the lecture as a C program: trained here, compiled by the C compiler, fed with CSV.

python examples/adder_in_c.py
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from pytrainr import bin2int, int2bin, predictr, sample, set_seed, trainr

set_seed(1)
a, b = sample(128, 5000, replace=True) - 1, sample(128, 5000, replace=True) - 1
model = trainr(int2bin(a + b), np.stack([int2bin(a), int2bin(b)], axis=2), learningrate=1, hidden_dim=10, numepochs=5)

with tempfile.TemporaryDirectory() as folder:
    source, program = Path(folder, "adder.c"), Path(folder, "adder")
    model.to_c(source)
    compile_it = ["cc", "-std=c99", "-O2", "-ffp-contract=off", "-DPYTRAINR_MAIN", source, "-lm", "-o", program]
    subprocess.run(compile_it, check=True)

    X = np.stack([int2bin(np.array([91, 5])), int2bin(np.array([33, 120]))], axis=2)  # 91 + 33, 5 + 120
    rows = "\n\n".join("\n".join(f"{x[0]},{x[1]}" for x in sequence) for sequence in X)  # a line for each bit
    printed = subprocess.run([program], input=rows, capture_output=True, text=True, check=True).stdout

bits = np.array([[float(line) for line in sequence.split()] for sequence in printed.strip().split("\n\n")])
print(f"91 + 33 = {bin2int(bits)[0]}, 5 + 120 = {bin2int(bits)[1]}")
print("the bits of predictr:", np.array_equal(bits, predictr(model, X)))
