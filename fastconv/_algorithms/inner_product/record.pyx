"""The passes, and what the registry knows of them."""
import numpy as np

cimport cython
cimport numpy as cnp

from fastconv._algorithms.inner_product.matrices cimport (
    Matrices, Taps, find_taps, matrices_of,
)
from fastconv._algorithms.inner_product.positions cimport (
    CHANNELS, MOST_POSITIONS, FewPositions, columns_size, images_at_once, met_bytes, positions,
    sum_positions,
)
from fastconv._algorithms.inner_product.products cimport (
    MOST_CHANNELS, Job, combine, dot_bytes, make_job, multiply, new_job, tile_bytes,
)
from fastconv._core.blocks cimport CACHE_LINE
from fastconv._core.integers cimport ceil_div
from fastconv._core.machine cimport peak
from fastconv._desc.conv cimport ConvDesc, conv_geometry

from fastconv._algorithms.finish import finish
from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost

cnp.import_array()

cdef enum:
    IMAGES = 96  # whose sums, or factors, are kept at once

# Fitted by hand to one thread of a Zen 4 at 3.7 GHz. Parts of the peak:
cdef double DOT_RATE = 0.5
cdef double COMBINE_RATE = 0.4
cdef double SUM_RATE = 0.7
# Seconds:
cdef double CALL_SECONDS = 2.5e-6       # one call is for all images; others start anew for each
cdef double COLUMNS_CALL_SECONDS = 5e-6  # one that gathers columns of few positions
cdef double COPIED_SECONDS = 2e-9       # a weight that does not lie in a row of its own
cdef double GROUP_SECONDS = 0.1e-6
cdef double WEIGHT_BYTE_SECONDS = 0.06e-9
cdef double IMAGE_BYTE_SECONDS = 0.1e-9
# Elements of the columns of few positions, and of results or gradients that are turned:
cdef double COLUMN_SECONDS = 1.0e-9
cdef double TURNED_SECONDS = 2.0e-9


@cython.final
cdef class InnerProduct:
    """One pass of one layer, with its weights as a matrix."""

    cdef Matrices matrices
    cdef cnp.ndarray weight
    cdef bint backward

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says."""
        cdef Py_ssize_t part, batch = cnp.PyArray_DIM(source, 0)
        if cnp.PyArray_SIZE(out) == 0:
            return
        if batch <= IMAGES:
            self.run_some(source, out, threads)
        else:
            for part in range(ceil_div(batch, IMAGES)):
                images = slice(part * IMAGES, (part + 1) * IMAGES)
                self.run_some(source[images], out[images], threads)
        if not self.backward:
            finish(self.matrices.desc, out, bias, residual)

    cdef int run_some(self, cnp.ndarray source, cnp.ndarray out, int threads) except -1:
        """No more than IMAGES."""
        if self.backward:
            return self.backward_data(source, out, threads)
        return multiply(self.matrices, self.matrices.rows(source), self.weight, out, threads)

    cdef int backward_data(self, cnp.ndarray grad, cnp.ndarray out, int threads) except -1:
        cdef Matrices m = self.matrices
        cdef Job job = make_job(m)
        cdef Py_ssize_t batch = cnp.PyArray_DIM(grad, 0)
        cdef cnp.ndarray rows = out
        met = m.met(out)
        cdef bint direct = m.taps.whole and not (m.desc.g.channels_last and m.groups > 1)
        if not direct:
            rows = np.empty((batch, m.groups * m.values), out.dtype)
        grad = np.ascontiguousarray(grad)
        job.rows, job.terms = batch, m.filters
        job.x_group, job.x_row = m.filters * m.values, m.values
        job.factor_group = m.filters
        job.out, job.out_group = cnp.PyArray_BYTES(rows), m.values
        job.out_row = m.groups * m.values
        combine(&job, self.weight, grad, 1, m.groups * m.filters, threads)
        if not direct:
            if not m.taps.whole:
                out[...] = 0
            met[...] = m.unrolled(rows, met)
        return 0


def prepare(ConvDesc desc, which, cnp.ndarray weight, int threads=1):
    cdef Matrices matrices
    cdef InnerProduct self
    cdef FewPositions few
    cdef Taps taps
    if not find_taps(&desc.g, &taps):
        few = FewPositions.__new__(FewPositions)
        few.desc, few.backward = desc, which == BACKWARD_DATA
        few.weight = np.ascontiguousarray(weight)
        return few
    matrices = matrices_of(desc)
    self = InnerProduct.__new__(InnerProduct)
    self.matrices, self.backward = matrices, which == BACKWARD_DATA
    if not self.backward and not matrices.finite(weight, threads):
        return None
    self.weight = np.ascontiguousarray(matrices.weight_view(weight))
    return self


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says."""
    cdef Matrices m
    cdef Py_ssize_t part, batch = cnp.PyArray_DIM(x, 0), step = 1 if per_sample else IMAGES
    cdef Taps taps
    if cnp.PyArray_SIZE(out) == 0:
        return None
    if not find_taps(&desc.g, &taps):
        if batch == 0:
            out[...] = 0
        else:
            sum_positions(desc, grad, x, out, per_sample, threads)
        return None
    m = matrices_of(desc)
    grad = np.ascontiguousarray(grad)
    if not m.finite(grad, threads):
        return list(range(batch))
    if not m.taps.all or batch == 0:
        out[...] = 0
    for part in range(ceil_div(batch, step)):
        images = slice(part * step, (part + 1) * step)
        target = out[part] if per_sample else out
        add_products(m, grad[images], m.rows(x[images]), m.weight_view(target),
                     part > 0 and not per_sample, threads)
    return None


