"""Random calls of convolutions and what belongs to them."""

import math

import numpy as np

from builds.draw import CONV_DTYPES, Alias, Geometry, Made, draw_padding, most_windows, split

METHODS = ("auto", "depthwise", "direct", "winograd", "im2col", "fft", "sliding")
MODES = ("reflect", "symmetric", "replicate", "edge", "circular", "wrap", "constant")
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", ("clip", -0.5, 0.75))
MULTIPLY_ADDS = 3_000_000
PROFILES = {"small": 4, "deep": 3, "wide": 3, "depthwise": 2, "pointwise": 1, "filter": 1, "3x3": 2}
# The size of layers in networks: groups, channels and filters of each, kernel, stride, outputs.
NETWORK = (
    (1, 3, 64, (7, 7), 2, 112**2), (1, 64, 192, (5, 5), 1, 27**2), (1, 64, 64, (3, 3), 1, 56**2),
    (1, 128, 128, (3, 3), 1, 28**2), (1, 256, 256, (3, 3), 1, 14**2), (1, 512, 512, (3, 3), 1, 98),
    (1, 256, 64, (1, 1), 1, 56**2), (1, 1024, 256, (1, 1), 1, 14**2), (32, 4, 4, (3, 3), 1, 56**2),
    (64, 1, 1, (3, 3), 1, 112**2), (512, 1, 1, (3, 3), 1, 14**2), (240, 1, 1, (5, 5), 1, 28**2),
    (1, 1, 1, (31, 31), 1, 512**2), (1, 64, 64, (9,), 1, 4096), (1, 1, 1, (63,), 1, 1 << 18),
    (1, 16, 32, (3, 3, 3), 1, 20**3), (1, 64, 64, (3, 3, 3), 1, 12**3),
)  # fmt: skip
# The profile that a method is meant for, drawn more often with it.
FITTING = {"depthwise": "depthwise", "winograd": "3x3", "fft": "filter"}


