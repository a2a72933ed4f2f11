"""What Winograd's algorithm serves, and its entries."""
import numpy as np

cimport numpy as cnp

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost
from fastconv._algorithms.winograd.cost cimport correlation_cost, gradient_cost
from fastconv._algorithms.winograd.forward cimport PreparedPass, workspace_bytes
from fastconv._algorithms.winograd.gradient import weight_gradient
from fastconv._algorithms.winograd.gradient cimport gradient_workspace_bytes
from fastconv._algorithms.winograd.gradient_layout cimport PassGradientLayout, gradient_layout
from fastconv._algorithms.winograd.layout cimport PassLayout, pass_layout, phase_length
from fastconv._algorithms.winograd.types cimport Layout
from fastconv._core.integers cimport ceil_div
from fastconv._core.machine cimport CostTerms, total
from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport FC_WINOGRAD_KERNEL

cnp.import_array()

cdef enum:
    MAX_STEP = 16     # longest stride or dilation of a transformed axis
    MAX_SECTIONS = 4  # of a kernel along an axis


def supports(ConvDesc desc, which):
    """None, or why not."""
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t length = phase_length(g), most = MAX_SECTIONS * FC_WINOGRAD_KERNEL
    cdef int a
    if g.channels == 0 or g.filters == 0:
        return "needs channels"
    if not 2 <= length <= most:
        return (f"needs a kernel that is 2 to {most} times as long as its stride along the last "
                f"two axes, or one of them; here it is {length} times")
    for a in range(1, AXES):
        if ceil_div(g.kernel[a], g.stride[a]) > 1:
            if g.stride[a] > 1 and g.dilation[a] > 1:
                return "needs a stride or a dilation of 1 along each axis"
            if max(g.stride[a], g.dilation[a]) > MAX_STEP:
                return f"needs strides and dilations of {MAX_STEP} at most"
    if g.output[1] * g.output[2] == 1 or g.input[1] * g.input[2] == 1:
        return "needs more than one pixel: the sums of a tile have nothing in common then"
    if which == BACKWARD_DATA and max(g.stride[0], g.stride[1], g.stride[2]) > 1:
        return "needs stride 1 in the gradient of the input"
    return None


def workspace(ConvDesc desc, which, int threads):
    cdef PassGradientLayout gradient
    cdef PassLayout kept
    if supports(desc, which) is not None:
        return 0
    if which == BACKWARD_WEIGHT:
        gradient = gradient_layout(desc)
        return gradient_workspace_bytes(&gradient.layout, threads)
    kept = pass_layout(desc, which)
    return workspace_bytes(&kept.layout, threads)


def cost(ConvDesc desc, which):
    """By the seconds that one image takes on one thread: docs/algorithms/choice.rst."""
    cdef PassGradientLayout gradient
    cdef PassLayout kept
    cdef CostTerms terms
    if which == BACKWARD_WEIGHT:
        gradient = gradient_layout(desc)
        terms = gradient_cost(&gradient.layout)
    else:
        kept = pass_layout(desc, which)
        terms = correlation_cost(&kept.layout, desc.planned)
    return Cost(**terms)


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Weights transformed for one pass of one layer; None where they are not finite.

    A call does without this look at them: the outputs tell.
    """
    cdef PreparedPass prepared
    if desc.planned:
        with np.errstate(all="ignore"):
            if not np.isfinite(weight.sum()):
                return None
    prepared = PreparedPass(pass_layout(desc, which), weight)
    if desc.planned:
        prepared.pack(threads)
    return prepared


ALGORITHM = Algorithm(
    name="winograd", passes=PASSES, tier="high",
    supports=supports, workspace=workspace, cost=cost, prepare=prepare,
    weight_gradient=weight_gradient,
)


def blocking(ConvDesc desc, which):
    """How one pass is blocked, for tests and for the curious."""
    cdef PassLayout kept = pass_layout(desc, which)
    cdef const Layout *layout = &kept.layout
    cdef CostTerms terms = correlation_cost(layout, desc.planned)
    return {"m": layout.m, "n": layout.n, "rows": layout.block.rows,
            "columns": layout.block.columns, "channel_blocks": layout.block.channel_blocks,
            "chunk": layout.chunk,
            "blocks": (layout.blocks[0], layout.blocks[1], layout.blocks[2]),
            "seconds": total(&terms), "window": layout.window.size, "v_tile": layout.v_tile}
