"""Calibrate: from what a model says that an algorithm does to what that takes.

A model's terms are estimated from the layer and the way it is blocked, and so are right where they
are large. What every call, channel, row and weight costs besides was never the same for all passes
and layouts, and is measured: `bench/fit.py` times random layers and writes `calibration_avx2`,
`calibration_avx512` where vectors have 64 bytes, or `calibration_avx512_halves` where the processor
takes such vectors in two halves: for each algorithm, pass and layout the seconds that some plain
counts take, and the factors of the model's terms. Counts of no weight are left out there.

What is left, that a few filters do not fill vectors where rows are short as well, say, is no sum of
counts. So the estimate is corrected: the logarithm of what it misses by is a polynomial of second
degree in logarithms of what the layer looks like, found by the same program.
"""
from libc.math cimport exp, log

from fastconv._core.integers cimport round_up
from fastconv._core.scratch cimport CACHE
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport kernels, kernels_for

from fastconv._algorithms.record import Algorithm, Cost
from fastconv._kernels.dispatch import halves_vectors

# What is counted, and which term of the cost it belongs to. The factors of a model's own terms
# follow; of arithmetic also with the lanes that filters of a group, or a row's pixels, leave empty.
COUNTS = {
    "call": "start", "unplanned": "start", "channels": "start", "filters": "start",
    "groups": "start", "taps": "start",
    "input_rows": "gather", "output_rows": "traffic", "lines": "arithmetic",
    "plane_taps": "arithmetic",
    "weights": "transform", "input": "gather", "strided_input": "gather", "output": "traffic",
    "far_weights": "transform", "bare_weights": "transform", "far_input": "gather",
    "far_output": "traffic",
    "arithmetic": "arithmetic", "filled_filters": "arithmetic", "filled_rows": "arithmetic",
    "gather": "gather", "transform": "transform", "traffic": "traffic", "start": "start",
}

# What corrections depend on: logarithms of lengths, counts, shares of the cost, and of its seconds.
FEATURES = (
    "row_stride", "other_strides", "dilation", "row_taps", "other_taps", "row_outputs",
    "other_outputs", "channels", "filters", "filled_channels", "filled_filters", "groups",
    "itemsize", "planned",
    *(f"{term} share" for term in Cost._fields), "seconds",
)  # fmt: skip

cdef enum:
    KINDS = 25       # of counts
    TERMS = 5        # of a cost
    SHAPES = 14      # features that do not depend on prices
    KNOWN = 20       # features
    PRODUCTS = 231   # of two features, or one, or none
    FLOAT_BYTES = 4  # elements are counted as so many of this size
    FEW_PIXELS = 56  # of outputs, whose products take less time than weights from far to come

LEAST_SHARE = 0.01      # of a cost, as a feature
LEAST_SECONDS = 1e-9
MOST_CORRECTED = 0.693  # of a logarithm: twice
WEIGHT_UNIT = 1e-3      # of weights in tables


cdef class Prices:
    """What each count of one algorithm, pass and layout takes, and how the sum is corrected."""
    cdef double price[KINDS]
    cdef bint corrected
    cdef double low[KNOWN]    # of each feature: beyond, corrections stay as they are
    cdef double high[KNOWN]
    cdef double weight[PRODUCTS]


cdef int[KINDS] TERM_OF  # of each count


cdef fill_terms():
    for i, term in enumerate(COUNTS.values()):
        TERM_OF[<int>i] = Cost._fields.index(term)


fill_terms()


cdef Prices as_prices(dict constants, tuple correction):
    cdef Prices prices = Prices()
    cdef int i
    for i, name in enumerate(COUNTS):
        prices.price[i] = constants.get(name, 0.0)
    prices.corrected = correction is not None
    if prices.corrected:
        low, high, weights = correction
        for i in range(KNOWN):
            prices.low[i], prices.high[i] = low[i], high[i]
        for i in range(PRODUCTS):
            prices.weight[i] = WEIGHT_UNIT * weights[i]
    return prices


