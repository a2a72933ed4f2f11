"""Inner products: a kernel with one position, so that images are rows of a matrix.

With x as (images, values) and the weights as (filters, values), the forward pass is x weights', the
gradient of the data grad weights, and that of the weights grad' x: what oneDNN calls an inner
product and others a dense, linear or fully connected layer. A 1x1 kernel on one pixel is one, a
kernel as large as the image, and a larger one whose other taps meet padding alone. The transposed
convolution of one pixel is its gradient of the data.

Rows are read in place. Nothing is packed but the smaller factor of the gradients.

The gradient of the weights is such a product, too, of a kernel that has few positions: of the columns
that it meets there.

- `matrices`: which taps meet the image, and arrays as matrices.
- `positions`: columns of few positions, and their gradient.
- `products`: rows by rows, and sums of rows.
- `record`: the passes, and what the layer that selects sees.
"""
from fastconv._algorithms.inner_product.record import ALGORITHM

__all__ = ["ALGORITHM"]