class Layer:
    """A random convolution: geometry, channels and dtypes, with the method to compute it."""

    def __init__(self, draw, *, transposed=False):
        self.draw = draw
        self.method = draw.pick(METHODS, (6, 2, 2, 2.5, 2, 2, 1))
        network = draw.chance(0.015)
        if network:
            self.method = "auto" if self.method == "sliding" else self.method  # would take seconds
            self.groups, per_group, filters, kernel, step, positions = draw.pick(NETWORK)
            self.rank = len(kernel)
            stride, dilation = (step,) * self.rank, (1,) * self.rank
        else:
            fitting = FITTING.get(self.method)
            profile = fitting if fitting and draw.chance(0.7) else draw.pick(
                tuple(PROFILES), tuple(PROFILES.values()))  # fmt: skip
            self.rank = draw.pick((1, 2, 3), (3, 6, 2))
            self.groups, per_group, filters = self._channels(profile)
            kernel, stride, dilation = self._window(profile)
            positions = self._positions(per_group, filters, kernel, stride)
        self.filters = self.groups * filters
        self.geometry = Geometry.draw(
            draw, self.groups * per_group, kernel, stride, dilation,
            draw_padding(draw, kernel, dilation), positions,
        )  # fmt: skip
        self.weight_shape = (self.filters, per_group, *kernel)
        self.rounds = self.method in ("winograd", "fft")  # and so refuses integers
        self.dtype = draw.pick(("float32", "float64") if network else CONV_DTYPES)
        if self.rounds and np.dtype(self.dtype).kind in "biu" and draw.chance(0.8):
            self.dtype = "float32"
        same = network or draw.chance(0.9)
        self.weight_dtype = self.dtype if same else draw.pick(CONV_DTYPES)
        if transposed:
            self._transpose()

    def _channels(self, profile):
        """Groups, and channels and filters of each."""
        draw = self.draw
        match profile:
            case "deep" | "pointwise":
                return draw.pick((1, 2, 4), (8, 1, 1)), draw.log(8, 300), draw.log(8, 300)
            case "3x3":
                return draw.pick((1, 2), (8, 1)), draw.log(1, 100), draw.log(1, 100)
            case "depthwise":
                return draw.log(1, 130), draw.pick((1, 2, 4), (8, 1, 1)), draw.pick((1, 2), (5, 1))
            case "filter":
                return 1, draw.pick((1, 1, 3)), draw.pick((1, 1, 4))
        groups = draw.pick((1, 2, 3), (5, 1, 1))
        return groups, draw.integer(draw.chance(0.98), 7), draw.integer(draw.chance(0.98), 9)

    def _window(self, profile):
        """Kernel, stride and dilation."""
        draw, rank = self.draw, self.rank
        ones = (1,) * rank
        match profile:
            case "pointwise":
                return ones, draw.axes(1, 2, rank) if draw.chance(0.3) else ones, ones
            case "3x3" if draw.chance(0.7):
                return (3,) * rank, ones, ones
            case "filter":
                longest = {1: 200, 2: 31, 3: 9}[rank]
                kernel = tuple(draw.log(2, longest) for _ in range(rank))
                return kernel, ones if draw.chance(0.8) else draw.axes(1, 3, rank), ones
        kernel = draw.axes(1, draw.pick((3, 5, 7), (5, 3, 1)), rank)
        stride = draw.axes(1, 4, rank) if draw.chance(0.35) else ones
        return kernel, stride, draw.axes(1, 4, rank) if draw.chance(0.2) else ones

    def _positions(self, per_group, filters, kernel, stride):
        """How many outputs to have: few enough for the channels, sometimes just one."""
        if self.draw.chance(0.06):
            return 1
        products = max(1, math.prod(kernel) * per_group * self.groups * filters)
        count = self.draw.budget(MULTIPLY_ADDS) / products
        return most_windows(count, self.groups * max(filters, per_group), stride)

    def _transpose(self):
        """Read the convolution backwards: the array has what was the output."""
        g, draw = self.geometry, self.draw
        at_most = [max(s, d) - 1 for s, d in zip(g.stride, g.dilation)]
        more = [draw.integer(0, most) for most in at_most]
        self.output_padding = tuple(more if draw.chance(0.3) else [0] * self.rank)
        pairs = split(g.padding, g.lengths, g.kernel, g.stride, g.dilation)
        sizes = [(n - 1) * s - sum(pair) + d * (k - 1) + 1
                 for n, s, pair, d, k in zip(g.outputs, g.stride, pairs, g.dilation, g.kernel)]
        if str(g.padding).startswith("same"):
            sizes = [n * s for n, s in zip(g.outputs, g.stride)]
        self.result_lengths = tuple(max(1, n + o) for n, o in zip(sizes, self.output_padding))

    @property
    def x_shape(self):
        """Shape of the input."""
        return self.geometry.x_shape

    @property
    def y_shape(self):
        """Shape of the result."""
        return self.geometry.shape(self.filters, self.geometry.outputs)

    def result_dtype(self, *dtypes):
        """The dtype of what is computed from arrays of these."""
        dtype = np.result_type(*dtypes)
        return "int64" if dtype.kind in "biu" else dtype.name

    def array(self, shape, dtype=None, **more):
        """An array for it, of its dtype."""
        return self.draw.array(shape, dtype or self.dtype, **more)

    def window(self):
        """Arguments that may be passed by position, and the format."""
        g, draw = self.geometry, self.draw
        return {"stride": draw.spell(g.stride), "padding": g.spell_padding(draw),
                "dilation": draw.spell(g.dilation), "groups": self.groups,
                "data_format": g.data_format}  # fmt: skip

    def sampling(self):
        """How the window looks at the array: padding mode and flip, often left out."""
        draw = self.draw
        arguments = {"padding_mode": draw.pick(MODES)} if draw.chance(0.2) else {}
        return arguments | ({"flip": True} if draw.chance(0.1) else {})

    def computing(self):
        """Method, precision and workspace."""
        draw = self.draw
        arguments = {} if self.method == "auto" and draw.chance(0.7) else {"method": self.method}
        if (self.rounds and self.dtype not in ("float32", "float16")) or draw.chance(0.3):
            odds = (0.3, 4, 4) if self.rounds else (4, 2, 2)
            arguments["precision"] = draw.pick(("highest", "high", "medium"), odds)
        if draw.chance(0.08):
            arguments["max_workspace"] = draw.pick((0, 10_000, 1_000_000))
        return arguments

    def activation(self):
        """An activation in some cases, nearly always one that the dtype has."""
        draw, kind = self.draw, np.dtype(self.dtype).kind
        if not draw.chance(0.04 if kind == "c" else 0.4):
            return {}
        whole = ("relu", "relu6", ("clip", -3, 7))
        fits = kind in "biu" and draw.chance(0.9)
        return {"activation": draw.pick(whole if fits else ACTIVATIONS)}

    def out(self, shape, *dtypes, over=None):
        """An `out` in some cases; the argument `over` itself, if that is like it."""
        if not self.draw.chance(0.2):
            return {}
        dtype = self.result_dtype(*dtypes)
        name, array = over or ("", None)
        fits = array is not None and (array.shape, array.dtype) == (tuple(shape), dtype)
        if fits and array.view in ("plain", "fortran", "reversed", "slice"):
            return {"out": Alias(name)}
        return {"out": self.array(shape, dtype, out=True)}


