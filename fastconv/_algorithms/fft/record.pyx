"""What the registry knows of FFT."""
import numpy as np

from fastconv._algorithms.fft.lattice cimport (
    LONGEST_TRANSFORM, Layout, layout_for, least_cost,
)
from fastconv._core.integers cimport gcd
from fastconv._core.machine cimport CostTerms
from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport ConvDesc, conv_geometry

from fastconv._algorithms.fft.correlation import Fft
from fastconv._algorithms.fft.gradient import weight_gradient
from fastconv._algorithms.record import BACKWARD_DATA, PASSES, Algorithm, Cost

cdef double MAX_SPECTRA = 1e12  # bytes
cdef double SMALL_WORK = 2e6    # operations that any algorithm does sooner than a transform


def supports(ConvDesc desc, which):
    cdef conv_geometry *g = &desc.g
    cdef Layout layout
    cdef Py_ssize_t most = 1, taps
    cdef int a
    if g.channels == 0 or g.filters == 0:
        return "has no channels to transform"
    for a in range(AXES):
        taps = (g.kernel[a] - 1) // (g.stride[a] // gcd(g.stride[a], g.dilation[a])) + 1
        most = max(most, taps)
    if most == 1:
        return "finds no two taps side by side: the kernel is of length one, or its stride as long"
    if most > LONGEST_TRANSFORM // 4:
        return f"transforms kernels of at most {LONGEST_TRANSFORM // 4} taps along an axis"
    if desc.flops() < SMALL_WORK:
        return None
    layout = layout_for(desc, which)
    if layout.n_freq * 16 * max(layout.out_planes, layout.in_planes, 1.0 * desc.g.filters
                                * layout.channels * layout.phases) > MAX_SPECTRA:
        return "would need spectra of more than a terabyte"
    return None


def workspace(ConvDesc desc, which, int threads):
    """Spectra of the weights, and for each thread the tiles of a piece."""
    if supports(desc, which) is not None:
        return 0
    return layout_for(desc, which).workspace(threads)


def cost(ConvDesc desc, which):
    """Of small layers, whose description may be made anew at every call, a bound will do."""
    cdef CostTerms terms
    if desc.flops() < SMALL_WORK:
        terms = least_cost(desc)
    else:
        terms = layout_for(desc, which).cost
    return Cost(**terms)


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Spectra of the weights; None where a weight cannot be transformed."""
    axes = tuple(range(weight.ndim))
    with np.errstate(all="ignore"):
        magnitude = np.abs(weight)
        # of all weights that meet in a result, in the forward pass and in its transpose
        total = float(magnitude.sum(axis=axes[1:], dtype=np.float64).max())
        if which == BACKWARD_DATA:
            total = float(magnitude.sum(axis=(0, *axes[2:]), dtype=np.float64).max())
    if not total <= np.finfo(desc.dtype).max / 4:
        return None
    fft = Fft(desc, which, weight, threads)
    fft.set_range(float(magnitude.max()), total)
    return fft


ALGORITHM = Algorithm(
    name="fft", passes=PASSES, tier="high", supports=supports, workspace=workspace, cost=cost,
    prepare=prepare, weight_gradient=weight_gradient, scratch_grows_with_image=True,
    openmp_threads=False, fails_midway=True,
)
