"""What to measure: a named layer in one pass, dtype, batch size and thread count."""

import fnmatch
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastconv.testing import reference, shapes

PASSES = ("forward", "backward_data", "backward_weight")

# What a call costs where there is next to nothing to compute; not a layer of any network.
TINY = {
    "tiny.conv_8x8": shapes.ConvShape(
        "tiny.conv_8x8", 1, 1, (8, 8), (3, 3), (1, 1), (1, 1), (1, 1)
    ),
    "tiny.max_pool_8x8": shapes.PoolShape(
        "tiny.max_pool_8x8", "max", 1, (8, 8), (2, 2), (2, 2), (0, 0)
    ),
}
LAYERS = {**shapes.CONV_SHAPES, **shapes.POOL_SHAPES, **TINY}
GROUPS = {
    "performance": shapes.PERFORMANCE_LAYERS,
    "direct": tuple(shapes.DIRECT_LAYERS),
    "image": shapes.SINGLE_CHANNEL,
    "signal": shapes.SIGNALS,
    "volume": shapes.VOLUMES,
    "pools": shapes.PERFORMANCE_POOLS,
    "tiny": tuple(TINY),
    "all": tuple(LAYERS),
}
QUICK = (
    "vgg16.conv3_2",
    "resnet50.conv3_x.3x3",
    "resnet50.conv4_x.1x1a",
    "mobilenet_v1.conv5_x.dw",
    "image.1024.9x9",
    "resnet50.pool1",
    "tiny.conv_8x8",
)


def select(patterns):
    """Return the layers that `patterns` name, in order, each once.

    A pattern is a group (`GROUPS`), a network (``"resnet50"``), a layer's name or a glob of
    names.

    Raises
    ------
    ValueError
        If a pattern names nothing.
    """
    chosen = {}
    for pattern in patterns:
        names = GROUPS.get(pattern) or [
            name
            for name in LAYERS
            if fnmatch.fnmatch(name, pattern) or name.startswith(pattern + ".")
        ]
        if not names:
            raise ValueError(
                f"no layer is called {pattern!r}; the groups are {', '.join(GROUPS)}, "
                f"the networks {', '.join(dict.fromkeys(n.split('.')[0] for n in LAYERS))}"
            )
        chosen.update((name, LAYERS[name]) for name in names)
    return list(chosen.values())


@dataclass(frozen=True)
class Case:
    """One measurement: every contender computes this from these arrays."""

    layer: shapes.ConvShape | shapes.PoolShape
    operation: str = "forward"
    dtype: str = "float32"
    batch: int = 1
    threads: int = 1
    series: str = ""  # what a random point was drawn as, which is then its group

    largest = None  # value that errors are measured by: that of the result

    @property
    def pools(self):
        """Whether the layer is a pooling."""
        return isinstance(self.layer, shapes.PoolShape)

    @property
    def rank(self):
        """Number of spatial axes."""
        return len(self.layer.spatial)

    @property
    def single_channel(self):
        """Whether this filters one image, signal or volume of one channel, "same" in size."""
        layer = self.layer
        return not self.pools and layer.channels == layer.filters == self.batch == 1 and (
            set(layer.stride) == set(layer.dilation) == {1}
            and all(
                (k // 2, (k - 1) // 2) == (p if isinstance(p, tuple) else (p, p))
                for k, p in zip(layer.kernel, layer.padding, strict=True)
            )
        )  # fmt: skip

    @property
    def plain(self):
        """Whether this is of floating-point numbers, padded with as many zeros at both ends."""
        return np.dtype(self.dtype).kind == "f" and (self.pools or (
            self.layer.padding_mode == "zeros"
            and all(not isinstance(p, tuple) or p[0] == p[1] for p in self.layer.padding)
        ))  # fmt: skip

    @property
    def pads(self):
        """Padding as one number for each axis, of a plain case."""
        return tuple(p[0] if isinstance(p, tuple) else p for p in self.layer.padding)

    @property
    def tolerance(self):
        """Largest error over largest value that still counts as the same result.

        Winograd in float32 stays below 1e-4; one bfloat16 product, or a wrong padding, does not.
        """
        return {"float32": 1e-3, "float64": 1e-10, "uint8": 1e-6}[self.dtype]

    @property
    def forward(self):
        """Whether this is the forward pass."""
        return self.operation == "forward"

    @property
    def x_shape(self):
        """Shape of the input."""
        return self.layer.input_shape(self.batch)

    @property
    def y_shape(self):
        """Shape of the output."""
        return self.layer.output_shape(self.batch)

    @cached_property
    def _arrays(self):
        if self.pools:
            return self.layer.array(self.batch, self.dtype), None, None
        return self.layer.arrays(self.batch, self.dtype)

    @property
    def x(self):
        """The input, channels first."""
        return self._arrays[0]

    @property
    def weight(self):
        """The weight, or None for a pooling."""
        return self._arrays[1]

    @property
    def bias(self):
        """The bias, or None for a pooling."""
        return self._arrays[2]

    @cached_property
    def grad(self):
        """A gradient with respect to the output."""
        rng = np.random.default_rng(1)
        if np.dtype(self.dtype).kind != "f":
            return rng.integers(0, 255, self.y_shape, self.dtype, endpoint=True)
        return rng.standard_normal(self.y_shape, np.float32).astype(self.dtype)

    @cached_property
    def indices(self):
        """The indices that the forward pass of a maximum gives."""
        return reference.max_pool(self.x, **self.layer.kwargs(), return_indices=True)[1]

    @property
    def flops(self):
        """Operations of the direct computation: two for a multiply-add, one for a comparison."""
        if self.pools:
            return math.prod(self.y_shape) * math.prod(self.layer.kernel)
        return self.layer.flops(self.batch)

    @property
    def bytes(self):
        """Bytes that must move if everything is read once and written once."""
        moved = math.prod(self.x_shape) + math.prod(self.y_shape)
        size = np.dtype(self.dtype).itemsize
        if self.pools:
            takes_indices = not self.forward and self.layer.kind == "max"
            return moved * size + (8 * math.prod(self.y_shape) if takes_indices else 0)
        return (moved + math.prod(self.layer.weight_shape)) * size

    def forget(self):
        """Give the memory of the arrays back."""
        for name in ("_arrays", "grad", "indices"):
            self.__dict__.pop(name, None)

    @property
    def name(self):
        """The layer, and what is not the default."""
        parts = [self.layer.name]
        parts += [] if self.forward else [self.operation.replace("_", " ")]
        parts += [f"batch {self.batch}"] if self.batch > 1 else []
        return ", ".join([*parts, self._threads])

    @property
    def _threads(self):
        return f"{self.threads} thread" + ("s" if self.threads > 1 else "")

    @property
    def group(self):
        """What a table has in common: pass, dtype, batch and threads, in words."""
        if self.series:
            return f"random {self.series}, {self._threads}"
        operation = self.operation.replace("_", " ")
        return f"{operation}, {self.dtype}, batch {self.batch}, {self._threads}"


def combine(layers, operations, dtypes, batches, threads):
    """Every combination, the layers innermost; poolings have no weight to take a gradient of."""
    return [
        Case(layer, operation, dtype, batch, count)
        for operation in operations
        for dtype in dtypes
        for batch in batches
        for count in threads
        for layer in layers
        if not (isinstance(layer, shapes.PoolShape) and operation == "backward_weight")
    ]
