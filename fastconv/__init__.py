"""CPU kernels for convolution and pooling on NumPy arrays."""
__version__ = "0.1.0"