def _conv(draw, kind):
    layer = Layer(draw)
    x = layer.array(layer.x_shape)
    arguments = {"x": x, "weight": layer.array(layer.weight_shape, layer.weight_dtype)}
    has_bias = draw.chance(0.5)
    arguments["bias"] = layer.array((layer.filters,), layer.weight_dtype) if has_bias else None
    arguments |= layer.window() | layer.sampling() | layer.computing()
    arguments |= layer.activation()
    if draw.chance(0.2):
        arguments["residual"] = layer.array(layer.y_shape)
    arguments |= layer.out(layer.y_shape, layer.dtype, layer.weight_dtype, over=("x", x))
    return Made(arguments, 2, 7, layer.rank, True)


def _backward_data(draw, kind):
    layer = Layer(draw)
    grad = layer.array(layer.y_shape)
    arguments = {"grad_output": grad,
                 "weight": layer.array(layer.weight_shape, layer.weight_dtype),
                 "input_shape": layer.x_shape}  # fmt: skip
    arguments |= layer.window() | layer.sampling() | layer.computing()
    arguments |= layer.out(
        layer.x_shape, layer.dtype, layer.weight_dtype, over=("grad_output", grad))
    return Made(arguments, 3, 7, layer.rank, True)


def _backward_weight(draw, kind):
    layer = Layer(draw)
    arguments = {"grad_output": layer.array(layer.y_shape),
                 "x": layer.array(layer.x_shape, layer.weight_dtype),
                 "weight_shape": layer.weight_shape}  # fmt: skip
    arguments |= layer.window() | layer.sampling() | layer.computing()
    shape = layer.weight_shape
    if draw.chance(0.15):
        arguments["per_sample"] = True
        shape = shape if layer.geometry.batch is None else (layer.geometry.batch, *shape)
    arguments |= layer.out(shape, layer.dtype, layer.weight_dtype)
    return Made(arguments, 3, 7, layer.rank, True)


def _backward_bias(draw, kind):
    layer = Layer(draw)
    arguments = {"grad_output": layer.array(layer.y_shape),
                 "data_format": layer.geometry.data_format}  # fmt: skip
    return Made(arguments, 1, 1, layer.rank)


def _transposed_window(layer):
    """The arguments of a transposed convolution that may be passed by position, and the size."""
    window = layer.window()
    arguments = {"stride": window["stride"], "padding": window["padding"],
                 "output_padding": layer.draw.spell(layer.output_padding),
                 "groups": layer.groups, "dilation": window["dilation"],
                 "data_format": window["data_format"]}  # fmt: skip
    if layer.draw.chance(0.15):
        arguments["output_padding"] = 0
        arguments["output_size"] = layer.result_lengths
    return arguments


def _conv_transpose(draw, kind):
    layer = Layer(draw, transposed=True)
    weight = layer.array(layer.weight_shape, layer.weight_dtype)
    channels = layer.geometry.channels
    bias = layer.array((channels,), layer.weight_dtype) if draw.chance(0.5) else None
    arguments = {"x": layer.array(layer.y_shape), "weight": weight, "bias": bias}
    arguments |= _transposed_window(layer) | layer.computing()
    shape = layer.geometry.shape(channels, layer.result_lengths)
    arguments |= layer.out(shape, layer.dtype, layer.weight_dtype)
    return Made(arguments, 2, 8, layer.rank, True)


def _separable(draw, kind):
    layer = Layer(draw)
    x, rank = layer.array(layer.x_shape), layer.rank
    made, filters = layer.geometry.channels * draw.pick((1, 2, 3), (6, 2, 1)), draw.log(1, 64)
    shapes = (made, 1, *layer.weight_shape[2:]), (filters, made, *(1,) * rank), (filters,)
    weights = [layer.array(shape, layer.weight_dtype) for shape in shapes]
    arguments = {"x": x, "depthwise_weight": weights[0], "pointwise_weight": weights[1],
                 "bias": weights[2] if draw.chance(0.5) else None}  # fmt: skip
    arguments |= {name: value for name, value in layer.window().items() if name != "groups"}
    arguments |= layer.sampling() | layer.computing() | layer.activation()
    shape = layer.geometry.shape(filters, layer.geometry.outputs)
    if draw.chance(0.2):
        arguments["residual"] = layer.array(shape)
    arguments |= layer.out(shape, layer.dtype, layer.weight_dtype, over=("x", x))
    return Made(arguments, 3, 7, rank, True)


def _plan(draw, kind):
    layer = Layer(draw)
    arguments = {"x_shape": layer.x_shape,
                 "weight": layer.array(layer.weight_shape, layer.weight_dtype)}  # fmt: skip
    has_bias = draw.chance(0.5)
    arguments["bias"] = layer.array((layer.filters,), layer.weight_dtype) if has_bias else None
    arguments |= layer.window() | layer.sampling() | layer.computing()
    arguments |= layer.activation()
    if layer.dtype != layer.weight_dtype or draw.chance(0.2):
        arguments["dtype"] = layer.dtype
    calls = tuple(_plan_call(draw, layer) for _ in range(draw.integer(1, 3)))
    return Made(arguments, 2, 7, layer.rank, True, calls)


