"""Random calls of poolings and what belongs to them."""

import math

from builds.draw import POOL_DTYPES, Geometry, Made, draw_padding, most_windows, split

ELEMENTS = 1_000_000  # the most that all windows of a case look at, but for a few larger ones
NORMS = (1, 2, 3, 1.5, 2.0, 4, float("inf"))


class Pooling:
    """A random pooling: windows, channels and dtype."""

    def __init__(self, draw):
        self.draw = draw
        self.rank = draw.pick((1, 2, 3), (3, 6, 2))
        kernel = self._kernel()
        self.follows = draw.chance(0.3)  # the stride is left out, and so the kernel's
        ones = (1,) * self.rank
        stride = kernel if self.follows else draw.axes(1, draw.pick((1, 2, 4)), self.rank)
        dilation = draw.axes(1, 3, self.rank) if draw.chance(0.2) else ones
        self.ceil_mode = draw.chance(0.3)
        channels = draw.log(1, 9) if draw.chance(0.6) else draw.log(8, 200)
        windows, elements = draw.budget(ELEMENTS) / math.prod(kernel) / channels, 300_000
        if draw.chance(0.02):  # of the size that networks have
            windows, elements = 1e7 / math.prod(kernel) / channels, 2_000_000
        self.geometry = Geometry.draw(
            draw, channels, kernel, stride, dilation, draw_padding(draw, kernel, dilation, 2),
            most_windows(windows, channels, stride, elements), self.ceil_mode)  # fmt: skip
        self.dtype = draw.pick(POOL_DTYPES)

    def _kernel(self):
        draw, rank = self.draw, self.rank
        if draw.chance(0.15):
            return (*draw.axes(1, 3, rank - 1), draw.log(6, 60)) if rank > 1 else (draw.log(6, 99),)
        if draw.chance(0.4):
            return (draw.pick((2, 3)),) * rank
        return draw.axes(1, 5, rank)

    @property
    def x_shape(self):
        """Shape of the array."""
        return self.geometry.x_shape

    @property
    def y_shape(self):
        """Shape of the result."""
        return self.geometry.shape(self.geometry.channels, self.geometry.outputs)

    def array(self, shape, dtype=None, **more):
        """An array for it, of its dtype."""
        return self.draw.array(shape, dtype or self.dtype, **more)

    def out(self, shape, dtype=None):
        """An `out` in some cases."""
        if not self.draw.chance(0.2):
            return {}
        return {"out": self.array(shape, dtype, out=True)}

    def gradient_dtype(self):
        """The dtype of a gradient with respect to its input."""
        return self.dtype if self.dtype.startswith("float") else "float64"

    def window(self):
        """The arguments of all windows; five may be passed by position."""
        g, draw = self.geometry, self.draw
        arguments = {
            "kernel_size": g.kernel if draw.chance(0.7) else draw.spell(g.kernel),
            "stride": None if self.follows else draw.spell(g.stride),
            "padding": g.spell_padding(draw), "dilation": draw.spell(g.dilation),
            "data_format": g.data_format,
        }  # fmt: skip
        return arguments | ({"ceil_mode": True} if self.ceil_mode else {})

    def averaging(self):
        """Further arguments of the average."""
        draw = self.draw
        arguments = {} if draw.chance(0.5) else {"count_include_pad": draw.chance(0.5)}
        if draw.chance(0.15):
            arguments["divisor_override"] = draw.pick((1, 3, 7.5))
        return arguments

    def indices(self):
        """Indices into the planes of its input."""
        limit = max(1, math.prod(self.geometry.lengths)) + self.draw.chance(0.03)
        dtype = self.draw.pick(("int64", "int32", "uint8"), (8, 1, 0.2))
        return self.array(self.y_shape, dtype, numbers="indices", limit=limit)


def _pool(draw, kind):
    pooling = Pooling(draw)
    arguments = {"x": pooling.array(pooling.x_shape)}
    if kind == "lp_pool":
        arguments["norm_type"] = draw.pick(NORMS)
    arguments |= pooling.window()
    if kind == "avg_pool":
        arguments |= pooling.averaging()
    if kind in ("max_pool", "min_pool") and draw.chance(0.5):
        arguments["return_indices"] = True
    dtype = pooling.dtype if kind in ("max_pool", "min_pool") else pooling.gradient_dtype()
    arguments |= pooling.out(pooling.y_shape, dtype)
    required = 3 if kind == "lp_pool" else 2
    return Made(arguments, required, required + 3, pooling.rank, True)


