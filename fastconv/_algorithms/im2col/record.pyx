"""What the registry knows of im2col."""
from fastconv._algorithms.im2col.columns cimport Columns, columns_of
from fastconv._algorithms.im2col.products cimport Schedule, make_schedule
from fastconv._core.cost cimport peak
from fastconv._core.integers cimport ceil_div
from fastconv._desc.conv cimport ConvDesc

from fastconv._algorithms.im2col.products import Im2col, weight_gradient
from fastconv._algorithms.record import (
    BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost,
)

# The cost model (docs/algorithms/choice.rst): the part of the peak that products reach, and
# seconds for a call, for a tile of a group, for a call of BLAS, and for an element of the
# columns, gathered or added up, of the result, of the weights.
cdef double GEMM = 0.40
cdef double PER_CALL = 6e-6, PER_TILE = 1.5e-6, PER_PRODUCT = 0.1e-6
cdef double GATHERED = 0.15e-9, ADDED = 0.3e-9, STORED = 0.3e-9, PACKED = 0.3e-9

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


def cost(ConvDesc desc, which):
    cdef Columns columns = columns_of(desc, None)
    cdef Schedule schedule = make_schedule(desc, which, 1, False)
    cdef Py_ssize_t filters = desc.g.filters // desc.g.groups
    cdef double groups = desc.g.groups, elements = groups * columns.pixels * columns.rows
    # every block of a product is a call of BLAS (_core.blas)
    cdef double calls = (<double>ceil_div(filters, 32)) * ceil_div(schedule.tile, 64) * (
        ceil_div(columns.rows, 128))
    return Cost(
        arithmetic=2 * elements * filters / (GEMM * peak(desc.g.itemsize)),
        gather=elements * (ADDED if which == BACKWARD_DATA else GATHERED),
        transform=groups * filters * columns.rows * PACKED,
        traffic=(<double>desc.g.filters) * columns.pixels * STORED,
        start=PER_CALL + groups * schedule.tiles * (PER_TILE + calls * PER_PRODUCT),
    )


def prepare(ConvDesc desc, which, weight, int threads=1):
    return Im2col(desc, which, weight)


ALGORITHM = Algorithm(
    name="im2col", passes=PASSES, tier="highest", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, weight_gradient=weight_gradient,
)