def _plan_call(draw, layer):
    """Arguments of a call of a plan: any batch, a residual and an `out` in some."""
    g = layer.geometry
    first = 0 if g.batch is None else 1
    batch = draw.pick(((), (1,), (2,), (g.batch or 1,), (5,)), (1, 1, 1, 3, 0.3))
    x_shape, y_shape = ((*batch, *shape[first:]) for shape in (layer.x_shape, layer.y_shape))
    call = [layer.array(x_shape)]
    call.append(layer.array(y_shape) if draw.chance(0.25) else None)
    out = layer.out(y_shape, layer.dtype, layer.weight_dtype)
    return (*call, out.get("out"))


def _quantised(draw, kind):
    layer = Layer(draw)
    small = ("uint8", "int8", "uint16", "int16")
    layer.dtype, layer.weight_dtype = draw.pick(small, (5, 3, 1, 1)), draw.pick(small, (1, 6, 1, 1))
    x = layer.array(layer.x_shape)
    arguments = {"x": x} if kind == "qconv" else {"x_shape": layer.x_shape}
    arguments["weight"] = layer.array(layer.weight_shape, layer.weight_dtype)
    has_bias = draw.chance(0.5)
    arguments["bias"] = layer.array((layer.filters,), "int32") if has_bias else None
    arguments |= layer.window()
    if draw.chance(0.5):
        arguments |= {"x_zero_point": draw.integer(0, 127), "weight_zero_point": draw.integer(0, 9)}
    if draw.chance(0.7):
        arguments |= {"scale": draw.pick((0.5, 0.01, 1e-4)), "y_zero_point": draw.integer(0, 127),
                      "out_dtype": draw.pick((*small, "int32"))}  # fmt: skip
    if draw.chance(0.3):
        arguments["activation"] = "relu"
    if kind == "qconv":
        return Made(arguments, 2, 7, layer.rank, True)
    return Made(arguments | {"dtype": layer.dtype}, 2, 7, layer.rank, True, ((x,),))


def _columns(draw, kind):
    layer = Layer(draw)
    g = layer.geometry
    window = {name: value for name, value in layer.window().items() if name != "groups"}
    size = {"kernel_size": g.kernel if draw.chance(0.7) else draw.spell(g.kernel)}
    if kind == "im2col":
        sampling = {name: v for name, v in layer.sampling().items() if name == "padding_mode"}
        arguments = {"x": layer.array(layer.x_shape)} | size | window | sampling
        return Made(arguments, 2, 5, layer.rank, True)
    shape = (g.channels * math.prod(g.kernel), math.prod(g.outputs))
    cols = layer.array(shape if g.batch is None else (g.batch, *shape))
    return Made({"cols": cols, "input_shape": g.x_shape} | size | window, 3, 6, layer.rank, True)


def _explain(draw, kind):
    layer = Layer(draw)
    arguments = {"x_shape": layer.x_shape, "weight_shape": layer.weight_shape}
    arguments |= layer.window() | layer.sampling() | layer.computing()
    arguments |= {"dtype": layer.dtype,
                  "which": draw.pick(("forward", "backward_data", "backward_weight")),
                  "planned": draw.chance(0.3)}  # fmt: skip
    return Made(arguments, 2, 6, layer.rank, True)


def _conv_shapes(draw, kind):
    layer = Layer(draw)
    arguments = {"x_shape": layer.x_shape, "weight_shape": layer.weight_shape} | layer.window()
    if kind == "conv_cost":
        arguments |= {"bias": draw.chance(0.5), "dtype": layer.dtype}
    return Made(arguments, 2, 6, layer.rank)


def _transpose_shape(draw, kind):
    layer = Layer(draw, transposed=True)
    arguments = {"x_shape": layer.y_shape, "weight_shape": layer.weight_shape}
    return Made(arguments | _transposed_window(layer), 2, 7, layer.rank)


MAKERS = {
    "conv": _conv, "conv_backward_data": _backward_data, "conv_backward_weight": _backward_weight,
    "conv_backward_bias": _backward_bias, "conv_transpose": _conv_transpose, "plan_conv": _plan,
    "separable_conv": _separable,
    "im2col": _columns, "col2im": _columns, "explain": _explain, "conv_cost": _conv_shapes,
    "qconv": _quantised, "plan_qconv": _quantised, "conv_output_shape": _conv_shapes,
    "conv_transpose_output_shape": _transpose_shape,
}  # fmt: skip
