"""The record of the depthwise algorithm: what it serves, what it needs, how it is called."""
from fastconv._algorithms.depthwise.cost cimport by_planes
from fastconv._algorithms.depthwise.forward cimport pack
from fastconv._algorithms.depthwise.gradient cimport gradient_layout
from fastconv._algorithms.depthwise.layout cimport PLANES, PLANES_BACKWARD
from fastconv._algorithms.depthwise.make_layout cimport KeptLayout, get_layout
from fastconv._algorithms.depthwise.schedule cimport (
    partial_sums_bytes, plan_correlation, plan_gradient,
)
from fastconv._desc.conv cimport ConvDesc

from fastconv._algorithms.depthwise.cost import cost
from fastconv._algorithms.depthwise.gradient import weight_gradient
from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm

cdef enum:
    MAX_CHANNELS = 8  # that meet in a sum: more are worth a matrix product


def supports(ConvDesc desc, which):
    """It serves sums over few channels."""
    cdef Py_ssize_t channels = desc.g.channels // desc.g.groups
    if channels == 0 or desc.g.filters == 0:
        return "needs at least one channel and one filter"
    if channels > MAX_CHANNELS:
        return (f"is for at most {MAX_CHANNELS} input channels per group, "
                f"not {channels}")
    return None


def workspace(ConvDesc desc, which, int threads):
    """Scratch memory of threads, and packed weights or partial sums."""
    cdef KeptLayout kept
    if supports(desc, which) is not None:
        return 0
    if which == BACKWARD_WEIGHT:
        kept = gradient_layout(desc)
        return (plan_gradient(&kept.layout, 1, False, threads).scratch_bytes * threads
                + partial_sums_bytes(&kept.layout))
    kept = get_layout(desc, which == BACKWARD_DATA)
    return (plan_correlation(&kept.layout, 1, threads).scratch_bytes * threads
            + kept.layout.packed_size * desc.g.itemsize)


def variant(ConvDesc desc, which):
    """Whole planes in place, and small ones side by side, take another course than rows."""
    cdef KeptLayout kept = get_layout(desc, which == BACKWARD_DATA)
    if which == BACKWARD_WEIGHT:
        return "planes" if by_planes(&kept.layout) else ""
    if kept.layout.interleaves:
        return "interleaved"
    return "planes" if kept.layout.method in (PLANES, PLANES_BACKWARD) else ""


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Weights packed for one pass of one layer."""
    return pack(get_layout(desc, which == BACKWARD_DATA), weight, threads)


ALGORITHM = Algorithm(
    name="depthwise", passes=PASSES, tier="highest",
    supports=supports, workspace=workspace, cost=cost, prepare=prepare,
    weight_gradient=weight_gradient, any_cut=True, sums_by_axis=True,
    variant=variant,
)
