"""What the registry knows of im2col."""
from fastconv._algorithms.im2col.columns cimport Columns, columns_of
from fastconv._algorithms.im2col.products cimport Schedule, make_schedule
from fastconv._desc.conv cimport ConvDesc

from fastconv._algorithms.im2col.cost import cost
from fastconv._algorithms.im2col.products import Im2col, weight_gradient
from fastconv._algorithms.record import BACKWARD_WEIGHT, PASSES, Algorithm

cdef enum:
    MAX_BATCH = 1 << 20  # images for which `workspace` holds


def supports(ConvDesc desc, which):
    """BLAS counts in 32 bits what we do not cut: leading dimensions."""
    cdef Columns columns = columns_of(desc, None)
    if max(columns.rows, columns.pixels, desc.g.filters) >= 1 << 31:
        return "needs a matrix with rows longer than 2^31 - 1, which BLAS cannot address"
    return None


def workspace(ConvDesc desc, which, int threads):
    cdef Schedule schedule = make_schedule(desc, which, MAX_BATCH, False)
    cdef Columns columns = columns_of(desc, None)
    needed = schedule.scratch_bytes * threads
    if which == BACKWARD_WEIGHT:  # and the parts of the batch that are added up at the end
        needed += schedule.parts * desc.g.filters * columns.rows * desc.g.itemsize
    return needed


def prepare(ConvDesc desc, which, weight, int threads=1):
    return Im2col(desc, which, weight)


ALGORITHM = Algorithm(
    name="im2col", passes=PASSES, tier="highest", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, weight_gradient=weight_gradient,
)
