"""Direct convolution: sums of products by our own register-blocked kernels, no im2col.

Every pass is the same computation with other names: a *correlation* of a source with packed
weights. In the forward pass the source is x. backward_data is a correlation of grad_output,
one for each phase of the stride: the input positions i with (i + padding) mod stride = r are
reached by the same subset of the kernel's taps, and read grad_output at unit step. So a strided
gradient multiplies no zeros. backward_weight is a correlation whose sum runs over pixels.

Two kernels serve (see _kernels/README.md): `igemm` holds output channels in the lanes and
broadcasts input scalars, `igemm_pixels` holds pixels in the lanes and broadcasts weights, for
layers with few output channels. Both read x through a table of offsets into a window. A third,
`conv_backward_weight`, serves gradients of weights that see few channels.

- `layout`: which kernel a pass of a layer takes, and its blocks of outputs, whose windows fit the
  cache. `phases`: the taps of every phase; those that would only read zeros are left out.
- `cost`: what all of it is estimated to take.
- `weights`: packed in the order in which kernels read them, beforehand or on the way.
- `schedule`: how one call's outputs are cut into tasks. `blocks`: which block of outputs a task is,
  and the runs of pixels that it is cut into. `correlation`: a block gathers its window, and `sums`
  has the kernels pass over it. `long_sums`: the last level of sums of sums.
- `gradient`: how the sums of a gradient of weights are cut, and its call. `gradient_tiles` computes
  them by `igemm`, `gradient_lags` by `conv_backward_weight`.
- `record`: what the layer that selects sees.

Sources: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
architectures" (SC 2018); Zhang et al., "High performance zero-memory overhead direct
convolutions" (ICML 2018); Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication" (TOMS 2008).
"""
from fastconv._algorithms.direct.record import ALGORITHM

__all__ = ["ALGORITHM"]
