"""The classic networks, built from fastconv calls: LeNet-5 to ResNet-50 and MobileNet v1.

`zoo` describes the six networks in the vocabulary of `layers`, which knows every layer's shape,
costs and random weights. `run` computes them with fastconv, `peers` with PyTorch and ONNX, and
`report` writes down what the command ``python -m networks`` has measured.
"""