cdef int add_products(Matrices m, cnp.ndarray grad, cnp.ndarray x, view, bint more,
                      int threads) except -1:
    """view = grad' x, or added to it."""
    cdef Job job = make_job(m)
    cdef cnp.ndarray rows = view if view.flags.c_contiguous else np.empty(view.shape, x.dtype)
    cdef bint apart = not view.flags.c_contiguous
    job.rows, job.terms = m.filters, cnp.PyArray_DIM(x, 0)
    job.x_group, job.x_row = m.values, m.groups * m.values
    job.factor_group = m.filters
    job.out, job.out_group = cnp.PyArray_BYTES(rows), m.filters * m.values
    job.out_row = m.values
    job.more = more and not apart
    combine(&job, x, grad, m.groups * m.filters, 1, threads)
    if apart and more:
        view += rows
    elif apart:
        view[...] = rows
    return 0


# ---- what the registry knows ----

def supports(ConvDesc desc, which):
    cdef Taps taps
    if find_taps(&desc.g, &taps):
        return None
    if not 1 <= positions(&desc.g) <= MOST_POSITIONS or not desc.g.channels or not desc.g.filters:
        return f"needs a kernel with 1 to {<int>MOST_POSITIONS} positions"
    return None


cdef bint copies_weights(Matrices m) noexcept:
    """Whether the weights that count are no matrix as they lie."""
    return not m.taps.all or m.desc.g.flip or m.desc.g.channels_last


def workspace(ConvDesc desc, which, int threads):
    """Sums or factors of some images, tiles, and what is copied to be rows."""
    cdef Matrices m
    cdef Job job
    cdef Taps taps
    cdef Py_ssize_t copies = 0, rows
    if not find_taps(&desc.g, &taps):
        return positions_workspace(desc, threads)
    m = matrices_of(desc)
    job, rows = make_job(m), m.groups * m.values
    job.terms = IMAGES
    if not m.taps.whole or (desc.g.channels_last and m.groups > 1):
        copies += IMAGES * rows
    if copies_weights(m):
        copies += m.filters * rows
    return (copies * desc.g.itemsize + (dot_bytes(&job) + tile_bytes(&job)) * threads
            + (m.filters + MOST_CHANNELS) * m.groups * IMAGES * desc.g.itemsize + CACHE_LINE)


cdef Py_ssize_t positions_workspace(ConvDesc desc, int threads) except -1:
    """Columns and results of some images, the latter as rows and packed, and tiles."""
    cdef Job job = new_job(desc.g.itemsize, desc.g.groups)
    cdef Py_ssize_t columns = columns_size(&desc.g)
    cdef Py_ssize_t filters = 2 * desc.g.filters + MOST_CHANNELS * desc.g.groups, weights = 0
    job.terms = images_at_once(&desc.g) * positions(&desc.g)
    if columns < desc.g.groups * job.kernels.lanes:  # short rows are copied to whole vectors
        columns += desc.g.groups * job.kernels.lanes
        weights = desc.g.filters * job.kernels.lanes
    return (job.terms * ((columns + filters) * desc.g.itemsize + <Py_ssize_t>sizeof(Py_ssize_t))
            + (weights + desc.g.filters) * desc.g.itemsize + desc.g.filters * sizeof(Py_ssize_t)
            + (tile_bytes(&job) + dot_bytes(&job)) * threads + 4 * CACHE_LINE
            + met_bytes(&desc.g) * min(<Py_ssize_t>threads, images_at_once(&desc.g) * ceil_div(
                desc.g.channels, CHANNELS)))


def cost(ConvDesc desc, which):
    """One image, whose columns are gathered or added up where there are several positions."""
    cdef const conv_geometry *g = &desc.g
    cdef Taps taps
    cdef bint few = not find_taps(g, &taps), copies = False
    cdef double values = columns_size(g), n = positions(g), products, rate = DOT_RATE
    cdef double start = (COLUMNS_CALL_SECONDS if few else CALL_SECONDS) + g.groups * GROUP_SECONDS
    if not few:
        values = (<double>g.groups) * taps.values
        copies = copies_weights(matrices_of(desc)) and (
            which == BACKWARD_WEIGHT or not desc.planned)
    products = values * (g.filters // g.groups)
    if which == BACKWARD_WEIGHT:
        rate = SUM_RATE
    elif which == BACKWARD_DATA:
        rate = SUM_RATE if few else COMBINE_RATE
    return Cost(
        arithmetic=2 * products * n / (rate * peak(g.itemsize)),
        gather=(n * values * COLUMN_SECONDS + n * g.filters * TURNED_SECONDS) * few,
        transform=products * COPIED_SECONDS if copies else 0,
        traffic=g.itemsize * (products * WEIGHT_BYTE_SECONDS + values * IMAGE_BYTE_SECONDS),
        start=start,
    )


def variant(ConvDesc desc, which):
    """Several positions have their columns gathered; one is read where it lies."""
    cdef Taps taps
    return "" if find_taps(&desc.g, &taps) else "columns"


ALGORITHM = Algorithm(
    name="inner_product", passes=PASSES, tier="highest", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, weight_gradient=weight_gradient, variant=variant,
)
