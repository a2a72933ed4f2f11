"""The classic networks, built from fastconv calls: LeNet-5 to ResNet-50, MobileNet v1 and v2.

`zoo` describes the networks in the vocabulary of `layers`, which knows every layer's shape,
costs and random weights. `run` computes them with fastconv, `peers` with PyTorch and ONNX,
`compare` holds the clock, and `report` writes down what the command ``python -m networks`` has
measured.
"""

import os

# After a product of matrices the threads of NumPy's OpenBLAS look out for the next one for many
# milliseconds, and take a core from the convolutions that follow. With this they sleep at once; it
# counts only where it is set before NumPy is loaded.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
