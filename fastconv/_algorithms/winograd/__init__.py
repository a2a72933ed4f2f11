"""Winograd: convolutions by fewer multiplications.

F(m, r) computes m neighbouring outputs of a kernel of length r from n = m + r - 1 inputs with n
multiplications in place of m r; on two axes, n^2 in place of (m r)^2. Input tiles and weights are
transformed, multiplied *at each frequency* (a position of the transformed tile), where the sum
over channels makes a matrix product, and transformed back.

    V[f] = B' d B        for every tile and channel
    M[f] = V[f] U[f]     (tiles x channels) times (channels x filters)
    y    = A' M A        for every tile and filter

A *stride* s splits kernel and input into s phases an axis: outputs are sums over the phases, of
correlations without stride whose kernels are s times shorter. A long kernel falls into *sections*
of r taps, each of which meets the input further on. Both are *parts* of the kernel, and parts join
the sum over channels. A *dilation* d splits outputs and inputs into d phases, each correlated
without dilation; a tile takes every d-th position. So d tiles lie inside each other, and make one
*span*.

A task takes a block of spans through all three steps, so that V and M stay in the cache; only
the transformed weights U stream by. Channels lie in the lanes of the transforms, so that a tile
is loaded and stored in whole vectors.

The last two axes are transformed, or one of them where the other's kernel is no longer than its
stride; kernels of any length along the other axes join the sum over channels. backward_data is
the same with reversed kernels. Values mix within a tile, so an image with a NaN, an infinity, or
numbers near overflow is refused (see _fallback.py).

The gradient of the weights is grad_weight[i] = sum over t of x[t + i] grad_output[t]: for a tile
of m outputs that is a correlation with r outputs whose kernel is the tile of grad_output, F(r, m),
with the same n points and the same transform of x. The sum over tiles and images is taken before
the transform back, so that it is a matrix product at each frequency, (channels x tiles) times
(tiles x filters).

- `types`: what the others share, above all `Layout`.
- `layout`: the size of tile and the block of spans of each pass, by the least estimated time.
- `cost`: that time, term by term.
- `weights`: U, from the weights of a layer.
- `tiles`: V, from a window of the input, for forward and gradient alike.
- `forward`: the forward pass and backward_data: the schedule of a call, and a task's three steps.
- `gradient_layout`, `gradient`: the gradient of the weights.
- `record`: what the algorithm serves, and its entries.

Sources: Winograd, "Arithmetic complexity of computations" (1980); Lavin and Gray, "Fast
algorithms for convolutional neural networks" (CVPR 2016); Barabasz et al., "Error analysis and
improving the accuracy of Winograd convolution for deep neural networks" (TOMS 2020); Zlateski,
Jia, Li and Durand, "The anatomy of efficient FFT and Winograd convolutions on modern CPUs"
(ICS 2019).
"""
from fastconv._algorithms.winograd.record import ALGORITHM

__all__ = ["ALGORITHM"]
