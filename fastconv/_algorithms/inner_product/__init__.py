"""Inner products: a kernel with one position, or few, so that images are rows of a matrix.

With x as (images, values) and the weights as (filters, values), the forward pass is x weights', the
gradient of the data grad weights, and that of the weights grad' x: what oneDNN calls an inner
product and others a dense, linear or fully connected layer. A 1x1 kernel on one pixel is one, a
kernel as large as the image, and a larger one whose other taps meet padding alone. The transposed
convolution of one pixel is its gradient of the data.

Rows are read in place. Nothing is packed but the smaller factor of the gradients.

A kernel with few positions is one, too, with the columns that it meets there as rows: then nothing
is packed, and results are few.

- `matrices`: which taps meet the image, and arrays as matrices.
- `positions`: columns of few positions, and all passes by them.
- `products`: rows by rows, and sums of rows.
- `record`: the passes, and what the layer that selects sees.
"""
from fastconv._algorithms.inner_product.record import ALGORITHM

__all__ = ["ALGORITHM"]
