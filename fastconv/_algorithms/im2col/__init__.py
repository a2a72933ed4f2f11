"""im2col: convolution as matrix products, a tile of pixels at a time, by SciPy's BLAS.

The *columns* of a tile of output pixels, one row for each (channel, kernel position), are gathered
into scratch memory that does not grow with the image (`columns`); the product with the weights is
a GEMM of `_core.blas` (`products`). The gradients are the two other products of the same matrices:
backward_data multiplies by the transposed weights and adds columns back to their places (col2im),
backward_weight multiplies grad_output by the transposed columns. `cost` estimates the time, and
`record` tells the layers above.

Sources: Chellapilla, Puri and Simard, "High performance convolutional neural networks for
document processing" (2006); Cho and Brand, "MEC: memory-efficient convolution" (ICML 2017).
"""
from fastconv._algorithms.im2col.record import ALGORITHM

__all__ = ["ALGORITHM"]
