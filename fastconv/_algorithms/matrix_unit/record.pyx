"""What matrix units serve, and their entries."""
cimport numpy as cnp

from fastconv._algorithms.matrix_unit.cost cimport correlation_cost
from fastconv._algorithms.matrix_unit.forward cimport PreparedPass, workspace_bytes
from fastconv._algorithms.matrix_unit.layout cimport pass_layout
from fastconv._algorithms.matrix_unit.types cimport Layout, chunk_steps
from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport FC_BF16, FC_BF16X3

from fastconv._algorithms.record import BACKWARD_DATA, FORWARD, Algorithm, Cost

cnp.import_array()


cdef enum:
    # Errors of the parts are random, and keep below 1e-5 of the largest result if that is one of
    # many and a sum of many: the largest of 7,600 random layers was 0.84e-5. With half as many
    # products and an eighth of the results seven of 46,000 passed it, by up to a third.
    MIN_PRODUCTS = 128
    MIN_RESULTS = 2048
    # Pictures are of few: kernels that leave nothing of an even one would leave its errors.
    MIN_CHANNELS = 16


def supports(ConvDesc desc, which):
    """None, or why not."""
    cdef conv_geometry *g = &desc.g
    cdef bint backward = which == BACKWARD_DATA
    cdef const Py_ssize_t *read = &g.output[0] if backward else &g.input[0]
    cdef const Py_ssize_t *written = &g.input[0] if backward else &g.output[0]
    cdef double products = (g.filters if backward else g.channels) // g.groups
    cdef double results = g.channels if backward else g.filters
    cdef int a
    if g.itemsize != 4:
        return "is for float32"
    if products < MIN_CHANNELS:
        return f"needs {MIN_CHANNELS} channels in a group"
    for a in range(AXES):
        products *= min(g.kernel[a], read[a])  # not those with padding alone
        results *= written[a]
    if products < MIN_PRODUCTS:
        return f"needs sums of {MIN_PRODUCTS} products, whose errors even out"
    if results < MIN_RESULTS:
        return f"needs {MIN_RESULTS} results, of which some are no smaller than what was added up"
    if backward and max(g.stride[0], g.stride[1], g.stride[2]) > 1:
        return "needs stride 1 in the gradient of the input"
    return None


def algorithm(name, tier, int kind):
    """One way to make products of float32 of those of bfloat16."""

    def workspace(ConvDesc desc, which, int threads):
        if supports(desc, which) is not None:
            return 0
        return workspace_bytes(&pass_layout(desc, which, kind).layout, threads)

    def cost(ConvDesc desc, which):
        return Cost(**correlation_cost(&pass_layout(desc, which, kind).layout, desc.planned))

    def prepare(ConvDesc desc, which, weight, int threads=1):
        cdef PreparedPass prepared = PreparedPass(pass_layout(desc, which, kind), weight)
        if desc.planned and not prepared.pack(threads):
            return None
        return prepared

    return Algorithm(name=name, passes=(FORWARD, BACKWARD_DATA), tier=tier, supports=supports,
                     workspace=workspace, cost=cost, prepare=prepare, home="matrix_unit")


BF16X3 = algorithm("bf16x3", "high", FC_BF16X3)
BF16 = algorithm("bf16", "medium", FC_BF16)


def blocking(ConvDesc desc, which, int kind=FC_BF16X3):
    """How one pass is blocked, for tests and for the curious."""
    cdef const Layout *layout = &pass_layout(desc, which, kind).layout
    return {"blocks": (layout.blocks[0], layout.blocks[1], layout.blocks[2]),
            "block": (layout.axis[0].block, layout.axis[1].block, layout.axis[2].block),
            "tiles": layout.tiles, "flat": bool(layout.flat), "pitch": layout.pitch,
            "planes": bool(layout.planes),
            "folded": bool(layout.folded), "chunk": layout.chunk, "chunks": layout.chunks,
            "steps": chunk_steps(layout, 0), "window": layout.window.size}
