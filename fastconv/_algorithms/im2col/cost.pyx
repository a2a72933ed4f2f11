"""The estimated time of one image on one thread, term by term: docs/algorithms/choice.rst."""
from fastconv._algorithms.im2col.columns cimport SHORT_ROW, Columns, columns_of
from fastconv._algorithms.im2col.products cimport Schedule, make_schedule
from fastconv._core.integers cimport ceil_div
from fastconv._core.machine cimport peak
from fastconv._desc.conv cimport ConvDesc

from fastconv._algorithms.record import BACKWARD_DATA, Cost

cdef double PRODUCT_RATE = 0.40            # the part of the peak that products reach
# Seconds:
cdef double CALL_SECONDS = 3e-6
cdef double TILE_SECONDS = 1.0e-6          # of a group
cdef double BLAS_CALL_SECONDS = 0.05e-6
cdef double GATHERED_SECONDS = 0.3e-9      # an element of the columns
cdef double ADDED_SECONDS = 0.4e-9         # one that is added up, in the gradient of the data
cdef double RUN_SECONDS = 20e-9            # a run of such elements: a row of outputs, for each tap
cdef double PLACE_SECONDS = 0.4e-9         # an element of a short one, that is found by a list
cdef double ADDED_PLACE_SECONDS = 0.6e-9   # or added up,
cdef double LISTED_SECONDS = 3e-9          # and what all channels of a group have in the list
cdef double STORED_SECONDS = 0.3e-9        # an element of the result
cdef double PACKED_SECONDS = 0.3e-9        # an element of the weights


def cost(ConvDesc desc, which):
    cdef Columns columns = columns_of(desc, None)
    cdef Schedule schedule = make_schedule(desc, which, 1, False)
    cdef Py_ssize_t filters = desc.g.filters // desc.g.groups
    cdef double groups = desc.g.groups, elements = groups * columns.pixels * columns.rows
    return Cost(
        arithmetic=2 * elements * filters / (PRODUCT_RATE * peak(desc.g.itemsize)),
        gather=gather_seconds(&columns, elements, desc.g.output[2], which == BACKWARD_DATA),
        transform=groups * filters * columns.rows * PACKED_SECONDS,
        traffic=(<double>desc.g.filters) * columns.pixels * STORED_SECONDS,
        start=CALL_SECONDS + groups * schedule.tiles * (
            TILE_SECONDS + blas_calls(&columns, &schedule, filters) * BLAS_CALL_SECONDS),
    )


cdef double gather_seconds(const Columns *columns, double elements, Py_ssize_t run,
                           bint adds) noexcept:
    """Columns, gathered from the image or added up in it, in runs of so many elements."""
    if run <= SHORT_ROW and columns.channels > 1:
        return elements * ((ADDED_PLACE_SECONDS if adds else PLACE_SECONDS)
                           + LISTED_SECONDS / columns.channels)
    return elements * ((ADDED_SECONDS if adds else GATHERED_SECONDS)
                       + RUN_SECONDS / max(run, 1))


cdef double blas_calls(const Columns *columns, const Schedule *schedule,
                       Py_ssize_t filters) noexcept:
    """Of a tile: every block of a product is one (_core.blas)."""
    return (<double>ceil_div(filters, 32)) * ceil_div(schedule.tile, 128) * (
        ceil_div(columns.rows, 64))
