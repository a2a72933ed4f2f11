"""Inner products: a kernel with one position, so that images are rows of a matrix.

With x as (images, values) and the weights as (filters, values), the forward pass is x weights', the
gradient of the data grad weights, and that of the weights grad' x: what oneDNN calls an inner
product and others a dense, linear or fully connected layer. A 1x1 kernel on one pixel is one, a
kernel as large as the image, and a larger one whose other taps meet padding alone. The transposed
convolution of one pixel is its gradient of the data.

Rows are read in place. Nothing is packed but the smaller factor of the gradients.
"""
import numpy as np

cimport cython
cimport numpy as cnp
from libc.string cimport memcpy

from fastconv._core.blocks cimport CACHE_LINE, Arena, reserve
from fastconv._core.finite cimport all_finite
from fastconv._core.integers cimport ceil_div
from fastconv._core.machine cimport peak
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport (
    FC_BACKWARD_FILTERS, FC_SUM_BLOCK, fc_kernels, kernels_for,
)

from fastconv._algorithms.finish import finish
from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost

cnp.import_array()

cdef enum:
    IMAGES = 96          # whose sums, or factors, are kept at once
    CHUNK = 1 << 14      # values whose rows share the second-level cache
    COLUMNS = 1 << 11    # values of a task of the gradients
    ROWS = 192           # summed up before the next ones: their weights' pages are few
    MOST_CHANNELS = 16   # of any `igemm_pixels`
    MOST_VECTORS = 8

# Fitted by hand to one thread of a Zen 4 at 3.7 GHz. Parts of the peak:
cdef double DOT_RATE = 0.5
cdef double COMBINE_RATE = 0.4
# Seconds:
cdef double CALL_SECONDS = 1e-6  # one call is for all images, where others start anew for each
cdef double GROUP_SECONDS = 0.1e-6
cdef double WEIGHT_BYTE_SECONDS = 0.06e-9
cdef double IMAGE_BYTE_SECONDS = 0.1e-9


# ---- which taps meet the image ----

cdef struct Taps:
    Py_ssize_t first[AXES]    # of those that do
    Py_ssize_t count[AXES]
    Py_ssize_t place[AXES]    # where the first one reads
    Py_ssize_t values         # of a group: channels and taps
    bint all                  # there are no others
    bint whole                # they meet every element of the image, in its order


