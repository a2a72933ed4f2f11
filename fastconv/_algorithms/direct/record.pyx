"""What the registry knows of direct convolution."""
cimport numpy as cnp

from fastconv._algorithms.direct.correlation cimport Correlation
from fastconv._algorithms.direct.cost cimport correlation_cost
from fastconv._algorithms.direct.gradient cimport gradient_cost, gradient_workspace
from fastconv._algorithms.direct.layout cimport PassLayout, pass_layout
from fastconv._algorithms.direct.schedule cimport correlation_workspace
from fastconv._core.finite cimport all_finite
from fastconv._core.machine cimport CostTerms
from fastconv._desc.conv cimport ConvDesc

from fastconv._algorithms.direct.gradient import weight_gradient
from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost

cnp.import_array()


def supports(ConvDesc desc, which):
    """Direct serves everything."""
    return None


def workspace(ConvDesc desc, which, int threads):
    if which == BACKWARD_WEIGHT:
        return gradient_workspace(desc, threads)
    return correlation_workspace(&pass_layout(desc, which).layout, threads)


def cost(ConvDesc desc, which):
    """By the seconds that one image takes on one thread: docs/algorithms/choice.rst."""
    cdef CostTerms terms
    if which == BACKWARD_WEIGHT:
        terms = gradient_cost(desc)
    else:
        terms = correlation_cost(&pass_layout(desc, which).layout, desc.planned)
    return Cost(**terms)


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Weights packed for one pass of one layer."""
    cdef PassLayout owner = pass_layout(desc, which)
    cdef Correlation correlation
    cdef bint backward = which == BACKWARD_DATA
    if (backward or owner.layout.skips) and not all_finite(weight, threads):
        owner = PassLayout(desc, backward, backward, False)
    correlation = Correlation(owner, weight)
    if desc.planned:
        correlation.pack(threads)  # else when it is known how often they are read
    return correlation


ALGORITHM = Algorithm(
    name="direct", passes=PASSES, tier="highest",
    supports=supports, workspace=workspace, cost=cost, prepare=prepare,
    weight_gradient=weight_gradient, any_cut=True,
)