cdef dict PRICES = None  # of the level in use, once it is known


def tables():
    """Those for the level in use, and for the width of the units that its vectors go through.

    What is too rare for that of halves has the prices of whole vectors. They are long: no other is
    loaded.
    """
    if kernels().vector_bytes != 64:
        from fastconv._call import calibration_avx2
        return (calibration_avx2,)
    from fastconv._call import calibration_avx512
    if not halves_vectors():
        return (calibration_avx512,)
    from fastconv._call import calibration_avx512_halves
    return calibration_avx512, calibration_avx512_halves


def constants():
    """The prices in use."""
    return {key: prices for table in tables() for key, prices in table.CONSTANTS.items()}


def corrections():
    """The corrections in use: those of a table belong to its prices, and to its vectors."""
    *_, last = tables()
    return last.CORRECTIONS if kernels().vector_bytes >= 32 else {}


cdef dict prices_here():
    global PRICES
    if PRICES is None:
        corrected = corrections()
        PRICES = {key: as_prices(prices, corrected.get(key))
                  for key, prices in constants().items()}
    return PRICES


cdef int set_counts(ConvDesc desc, model, double *count) except -1:
    """What there is of one image, in the order of `COUNTS`.

    `lines` are rows of outputs, once for each row of a kernel's taps and channel that they meet;
    `plane_taps` are planes, for each of a kernel's. An input is `strided_input` where neighbours in
    a row are read apart; what is larger than the second-level cache is `far_` once more, and such
    weights are `bare_` where there are too few pixels of outputs to hide behind.
    """
    cdef const conv_geometry *g = &desc.g
    cdef Py_ssize_t vector = kernels_for(g.itemsize).lanes, row = max(g.output[2], 1)
    cdef Py_ssize_t filters = max(g.filters // g.groups, 1)
    cdef double channels = g.channels // g.groups, size = g.itemsize / <double>FLOAT_BYTES
    cdef double in_rows = (<double>g.input[0]) * g.input[1] * g.channels
    cdef double out_rows = (<double>g.output[0]) * g.output[1] * g.filters
    cdef double pixels = (<double>g.output[0]) * g.output[1] * g.output[2]
    cdef double taps = (<double>g.kernel[0]) * g.kernel[1] * g.kernel[2]
    cdef double arithmetic = model[0], weights = g.filters * channels * taps
    cdef double inputs = in_rows * g.input[2] * size, outputs = out_rows * g.output[2] * size
    count[0], count[1] = 1, not desc.planned
    count[2], count[3], count[4], count[5] = g.channels, g.filters, g.groups, taps
    count[6], count[7], count[8] = in_rows, out_rows, out_rows * taps * channels
    count[9] = (<double>g.output[0]) * g.filters * g.kernel[0]
    count[10] = 0 if desc.planned else weights  # a plan has them packed
    count[11], count[12], count[13] = inputs, inputs if g.stride[2] > 1 else 0, outputs
    count[14], count[15] = far(weights * size), 0
    if pixels < FEW_PIXELS:
        count[15] = count[14] * (FEW_PIXELS - pixels) / FEW_PIXELS
    count[16], count[17] = far(inputs), far(outputs)
    count[18] = arithmetic
    count[19] = arithmetic * round_up(filters, vector) / filters
    count[20] = arithmetic * round_up(row, vector) / row
    count[21], count[22], count[23], count[24] = model[1], model[2], model[3], model[4]
    return 0


cdef inline double far(double elements) noexcept:
    """Elements that come from beyond the second-level cache."""
    return elements if elements * FLOAT_BYTES > CACHE else 0.0


def counts(ConvDesc desc, model):
    """The counts of a description and a model's cost of it, in the order of `COUNTS`."""
    cdef double count[KINDS]
    cdef int kind
    set_counts(desc, model, count)
    return tuple([count[kind] for kind in range(KINDS)])


cdef void set_shapes(ConvDesc desc, double *feature) noexcept:
    """The features of a description, in the order of `FEATURES`."""
    cdef const conv_geometry *g = &desc.g
    cdef Py_ssize_t channels = max(g.channels // g.groups, 1), lanes = kernels_for(g.itemsize).lanes
    cdef Py_ssize_t filters = max(g.filters // g.groups, 1)
    feature[0] = log(g.stride[2])
    feature[1] = log((<double>g.stride[0]) * g.stride[1])
    feature[2] = log((<double>g.dilation[0]) * g.dilation[1] * g.dilation[2])
    feature[3] = log(max(g.kernel[2], 1))
    feature[4] = log(max((<double>g.kernel[0]) * g.kernel[1], 1.0))
    feature[5] = log(max(g.output[2], 1))
    feature[6] = log(max((<double>g.output[0]) * g.output[1], 1.0))
    feature[7] = log(channels)
    feature[8] = log(filters)
    feature[9] = log((<double>round_up(channels, lanes)) / channels)
    feature[10] = log((<double>round_up(filters, lanes)) / filters)
    feature[11] = log(g.groups)
    feature[12] = log(g.itemsize)
    feature[13] = desc.planned


def shapes(ConvDesc desc):
    """The features of a description that do not depend on prices."""
    cdef double feature[KNOWN]
    cdef int i
    set_shapes(desc, feature)
    return tuple([feature[i] for i in range(SHAPES)])


cdef double correction(ConvDesc desc, const double *term, Prices prices) except -1:
    """The factor of a cost: 1, or what the polynomial says."""
    cdef double feature[KNOWN]
    cdef double scaled[KNOWN + 1]
    cdef double total = 0, result = 0, span, least = LEAST_SHARE, most = MOST_CORRECTED
    cdef const double *weight = prices.weight
    cdef int i, j
    if not prices.corrected:
        return 1
    for i in range(TERMS):
        total += term[i]
    total = max(total, <double>LEAST_SECONDS)
    set_shapes(desc, feature)
    for i in range(TERMS):
        feature[SHAPES + i] = log(max(term[i] / total, least))
    feature[SHAPES + TERMS] = log(total)
    scaled[0] = 1
    for i in range(KNOWN):  # to between -1 and 1
        span = prices.high[i] - prices.low[i]
        scaled[i + 1] = 0
        if span > 0:
            feature[i] = min(max(feature[i], prices.low[i]), prices.high[i])
            scaled[i + 1] = (2 * feature[i] - prices.low[i] - prices.high[i]) / span
    for i in range(KNOWN + 1):
        for j in range(i, KNOWN + 1):
            result += weight[0] * scaled[i] * scaled[j]
            weight += 1
    return exp(min(max(result, -most), most))


cdef priced(ConvDesc desc, model, Prices prices):
    """The model's cost at measured prices, corrected."""
    cdef double count[KINDS]
    cdef double term[TERMS]
    cdef double factor
    cdef int i
    set_counts(desc, model, count)
    for i in range(TERMS):
        term[i] = 0
    for i in range(KINDS):
        term[TERM_OF[i]] += prices.price[i] * count[i]
    factor = correction(desc, term, prices)
    return Cost(factor * term[0], factor * term[1], factor * term[2], factor * term[3],
                factor * term[4])


def price_key(algorithm: Algorithm, ConvDesc desc, which):
    """What a table calls the prices: algorithm, pass and layout, and the kernels if they differ."""
    cdef tuple key = (algorithm.name, which, "last" if desc.g.channels_last else "first")
    cdef object variant = algorithm.variant(desc, which)
    return (*key, variant) if variant else key


def calibrated(algorithm: Algorithm) -> Algorithm:
    """The algorithm, with a cost that is the model's at the measured prices."""
    model_cost = algorithm.cost

    def cost(ConvDesc desc, which):
        model = model_cost(desc, which)
        key = price_key(algorithm, desc, which)
        prices = prices_here().get(key) or prices_here().get(key[:3])
        if prices is None or model[0] == 0:  # nothing to add up
            return model
        return priced(desc, model, prices)

    return algorithm._replace(cost=cost)