cdef bint find_taps(const conv_geometry *g, Taps *taps) noexcept:
    """Whether there is one position, whose taps and what they meet are blocks with steps."""
    cdef Py_ssize_t last, d
    cdef int a
    taps.values = g.channels // g.groups
    taps.all = taps.whole = True
    for a in range(AXES):
        if g.output[a] != 1:
            return False
        d = g.dilation[a]
        taps.first[a] = max(0, (g.before[a] + d - 1) // d)
        last = min(g.kernel[a] - 1, (g.input[a] - 1 + g.before[a]) // d)
        taps.count[a] = last - taps.first[a] + 1
        if g.input[a] - 1 + g.before[a] < 0 or taps.count[a] <= 0:
            return False
        taps.place[a] = taps.first[a] * d - g.before[a]
        taps.values *= taps.count[a]
        if taps.count[a] != g.kernel[a]:
            if g.padding_mode != PAD_ZEROS:
                return False
            taps.all = False
        if taps.count[a] != g.input[a]:
            taps.whole = False
    return taps.values > 0


def supports(ConvDesc desc, which):
    cdef Taps taps
    if not find_taps(&desc.g, &taps):
        return "needs a kernel with one position, which meets the image"
    return None


# ---- matrices ----

@cython.final
cdef class Matrices:
    """A description's arrays as matrices: images by values, filters by values."""

    cdef ConvDesc desc
    cdef Taps taps
    cdef Py_ssize_t groups, channels, filters, values   # of a group
    cdef tuple image_taps, weight_taps   # slices of the spatial axes

    def __cinit__(self, ConvDesc desc):
        cdef const conv_geometry *g = &desc.g
        cdef int rank = <int>g.rank, a
        find_taps(g, &self.taps)
        self.desc, self.groups = desc, g.groups
        self.channels, self.filters = g.channels // g.groups, g.filters // g.groups
        self.values = self.taps.values
        self.image_taps = tuple([
            slice(self.taps.place[a],
                  self.taps.place[a] + (self.taps.count[a] - 1) * g.dilation[a] + 1,
                  g.dilation[a])
            for a in range(AXES - rank, AXES)])
        self.weight_taps = tuple([slice(self.taps.first[a], self.taps.first[a] + self.taps.count[a])
                                  for a in range(AXES - rank, AXES)])

    cdef object met(self, images):
        """A view of what the taps meet."""
        if self.taps.whole:
            return images
        if self.desc.g.channels_last:
            return images[(slice(None), *self.image_taps)]
        return images[(slice(None), slice(None), *self.image_taps)]

    cdef cnp.ndarray rows(self, images):
        """(images, groups * values), C-contiguous: the array itself where it lies like that."""
        met = self.met(images)
        batch = images.shape[0]
        if self.desc.g.channels_last and self.groups > 1:
            met = met.reshape(batch, -1, self.groups, self.channels).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(met).reshape(batch, -1)

    cdef object unrolled(self, cnp.ndarray rows, images):
        """The same rows with the axes of `met(images)`."""
        shape = images.shape
        if self.desc.g.channels_last and self.groups > 1:
            rows = rows.reshape(shape[0], self.groups, -1, self.channels).transpose(0, 2, 1, 3)
        return rows.reshape(shape)

    cdef object weight_view(self, weight):
        """The weights that count, in the order of the images' values: a view."""
        if self.taps.all and not self.desc.g.flip and not self.desc.g.channels_last:
            return weight
        cdef int rank = <int>self.desc.g.rank
        if self.desc.g.flip:
            weight = weight[(..., *(slice(None, None, -1),) * rank)]
        weight = weight[(slice(None), slice(None), *self.weight_taps)]
        return np.moveaxis(weight, 1, -1) if self.desc.g.channels_last else weight

    cdef bint finite(self, cnp.ndarray array, int threads) except -1:
        """Whether taps that meet padding alone give zeros: not where numbers are infinite."""
        return self.taps.all or all_finite(array, threads)


# ---- the products ----

cdef struct Job:
    const fc_kernels *kernels
    Py_ssize_t itemsize, groups, rows, terms, values
    Py_ssize_t readable        # elements of a row of x, `values` or a vector
    # out[g][r][v] = sum over t of factor[g][t][r] * x[g][t][v]; forward, the sum is over v:
    # out[g][t][r] of x[g][t][v] and factor[g][r][v]
    const char *x
    const char *factor
    char *out
    Py_ssize_t x_group, x_row, factor_group, factor_row, out_group, out_row
    const Py_ssize_t *offset
    Py_ssize_t blocks          # of a group
    char *packed               # the factor (row block, term, row of the block)
    int kind, vectors, channels, width  # of `igemm_pixels`; elements of a row that it writes
    bint more
    char *scratch
    Py_ssize_t tile_bytes


cdef void dot_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    if job.itemsize == 4:
        dot_rows(job, task, <float *>(job.scratch + thread * job.tile_bytes))
    else:
        dot_rows(job, task, <double *>(job.scratch + thread * job.tile_bytes))


cdef void dot_rows(const Job *job, Py_ssize_t task, real_t *tiles) noexcept nogil:
    """Some filters of a group with all images: both are rows whose products are added up."""
    cdef const fc_kernels *kernels = job.kernels
    cdef Py_ssize_t group = task // job.blocks, first, n, chunk, value, size, whole, rest, image
    cdef Py_ssize_t block, images, t, line = FC_SUM_BLOCK * kernels.lanes
    cdef const real_t *w
    cdef const real_t *x
    cdef real_t *tile
    cdef real_t *out
    first = task % job.blocks * kernels.conv_backward_weight_taps
    n = min(<Py_ssize_t>kernels.conv_backward_weight_taps, job.rows - first)
    for chunk in range(ceil_div(job.values, CHUNK)):
        value = chunk * CHUNK
        size = min(<Py_ssize_t>CHUNK, job.values - value)
        whole = size // line
        rest = size - whole * line
        w = (<const real_t *>job.factor) + (
            group * job.factor_group + first * job.factor_row + value)
        for block in range(ceil_div(job.terms, FC_BACKWARD_FILTERS)):
            image = block * FC_BACKWARD_FILTERS
            images = min(<Py_ssize_t>FC_BACKWARD_FILTERS, job.terms - image)
            x = (<const real_t *>job.x) + group * job.x_group + image * job.x_row + value
            tile = tiles + image * kernels.conv_backward_weight_taps
            if whole:
                kernels.conv_backward_weight[images - 1][n - 1](
                    whole, line, job.offset, w, line, x, job.x_row, line, NULL, tile, chunk > 0)
            if rest:
                kernels.conv_backward_weight[images - 1][n - 1](
                    1, rest, job.offset, w + whole * line, rest, x + whole * line, job.x_row, rest,
                    NULL, tile, chunk > 0 or whole > 0)
    for image in range(job.terms):
        out = (<real_t *>job.out) + group * job.out_group + image * job.out_row + first
        images = image // FC_BACKWARD_FILTERS * FC_BACKWARD_FILTERS
        tile = tiles + images * kernels.conv_backward_weight_taps + (image - images) * n
        for t in range(n):
            out[t] = tile[t]


cdef void combine_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    if job.itemsize == 4:
        combine_rows(job, task, <float *>(job.scratch + thread * job.tile_bytes))
    else:
        combine_rows(job, task, <double *>(job.scratch + thread * job.tile_bytes))


cdef void combine_rows(const Job *job, Py_ssize_t task, real_t *tile) noexcept nogil:
    """Sums of rows of x, each by a number of its own, for some columns of a group."""
    cdef const fc_kernels *kernels = job.kernels
    cdef Py_ssize_t group = task // job.blocks, start = task % job.blocks * COLUMNS, stop, at
    cdef Py_ssize_t part, first, terms, skip, block, row, rows, r
    cdef Py_ssize_t row_blocks = ceil_div(job.rows, job.channels)
    cdef const real_t *x
    cdef const real_t *packed
    cdef real_t *out
    stop = min(job.values, start + COLUMNS)
    for part in range(ceil_div(job.terms, ROWS)):
        first = part * ROWS
        terms = min(<Py_ssize_t>ROWS, job.terms - first)
        at = start
        while at < stop:
            # the last vectors of a row reach back, not past its end
            skip = max(<Py_ssize_t>0, at + job.width - job.readable)
            x = (<const real_t *>job.x) + group * job.x_group + first * job.x_row + at - skip
            for block in range(row_blocks):
                row = block * job.channels
                rows = min(<Py_ssize_t>job.channels, job.rows - row)
                packed = (<const real_t *>job.packed) + (
                    ((group * row_blocks + block) * job.terms + first) * job.channels)
                kernels.igemm_pixels[job.kind][job.vectors](
                    terms, job.offset, x, packed, tile, NULL)
                out = (<real_t *>job.out) + group * job.out_group + row * job.out_row + at
                for r in range(rows):
                    add_row(kernels, tile + r * job.width + skip,
                            min(job.width - skip, stop - at), first > 0 or job.more,
                            out + r * job.out_row)
            at += job.width - skip


cdef inline void add_row(const fc_kernels *kernels, const real_t *row, Py_ssize_t n, bint more,
                         real_t *out) noexcept nogil:
    if more:
        kernels.add(n, row, out)
    else:
        memcpy(out, row, n * sizeof(real_t))


cdef void choose_kernel(Job *job) noexcept:
    """`igemm_pixels` for as many rows and values as there are."""
    cdef Py_ssize_t vectors = job.readable // job.kernels.lanes
    job.kind = 0 if job.rows == 1 else 1 if job.rows <= 4 else 2
    job.channels = 1 if job.kind == 0 else 4
    if job.kind == 2:
        job.channels = job.kernels.igemm_pixels_channels
    if job.kind:
        vectors = min(vectors, <Py_ssize_t>3)
        job.vectors = <int>vectors - 1
    else:
        job.vectors = 3 if vectors >= 8 else 2 if vectors >= 4 else 1 if vectors >= 2 else 0
        vectors = 1 << job.vectors
    job.width = <int>vectors * job.kernels.lanes


cdef void pack(const Job *job, real_t *packed, Py_ssize_t term_step, Py_ssize_t row_step) noexcept:
    """The factor as `igemm_pixels` wants it: a block of rows, all terms, then the next."""
    cdef const real_t *factor
    cdef Py_ssize_t group, block, row, t, r
    for group in range(job.groups):
        for block in range(ceil_div(job.rows, job.channels)):
            row = block * job.channels
            factor = (<const real_t *>job.factor) + group * job.factor_group + row * row_step
            for t in range(job.terms):
                for r in range(job.channels):
                    packed[r] = factor[t * term_step + r * row_step] if row + r < job.rows else 0
                packed += job.channels


cdef Scratch offsets(Py_ssize_t n, Py_ssize_t step):
    """0, step, 2 step, … as a loan."""
    cdef Scratch loan = acquire(n * sizeof(Py_ssize_t))
    cdef Py_ssize_t i
    for i in range(n):
        (<Py_ssize_t *>loan.data)[i] = i * step
    return loan


cdef Matrices matrices_of(ConvDesc desc):
    """The description keeps them."""
    cdef Matrices m = desc.kept.get("inner_product")
    if m is None:
        m = desc.kept["inner_product"] = Matrices(desc)
    return m


cdef Job make_job(Matrices m) noexcept:
    cdef Job job
    job.itemsize = m.desc.g.itemsize
    job.kernels = kernels_for(job.itemsize)
    job.groups, job.values = m.groups, m.values
    job.more = False
    return job


cdef int multiply(Matrices m, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray out,
                  int threads) except -1:
    """out = x weight', group by group; all are C-contiguous."""
    cdef Job job = make_job(m)
    cdef Scratch scratch, offset
    job.terms, job.rows = cnp.PyArray_DIM(x, 0), m.filters
    job.x, job.x_group, job.x_row = cnp.PyArray_BYTES(x), m.values, m.groups * m.values
    job.factor, job.factor_row = cnp.PyArray_BYTES(weight), m.values
    job.factor_group = m.filters * m.values
    job.out, job.out_group, job.out_row = cnp.PyArray_BYTES(out), m.filters, m.groups * m.filters
    job.blocks = ceil_div(m.filters, job.kernels.conv_backward_weight_taps)
    offset = offsets(job.kernels.conv_backward_weight_taps, job.factor_row)
    job.offset = <const Py_ssize_t *>offset.data
    job.tile_bytes = dot_bytes(&job)
    scratch = acquire(job.tile_bytes * threads)
    job.scratch = scratch.data
    return parallel_for(dot_task, &job, m.groups * job.blocks, threads,
                        2.0 * job.terms * m.groups * m.filters * m.values)


cdef Py_ssize_t dot_bytes(const Job *job) noexcept:
    """Sums of all images with a block of filters."""
    cdef Arena arena
    arena.size = 0
    reserve(&arena, (job.terms + FC_BACKWARD_FILTERS) * job.kernels.conv_backward_weight_taps
            * job.itemsize)
    return arena.size


cdef int combine(Job *job, cnp.ndarray x, cnp.ndarray factor, Py_ssize_t term_step,
                 Py_ssize_t row_step, int threads) except -1:
    """out[r] = the sum of factor[t, r] x[t] over t, group by group; or added to what out holds."""
    cdef Scratch scratch, offset
    cdef Py_ssize_t packed, lanes = job.kernels.lanes
    job.readable = max(job.values, lanes)
    if job.values < lanes:  # rows that are shorter than a vector are copied to whole ones
        x = whole_vectors(job, x, lanes)
    job.x = cnp.PyArray_BYTES(x)
    choose_kernel(job)
    packed = job.groups * ceil_div(job.rows, job.channels) * job.channels * job.terms
    job.tile_bytes = tile_bytes(job)
    scratch = acquire(packed * job.itemsize + CACHE_LINE + job.tile_bytes * threads)
    job.scratch = scratch.data
    job.packed = scratch.data + job.tile_bytes * threads
    job.factor = cnp.PyArray_BYTES(factor)
    if job.itemsize == 4:
        pack(job, <float *>job.packed, term_step, row_step)
    else:
        pack(job, <double *>job.packed, term_step, row_step)
    offset = offsets(min(job.terms, <Py_ssize_t>ROWS), job.x_row)
    job.offset = <const Py_ssize_t *>offset.data
    job.blocks = ceil_div(job.values, COLUMNS)
    return parallel_for(combine_task, job, job.groups * job.blocks, threads,
                        2.0 * job.groups * job.rows * job.terms * job.values)


cdef Py_ssize_t tile_bytes(const Job *job) noexcept:
    cdef Arena arena
    arena.size = 0
    reserve(&arena, MOST_CHANNELS * MOST_VECTORS * job.kernels.lanes * job.itemsize)
    return arena.size


cdef cnp.ndarray whole_vectors(Job *job, cnp.ndarray x, Py_ssize_t lanes):
    """Rows of a group of x as (groups, terms, lanes), and what a job must know of that."""
    padded = np.zeros((job.groups, job.terms, lanes), x.dtype)
    if job.x_group == job.values:   # groups side by side
        rows = x.reshape(job.terms, job.groups, job.values).swapaxes(0, 1)
    else:
        rows = x.reshape(job.groups, job.terms, job.values)
    padded[..., :job.values] = rows
    job.x_group, job.x_row = job.terms * lanes, lanes
    return padded


# ---- the passes ----

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
    cdef Matrices matrices = matrices_of(desc)
    cdef InnerProduct self = InnerProduct.__new__(InnerProduct)
    self.matrices, self.backward = matrices, which == BACKWARD_DATA
    if not self.backward and not matrices.finite(weight, threads):
        return None
    self.weight = np.ascontiguousarray(matrices.weight_view(weight))
    return self


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says."""
    cdef Matrices m = matrices_of(desc)
    cdef Py_ssize_t part, batch = cnp.PyArray_DIM(x, 0), step = 1 if per_sample else IMAGES
    if cnp.PyArray_SIZE(out) == 0:
        return None
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

def workspace(ConvDesc desc, which, int threads):
    """Sums or factors of some images, tiles, and what is copied to be rows."""
    cdef Matrices m = matrices_of(desc)
    cdef Job job = make_job(m)
    cdef Py_ssize_t copies = 0, rows = m.groups * m.values
    job.terms = IMAGES
    if not m.taps.whole or (desc.g.channels_last and m.groups > 1):
        copies += IMAGES * rows
    if not m.taps.all or desc.g.flip or desc.g.channels_last:
        copies += m.filters * rows
    return (copies * desc.g.itemsize + (dot_bytes(&job) + tile_bytes(&job)) * threads
            + (m.filters + MOST_CHANNELS) * m.groups * IMAGES * desc.g.itemsize + CACHE_LINE)


def cost(ConvDesc desc, which):
    cdef Matrices m = matrices_of(desc)
    cdef double values = (<double>m.groups) * m.values
    cdef double products = values * m.filters
    cdef double rate = COMBINE_RATE if which in (BACKWARD_DATA, BACKWARD_WEIGHT) else DOT_RATE
    return Cost(
        arithmetic=2 * products / (rate * peak(desc.g.itemsize)),
        traffic=desc.g.itemsize * (products * WEIGHT_BYTE_SECONDS + values * IMAGE_BYTE_SECONDS),
        start=CALL_SECONDS + m.groups * GROUP_SECONDS,
    )


ALGORITHM = Algorithm(
    name="inner_product", passes=PASSES, tier="highest", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, weight_gradient=weight_gradient,
)
