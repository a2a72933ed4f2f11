from fastconv._algorithms.direct.schedule cimport Schedule
from fastconv._algorithms.direct.types cimport Layout, Phase, PixelRun
from fastconv._algorithms.direct.weights cimport Weights
from fastconv._core.output cimport Output
from fastconv._core.padding cimport AXES
from fastconv._core.strided cimport Strided5

# What the tasks of one call read.
cdef struct Job:
    const Layout *layout
    const Phase *phase
    const Schedule *schedule     # of this phase
    Py_ssize_t batch
    Strided5 source
    Output output
    const char *packed           # weights; or NULL:
    const Weights *weights       # they are packed on the way
    const Py_ssize_t *in_place   # each channel's offset, where the source is read where it is
    char *scratch

# The block of outputs of one task, and how it is cut.
cdef struct BlockRef:
    Py_ssize_t first[AXES]       # its outputs on each axis
    Py_ssize_t count[AXES]
    Py_ssize_t image, images
    Py_ssize_t first_group, end_group
    Py_ssize_t first_channels, end_channels  # blocks of output channels of each group
    bint flat                    # runs are cut from one line of all rows,
    Py_ssize_t pitch             # one every so many pixels; else from each row
    Py_ssize_t line              # pixels of such a line
    bint fuses                   # sums go from `igemm_pixels` straight to the result
    const Py_ssize_t *offset     # of the taps; in the window, or in the source:
    Py_ssize_t image_step, pixel_step
    PixelRun *runs
    Py_ssize_t n_runs
    Py_ssize_t runs_per_pass     # that all output channels meet before the next ones
    char *scratch


cdef bint find_block(const Job *job, Py_ssize_t task, char *scratch,
                     BlockRef *block) noexcept nogil
cdef void cut_into_runs(const Job *job, BlockRef *block) noexcept nogil