def _pool_backward(draw, kind):
    pooling = Pooling(draw)
    arguments = {"grad_output": pooling.array(pooling.y_shape)}
    if kind == "lp_pool_backward":
        arguments |= {"x": pooling.array(pooling.x_shape), "norm_type": draw.pick(NORMS)}
    else:
        arguments["input_shape"] = pooling.x_shape
    required = len(arguments) + 1
    arguments |= pooling.window()
    if kind == "avg_pool_backward":
        arguments |= pooling.averaging()
    arguments |= pooling.out(pooling.x_shape, pooling.gradient_dtype())
    return Made(arguments, required, required + 3, pooling.rank, True)


def _max_pool_backward(draw, kind):
    pooling = Pooling(draw)
    arguments = {"grad_output": pooling.array(pooling.y_shape), "indices": pooling.indices(),
                 "input_shape": pooling.x_shape,
                 "data_format": pooling.geometry.data_format}  # fmt: skip
    arguments |= pooling.out(pooling.x_shape, pooling.gradient_dtype())
    return Made(arguments, 3, 3, pooling.rank, True)


def _max_unpool(draw, kind):
    pooling = Pooling(draw)
    g = pooling.geometry
    window = pooling.window()
    pairs = split(g.padding, g.lengths, g.kernel, g.stride, g.dilation)
    default = tuple((n - 1) * s - sum(pair) + k
                    for n, s, pair, k in zip(g.outputs, g.stride, pairs, g.kernel))  # fmt: skip
    arguments = {"x": pooling.array(pooling.y_shape), "indices": pooling.indices()}
    arguments |= {name: window[name] for name in ("kernel_size", "stride")}
    arguments["padding"] = pairs if isinstance(g.padding, str) else window["padding"]
    arguments["data_format"] = g.data_format
    if draw.chance(0.7) or min(default) < 1:
        arguments["output_size"] = g.lengths if draw.chance(0.8) else g.x_shape
    return Made(arguments, 3, 5, pooling.rank, True)


def _adaptive(draw, kind):
    pooling = Pooling(draw)
    g = pooling.geometry
    size = [draw.integer(1, max(1, min(n, 12))) if draw.chance(0.9) else n for n in g.lengths]
    shape = g.shape(g.channels, size)
    if kind == "adaptive_avg_pool_backward":
        arguments = {"grad_output": pooling.array(shape), "input_shape": g.x_shape}
        dtype, shape = pooling.gradient_dtype(), g.x_shape
    else:
        spelt = tuple(None if n == m and draw.chance(0.5) else n for n, m in zip(size, g.lengths))
        arguments = {"x": pooling.array(g.x_shape), "output_size": spelt}
        dtype = pooling.dtype if kind == "adaptive_max_pool" else pooling.gradient_dtype()
    if kind == "adaptive_max_pool" and draw.chance(0.5):
        arguments["return_indices"] = True
    arguments["data_format"] = g.data_format
    return Made(arguments | pooling.out(shape, dtype), 2, 2, pooling.rank, True)


def _global(draw, kind):
    pooling = Pooling(draw)
    g = pooling.geometry
    arguments = {"x": pooling.array(g.x_shape), "data_format": g.data_format}
    if g.batch is None or draw.chance(0.2):
        arguments["rank"] = pooling.rank
    shape = g.shape(g.channels, (1,) * pooling.rank)
    dtype = pooling.dtype if kind == "global_max_pool" else pooling.gradient_dtype()
    return Made(arguments | pooling.out(shape, dtype), 1, 1, pooling.rank, True)


def _pool_shape(draw, kind):
    pooling = Pooling(draw)
    return Made({"x_shape": pooling.x_shape} | pooling.window(), 2, 5, pooling.rank)


def _stream(draw, kind):
    kernel = draw.integer(1, 9)
    arguments = {"kind": draw.pick(("max", "min", "avg")), "kernel_size": kernel,
                 "stride": draw.integer(1, 5), "padding": draw.integer(0, kernel - 1)}  # fmt: skip
    channels, dtype = draw.integer(1, 5), draw.pick(POOL_DTYPES)
    chunks = tuple((draw.array((channels, draw.integer(0, 40)), dtype),)
                   for _ in range(draw.integer(1, 4)))  # fmt: skip
    return Made(arguments, 2, 3, then=chunks)


MAKERS = {
    "stream_pool": _stream,
    "max_pool": _pool, "min_pool": _pool, "avg_pool": _pool, "lp_pool": _pool,
    "adaptive_avg_pool": _adaptive, "adaptive_max_pool": _adaptive, "global_avg_pool": _global,
    "global_max_pool": _global, "max_unpool": _max_unpool, "max_pool_backward": _max_pool_backward,
    "avg_pool_backward": _pool_backward, "lp_pool_backward": _pool_backward,
    "adaptive_avg_pool_backward": _adaptive, "pool_output_shape": _pool_shape,
}  # fmt: skip
