"""Layers that people run, by the names their papers give them.

`CONV_SHAPES` and `POOL_SHAPES` map names such as ``"resnet50.conv3_x.3x3"`` to records of geometry.
Tests, accuracy checks and benchmarks all draw from here, so that a figure quoted for a layer always
means the same layer. Every distinct geometry of a network appears once, under the name of the first
layer that has it (``_x`` where the layers of a stage share it).

Sources: LeCun et al. 1998 (LeNet-5, with C3 fully connected); Krizhevsky 2014 (the single-tower
AlexNet, with torchvision's widths); Simonyan & Zisserman 2015 (VGG-16); Szegedy et al. 2015
(GoogLeNet); He et al. 2016 (ResNet-50, with the stride in the 3x3 layers, as every library
implements it); Howard et al. 2017 (MobileNet v1) and Sandler et al. 2018 (v2); Xie et al. 2017
(ResNeXt-50 32x4d); Chen et al. 2015 (DeepLab-LargeFOV) and 2017 (DeepLab v3 on ResNet-50, 513 x 513
pixels, output stride 16); in one dimension Baevski et al. 2020 (wav2vec 2.0 on one second of sound)
and Radford et al. 2022 (Whisper, tiny); in three Tran et al. 2015 (C3D). Besides the networks there
are a few layers under ``dilated``, ``depthwise``, ``image``, ``signal``, ``volume`` and ``pooling``
that the performance targets name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from fastconv.testing import reference

__all__ = [
    "CONV_SHAPES",
    "DIRECT_LAYERS",
    "NETWORKS",
    "PERFORMANCE_LAYERS",
    "PERFORMANCE_POOLS",
    "POOL_SHAPES",
    "SIGNALS",
    "SINGLE_CHANNEL",
    "VOLUMES",
    "ConvShape",
    "PoolShape",
]


def _batched(batch, channels, spatial, data_format):
    if data_format == "channels_last":
        return (batch, *spatial, channels)
    return (batch, channels, *spatial)


@dataclass(frozen=True)
class ConvShape:
    """Geometry of one named convolution layer.

    Attributes
    ----------
    name : str
        ``network.layer``.
    channels, filters : int
        Input and output channels.
    spatial, kernel : tuple of int
        Lengths of the input and of the kernel.
    stride, padding, dilation : tuple of int
        One entry per spatial axis; of padding also a pair, for both ends.
    groups : int
        Number of groups.
    batches : tuple of int
        Batch sizes worth measuring.
    padding_mode : str
        What the padding holds.
    """

    name: str
    channels: int
    filters: int
    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    batches: tuple[int, ...] = field(default=(1, 8), compare=False)
    padding_mode: str = "zeros"

    def input_shape(self, batch: int = 1, data_format: str = "channels_first") -> tuple[int, ...]:
        """Shape of the input for a batch."""
        return _batched(batch, self.channels, self.spatial, data_format)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return (self.filters, self.channels // self.groups, *self.kernel)

    def output_shape(self, batch: int = 1, data_format: str = "channels_first") -> tuple[int, ...]:
        """Shape of the output for a batch."""
        return reference.conv_output_shape(
            self.input_shape(batch, data_format),
            self.weight_shape,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            data_format=data_format,
        )

    def flops(self, batch: int = 1) -> int:
        """Floating-point operations of the direct convolution, two per multiply-add."""
        return 2 * math.prod(self.output_shape(batch)) * math.prod(self.weight_shape[1:])

    def kwargs(self) -> dict:
        """Keyword arguments that, after x, weight and bias, make `conv` this layer."""
        options = {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }
        if self.padding_mode != "zeros":  # functions of shapes alone do not take it
            options["padding_mode"] = self.padding_mode
        return options

    def arrays(
        self,
        batch: int = 1,
        dtype=np.float32,
        *,
        seed: int = 0,
        data_format: str = "channels_first",
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random ``(x, weight, bias)``, the same for the same arguments.

        Everything is zero-mean; the weight is scaled by the fan-in so that outputs are of order 1.
        Integers take the whole range of their dtype in x, and up to 15 in the weight.
        """
        rng = np.random.default_rng(seed)
        if np.dtype(dtype).kind in "iu":
            x = rng.integers(0, np.iinfo(dtype).max, self.input_shape(batch, data_format), dtype,
                             endpoint=True)
            return (x, rng.integers(0, 16, self.weight_shape, dtype),
                    rng.integers(0, 16, self.filters, dtype))
        x = rng.standard_normal(self.input_shape(batch, data_format), np.float32)
        weight = rng.standard_normal(self.weight_shape, np.float32)
        weight /= np.sqrt(np.float32(math.prod(self.weight_shape[1:])))
        bias = rng.standard_normal(self.filters, np.float32)
        return x.astype(dtype), weight.astype(dtype), bias.astype(dtype)

    def reduced(self, max_flops: int) -> ConvShape:
        """The layer on a smaller image, and if that is not enough with fewer channels.

        Kernel, stride, padding, dilation and groups stay; lengths become odd on the way so that
        vector tails remain covered.
        """
        shape = self
        # The smallest length on which a window still moves twice and meets both borders.
        floor = [
            d * (k - 1) + 1 + 2 * s
            for k, s, d in zip(self.kernel, self.stride, self.dilation, strict=True)
        ]
        while shape.flops() > max_flops:
            spatial = tuple(
                n if n <= low else max(low, 2 * n // 3 | 1)
                for n, low in zip(shape.spatial, floor, strict=True)
            )
            if spatial == shape.spatial:
                break
            shape = replace(shape, spatial=spatial)
        while shape.flops() > max_flops and shape.groups == 1 and shape.channels > 16:
            filters = max(16, shape.filters // 2)
            shape = replace(shape, channels=shape.channels // 2, filters=filters)
        while shape.flops() > max_flops and shape.groups == 1 and shape.filters > 16:
            shape = replace(shape, filters=shape.filters // 2)
        return shape

    def __str__(self) -> str:
        text = (
            f"{self.name}: {self.channels}>{self.filters} {_times(self.spatial)} "
            f"k{_times(self.kernel)} s{_times(self.stride)} p{_times(self.padding)}"
        )
        if max(self.dilation) > 1:
            text += f" d{_times(self.dilation)}"
        if self.padding_mode != "zeros":
            text += f" {self.padding_mode}"
        return text + (f" g{self.groups}" if self.groups > 1 else "")


@dataclass(frozen=True)
class PoolShape:
    """Geometry of one named pooling layer.

    Attributes
    ----------
    name : str
        ``network.layer``.
    kind : str
        ``"max"`` or ``"avg"``.
    channels : int
        Channels.
    spatial, kernel, stride, padding : tuple of int
        One entry per spatial axis.
    ceil_mode : bool
        Whether the last window may hang over the end.
    batches : tuple of int
        Batch sizes worth measuring.
    """

    name: str
    kind: str
    channels: int
    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    ceil_mode: bool = False
    batches: tuple[int, ...] = field(default=(1, 8), compare=False)

    def input_shape(self, batch: int = 1, data_format: str = "channels_first") -> tuple[int, ...]:
        """Shape of the input for a batch."""
        return _batched(batch, self.channels, self.spatial, data_format)

    def output_shape(self, batch: int = 1, data_format: str = "channels_first") -> tuple[int, ...]:
        """Shape of the output for a batch."""
        return reference.pool_output_shape(
            self.input_shape(batch, data_format),
            self.kernel,
            self.stride,
            self.padding,
            ceil_mode=self.ceil_mode,
            data_format=data_format,
        )

    def bytes(self, batch: int = 1, dtype=np.float32) -> int:
        """Bytes read once and written once, the least that a pooling moves."""
        count = math.prod(self.input_shape(batch)) + math.prod(self.output_shape(batch))
        return count * np.dtype(dtype).itemsize

    def kwargs(self) -> dict:
        """Keyword arguments that, after x, make `max_pool` or `avg_pool` this layer."""
        return {
            "kernel_size": self.kernel,
            "stride": self.stride,
            "padding": self.padding,
            "ceil_mode": self.ceil_mode,
        }

    def array(
        self,
        batch: int = 1,
        dtype=np.float32,
        *,
        seed: int = 0,
        data_format: str = "channels_first",
    ) -> np.ndarray:
        """Random input, the same for the same arguments."""
        rng = np.random.default_rng(seed)
        return rng.standard_normal(self.input_shape(batch, data_format), np.float32).astype(dtype)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.kind} {self.channels} {_times(self.spatial)} "
            f"k{_times(self.kernel)} s{_times(self.stride)} p{_times(self.padding)}"
            + (" ceil" if self.ceil_mode else "")
        )


def _times(values):
    parts = ["+".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values]
    return parts[0] if len(set(parts)) == 1 else "x".join(parts)


# ---------------------------------------------------------------------------------- networks
#
# Each network is a generator of layers in the order of its forward pass. Most are in two
# dimensions with equal lengths on both axes, and `_conv` is theirs; `_conv_nd` is for the others.


def _conv(name, channels, filters, length, k, stride=1, padding=None, dilation=1, groups=1, **more):
    padding = dilation * (k - 1) // 2 if padding is None else padding
    pair = lambda value: (value, value)  # noqa: E731
    return ConvShape(name, channels, filters, pair(length), pair(k), pair(stride), pair(padding),
                     pair(dilation), groups, **more)  # fmt: skip


def _conv_nd(name, channels, filters, spatial, kernel, stride=1, padding=0, groups=1, **more):
    every = lambda value: (value,) * len(spatial)  # noqa: E731
    return ConvShape(name, channels, filters, spatial, kernel, every(stride), every(padding),
                     every(1), groups, **more)  # fmt: skip


def _pool(name, kind, channels, length, k, stride, padding=0, ceil_mode=False, **more):
    return PoolShape(name, kind, channels, (length,) * 2, (k,) * 2, (stride,) * 2, (padding,) * 2,
                     ceil_mode, **more)  # fmt: skip


def _lenet5() -> Iterator[ConvShape | PoolShape]:
    many = {"batches": (1, 64)}
    yield _conv("C1", 1, 6, 32, 5, padding=0, **many)
    yield _pool("S2", "avg", 6, 28, 2, 2, **many)
    yield _conv("C3", 6, 16, 14, 5, padding=0, **many)
    yield _pool("S4", "avg", 16, 10, 2, 2, **many)
    yield _conv("C5", 16, 120, 5, 5, padding=0, **many)


def _alexnet() -> Iterator[ConvShape | PoolShape]:
    yield _conv("conv1", 3, 64, 224, 11, stride=4, padding=2)
    yield _pool("pool1", "max", 64, 55, 3, 2)
    yield _conv("conv2", 64, 192, 27, 5)
    yield _pool("pool2", "max", 192, 27, 3, 2)
    yield _conv("conv3", 192, 384, 13, 3)
    yield _conv("conv4", 384, 256, 13, 3)
    yield _conv("conv5", 256, 256, 13, 3)
    yield _pool("pool5", "max", 256, 13, 3, 2)


def _vgg16() -> Iterator[ConvShape | PoolShape]:
    channels, length = 3, 224
    for stage, (filters, layers) in enumerate(
        [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1
    ):
        for layer in range(1, layers + 1):
            yield _conv(f"conv{stage}_{layer}", channels, filters, length, 3)
            channels = filters
        yield _pool(f"pool{stage}", "max", channels, length, 2, 2)
        length //= 2


# Table 1 of the paper: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj.
_INCEPTION = {
    "3a": (192, 28, 64, 96, 128, 16, 32, 32),
    "3b": (256, 28, 128, 128, 192, 32, 96, 64),
    "4a": (480, 14, 192, 96, 208, 16, 48, 64),
    "4b": (512, 14, 160, 112, 224, 24, 64, 64),
    "4c": (512, 14, 128, 128, 256, 24, 64, 64),
    "4d": (512, 14, 112, 144, 288, 32, 64, 64),
    "4e": (528, 14, 256, 160, 320, 32, 128, 128),
    "5a": (832, 7, 256, 160, 320, 32, 128, 128),
    "5b": (832, 7, 384, 192, 384, 48, 128, 128),
}


def _googlenet() -> Iterator[ConvShape | PoolShape]:
    yield _conv("conv1", 3, 64, 224, 7, stride=2)
    yield _pool("pool1", "max", 64, 112, 3, 2, ceil_mode=True)
    yield _conv("conv2_reduce", 64, 64, 56, 1)
    yield _conv("conv2", 64, 192, 56, 3)
    yield _pool("pool2", "max", 192, 56, 3, 2, ceil_mode=True)
    for module, (channels, length, c1, c3r, c3, c5r, c5, proj) in _INCEPTION.items():
        name = f"inception_{module}."
        if module == "4a":
            yield _pool("pool3", "max", 480, 28, 3, 2, ceil_mode=True)
        if module == "5a":
            yield _pool("pool4", "max", 832, 14, 3, 2, ceil_mode=True)
        yield _conv(name + "1x1", channels, c1, length, 1)
        yield _conv(name + "3x3_reduce", channels, c3r, length, 1)
        yield _conv(name + "3x3", c3r, c3, length, 3)
        yield _conv(name + "5x5_reduce", channels, c5r, length, 1)
        yield _conv(name + "5x5", c5r, c5, length, 5)
        yield _pool(name + "pool", "max", channels, length, 3, 1, 1)
        yield _conv(name + "pool_proj", channels, proj, length, 1)
    # The auxiliary classifiers, on the outputs of 4a and 4d.
    yield _pool("aux1.pool", "avg", 512, 14, 5, 3)
    yield _conv("aux1.conv", 512, 128, 4, 1)
    yield _pool("aux2.pool", "avg", 528, 14, 5, 3)
    yield _conv("aux2.conv", 528, 128, 4, 1)
    yield _pool("pool5", "avg", 1024, 7, 7, 1)


def _bottlenecks(width, groups=1, length=56, last_dilation=1):
    """The four stages of ResNet-50 and its relatives; `last_dilation` replaces the last stride."""
    channels = 64
    for stage in (2, 3, 4, 5):
        outer, inner = 64 * 2**stage, width * 2 ** (stage - 2)
        dilation = last_dilation if stage == 5 else 1
        stride = 1 if stage == 2 or dilation > 1 else 2
        small = -(-length // stride)
        # The first block differs from the others in its input, and where it strides.
        first, rest = f"conv{stage}_1.", f"conv{stage}_x."
        yield _conv(first + "1x1a", channels, inner, length, 1)
        if stride > 1:
            yield _conv(first + "3x3", inner, inner, length, 3, stride, 1, groups=groups)
        yield _conv(rest + "1x1a", outer, inner, small, 1)
        yield _conv(rest + "3x3", inner, inner, small, 3, dilation=dilation, groups=groups)
        yield _conv(rest + "1x1b", inner, outer, small, 1)
        yield _conv(first + "shortcut", channels, outer, length, 1, stride)
        channels, length = outer, small


def _resnet50() -> Iterator[ConvShape | PoolShape]:
    yield _conv("conv1", 3, 64, 224, 7, stride=2)
    yield _pool("pool1", "max", 64, 112, 3, 2, 1)
    yield from _bottlenecks(64)
    yield _pool("pool5", "avg", 2048, 7, 7, 1)


def _resnext50() -> Iterator[ConvShape | PoolShape]:
    yield _conv("conv1", 3, 64, 224, 7, stride=2)
    yield _pool("pool1", "max", 64, 112, 3, 2, 1)
    yield from _bottlenecks(128, groups=32)
    yield _pool("pool5", "avg", 2048, 7, 7, 1)


def _mobilenet_v1() -> Iterator[ConvShape | PoolShape]:
    yield _conv("conv1", 3, 32, 224, 3, stride=2)
    channels, length = 32, 112
    for name, filters, stride in [
        ("conv2_1", 64, 1),
        ("conv2_2", 128, 2),
        ("conv3_1", 128, 1),
        ("conv3_2", 256, 2),
        ("conv4_1", 256, 1),
        ("conv4_2", 512, 2),
        ("conv5_x", 512, 1),
        ("conv5_6", 1024, 2),
        ("conv6", 1024, 1),
    ]:
        yield _conv(name + ".dw", channels, channels, length, 3, stride, 1, groups=channels)
        length //= stride
        yield _conv(name + ".pw", channels, filters, length, 1)
        channels = filters
    yield _pool("pool6", "avg", 1024, 7, 7, 1)


def _mobilenet_v2() -> Iterator[ConvShape | PoolShape]:
    yield _conv("conv1", 3, 32, 224, 3, stride=2)
    channels, length = 32, 112
    for stage, (widening, filters, repeats, first_stride) in enumerate(
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
         (6, 320, 1, 1)], start=2,
    ):  # fmt: skip
        for block in range(1, repeats + 1):
            name, stride = f"conv{stage}_{block}", first_stride if block == 1 else 1
            wide = widening * channels
            if widening > 1:
                yield _conv(name + ".expand", channels, wide, length, 1)
            yield _conv(name + ".dw", wide, wide, length, 3, stride, 1, groups=wide)
            length //= stride
            yield _conv(name + ".project", wide, filters, length, 1)
            channels = filters
    yield _conv("conv9", 320, 1280, 7, 1)
    yield _pool("pool9", "avg", 1280, 7, 7, 1)


def _deeplab() -> Iterator[ConvShape | PoolShape]:
    # LargeFOV on VGG-16, 321 x 321: the last two poolings lose their stride, conv5 and fc6 dilate.
    yield _conv("largefov.conv5_x", 512, 512, 41, 3, dilation=2)
    yield _pool("largefov.pool5", "max", 512, 41, 3, 1, 1)
    yield _conv("largefov.fc6", 512, 1024, 41, 3, dilation=12)
    yield _conv("largefov.fc7", 1024, 1024, 41, 1)
    yield _conv("largefov.fc8", 1024, 21, 41, 1)
    # v3: ResNet-50 at 513 x 513 with conv5 dilated, then spatial pyramid pooling.
    yield _conv("conv1", 3, 64, 513, 7, stride=2)
    yield _pool("pool1", "max", 64, 257, 3, 2, 1)
    yield from _bottlenecks(64, length=129, last_dilation=2)
    yield _conv("aspp.1x1", 2048, 256, 33, 1)
    for rate in (6, 12, 18):
        yield _conv(f"aspp.3x3_d{rate}", 2048, 256, 33, 3, dilation=rate)
    yield _pool("aspp.image_pool", "avg", 2048, 33, 33, 1)
    yield _conv("aspp.image_1x1", 2048, 256, 1, 1)
    yield _conv("aspp.project", 1280, 256, 33, 1)
    yield _conv("classifier", 256, 21, 33, 1)


def _dilated() -> Iterator[ConvShape | PoolShape]:
    yield _conv("256_28_d2", 256, 256, 28, 3, dilation=2)
    yield _conv("256_33_d12", 256, 256, 33, 3, dilation=12)


def _depthwise() -> Iterator[ConvShape | PoolShape]:
    yield _conv("240_28_5x5", 240, 240, 28, 5, groups=240)  # EfficientNet-B0, MobileNetV3-like


def _image() -> Iterator[ConvShape | PoolShape]:
    for k in (3, 5, 7, 9, 15, 31, 63):
        yield _conv(f"1024.{k}x{k}", 1, 1, 1024, k, batches=(1,))


def _signal() -> Iterator[ConvShape | PoolShape]:
    for k in (9, 63, 1025):
        yield _conv_nd(f"1M.k{k}", 1, 1, (1 << 20,), (k,), padding=k // 2, batches=(1,))
    yield _conv_nd("64_4096.k9", 64, 64, (4096,), (9,), padding=4, batches=(8,))


def _wav2vec2() -> Iterator[ConvShape | PoolShape]:
    channels, length = 1, 16000
    for layer, (k, stride) in enumerate([(10, 5), *[(3, 2)] * 4, *[(2, 2)] * 2]):
        yield _conv_nd(f"conv{layer}", channels, 512, (length,), (k,), stride)
        channels, length = 512, (length - k) // stride + 1
    yield _conv_nd("positional", 768, 768, (length,), (128,), padding=64, groups=16)


def _whisper() -> Iterator[ConvShape | PoolShape]:
    yield _conv_nd("conv1", 80, 384, (3000,), (3,), padding=1)
    yield _conv_nd("conv2", 384, 384, (3000,), (3,), 2, padding=1)


def _volume() -> Iterator[ConvShape | PoolShape]:
    yield _conv_nd("16_32x56x56", 16, 32, (32, 56, 56), (3, 3, 3), padding=1)


def _c3d() -> Iterator[ConvShape | PoolShape]:
    channels, depth, length = 3, 16, 112
    for stage, (filters, layers) in enumerate(
        [(64, "a"), (128, "a"), (256, "ab"), (512, "ab"), (512, "ab")], start=1
    ):
        for layer in layers:
            yield _conv_nd(f"conv{stage}{layer}", channels, filters, (depth, length, length),
                           (3, 3, 3), padding=1)  # fmt: skip
            channels = filters
        # The first pooling leaves time alone, the last is padded in space.
        kernel = (1 if stage == 1 else 2, 2, 2)
        padding = (0, 1, 1) if stage == 5 else (0, 0, 0)
        yield PoolShape(f"pool{stage}", "max", channels, (depth, length, length), kernel, kernel,
                        padding)  # fmt: skip
        depth, length = depth // kernel[0], length // 2


def _pooling() -> Iterator[ConvShape | PoolShape]:
    yield _pool("avg_2x2_112", "avg", 64, 112, 2, 2)


NETWORKS = {
    "lenet5": _lenet5,
    "alexnet": _alexnet,
    "vgg16": _vgg16,
    "googlenet": _googlenet,
    "resnet50": _resnet50,
    "mobilenet_v1": _mobilenet_v1,
    "mobilenet_v2": _mobilenet_v2,
    "resnext50": _resnext50,
    "deeplab": _deeplab,
    "dilated": _dilated,
    "depthwise": _depthwise,
    "image": _image,
    "pooling": _pooling,
    "signal": _signal,
    "wav2vec2": _wav2vec2,
    "whisper": _whisper,
    "volume": _volume,
    "c3d": _c3d,
}


def _collect(kind):
    """The first layer of each geometry within each network, by full name."""
    shapes = {}
    for network, layers in NETWORKS.items():
        seen = set()
        for layer in layers():
            geometry = replace(layer, name="")
            if isinstance(layer, kind) and geometry not in seen:
                seen.add(geometry)
                name = f"{network}.{layer.name}"
                shapes[name] = replace(layer, name=name)
    return shapes


CONV_SHAPES: dict[str, ConvShape] = _collect(ConvShape)
POOL_SHAPES: dict[str, PoolShape] = _collect(PoolShape)

# The layers on which fastconv is compared with its peers, in the order of the project's table.
PERFORMANCE_LAYERS = (
    "vgg16.conv1_1",
    "vgg16.conv1_2",
    "vgg16.conv2_2",
    "vgg16.conv3_2",
    "vgg16.conv4_2",
    "vgg16.conv5_1",
    "alexnet.conv1",
    "alexnet.conv2",
    "resnet50.conv1",
    "resnet50.conv2_x.1x1b",
    "resnet50.conv2_x.3x3",
    "resnet50.conv3_x.3x3",
    "resnet50.conv4_x.3x3",
    "resnet50.conv5_x.3x3",
    "resnet50.conv3_1.3x3",
    "resnet50.conv4_x.1x1a",
    "googlenet.inception_3a.5x5",
    "dilated.256_28_d2",
    "dilated.256_33_d12",
    "resnext50.conv2_x.3x3",
    "mobilenet_v1.conv2_1.dw",
    "mobilenet_v1.conv2_2.dw",
    "mobilenet_v1.conv5_x.dw",
    "depthwise.240_28_5x5",
    "mobilenet_v1.conv5_x.pw",
)

# Layers for the direct method alone, with the part of the machine's fused-multiply-add peak that
# it is to reach on one thread.
DIRECT_LAYERS = {
    "vgg16.conv2_2": 0.80,
    "vgg16.conv3_2": 0.80,
    "vgg16.conv4_2": 0.80,
    "resnet50.conv3_x.3x3": 0.80,
    "resnet50.conv4_x.3x3": 0.75,
    "resnet50.conv2_x.1x1b": 0.75,
    "resnet50.conv4_x.1x1a": 0.75,
    "mobilenet_v1.conv5_x.pw": 0.75,
}

# Filtering one image of one channel: the case in which SciPy and OpenCV are the peers.
SINGLE_CHANNEL = ("image.1024.3x3", "image.1024.9x9", "image.1024.31x31")

# One and three dimensions.
SIGNALS = (
    "signal.64_4096.k9",
    "signal.1M.k63",
    "wav2vec2.conv0",
    "wav2vec2.conv1",
    "wav2vec2.positional",
    "whisper.conv2",
)
VOLUMES = ("volume.16_32x56x56", "c3d.conv1a", "c3d.conv5a")

PERFORMANCE_POOLS = ("resnet50.pool1", "pooling.avg_2x2_112")
