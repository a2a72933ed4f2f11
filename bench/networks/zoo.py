"""The seven networks. Each function takes the input and adds the network's layers to it.

They are the networks that people run today, which differ a little from the papers: the
single-tower AlexNet (Krizhevsky 2014) with torchvision's widths; VGG-16 as it was; GoogLeNet
(Szegedy et al. 2015), ResNet-50 (He et al. 2016, strides in the 3x3 layers) and MobileNet v1
(Howard et al. 2017) and v2 (Sandler et al. 2018) with batch normalisation after each convolution.
Nobody normalises local responses any more, so AlexNet and GoogLeNet do without. GoogLeNet keeps the
5x5 layers and the 3x3 poolings of the paper, where torchvision has 3x3 and, once, 2x2; its
auxiliary classifiers serve training only. All end with the scores of the classes; the softmax is
left out.

Images may have another size than 224, as long as it goes through; the dense layers adapt to it.
"""

from .layers import Network, concat


def lenet5(x):
    """LeCun et al. 1998, with C3 fully connected."""
    x = x.conv("C1", 6, 5, activation="tanh")
    x = x.avg_pool("S2", 2)
    x = x.conv("C3", 16, 5, activation="tanh")
    x = x.avg_pool("S4", 2)
    x = x.conv("C5", 120, 5, activation="tanh")
    x = x.flatten()
    x = x.dense("F6", 84, activation="tanh")
    return x.dense("output", 10, activation=None)


def alexnet(x):
    """Large kernels and strides first: the image is small before there are many channels."""
    x = x.conv("conv1", 64, 11, stride=4, padding=2)
    x = x.max_pool("pool1", 3, 2)
    x = x.conv("conv2", 192, 5, padding=2)
    x = x.max_pool("pool2", 3, 2)
    x = x.conv("conv3", 384, 3, padding=1)
    x = x.conv("conv4", 256, 3, padding=1)
    x = x.conv("conv5", 256, 3, padding=1)
    x = x.max_pool("pool5", 3, 2)
    x = x.flatten()
    x = x.dense("fc6", 4096)
    x = x.dense("fc7", 4096)
    return x.dense("fc8", 1000, activation=None)


def vgg16(x):
    """Nothing but 3x3 kernels; each pooling halves the image, each stage doubles the channels."""
    stages = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
    for stage, (filters, depth) in enumerate(stages, start=1):
        for layer in range(1, depth + 1):
            x = x.conv(f"conv{stage}_{layer}", filters, 3, padding=1)
        x = x.max_pool(f"pool{stage}", 2)
    x = x.flatten()
    x = x.dense("fc6", 4096)
    x = x.dense("fc7", 4096)
    return x.dense("fc8", 1000, activation=None)


def googlenet(x):
    """Four branches see the same input at several scales; 1x1 layers make the large ones cheap."""

    def inception(x, module, c1, c3_reduce, c3, c5_reduce, c5, proj):
        name = f"inception_{module}."
        one = x.conv(name + "1x1", c1, 1, norm=True)
        three = x.conv(name + "3x3_reduce", c3_reduce, 1, norm=True)
        three = three.conv(name + "3x3", c3, 3, padding=1, norm=True)
        five = x.conv(name + "5x5_reduce", c5_reduce, 1, norm=True)
        five = five.conv(name + "5x5", c5, 5, padding=2, norm=True)
        pooled = x.max_pool(name + "pool", 3, 1, padding=1)
        pooled = pooled.conv(name + "pool_proj", proj, 1, norm=True)
        return concat(name + "concat", one, three, five, pooled)

    x = x.conv("conv1", 64, 7, stride=2, padding=3, norm=True)
    x = x.max_pool("pool1", 3, 2, ceil_mode=True)
    x = x.conv("conv2_reduce", 64, 1, norm=True)
    x = x.conv("conv2", 192, 3, padding=1, norm=True)
    x = x.max_pool("pool2", 3, 2, ceil_mode=True)
    x = inception(x, "3a", 64, 96, 128, 16, 32, 32)
    x = inception(x, "3b", 128, 128, 192, 32, 96, 64)
    x = x.max_pool("pool3", 3, 2, ceil_mode=True)
    x = inception(x, "4a", 192, 96, 208, 16, 48, 64)
    x = inception(x, "4b", 160, 112, 224, 24, 64, 64)
    x = inception(x, "4c", 128, 128, 256, 24, 64, 64)
    x = inception(x, "4d", 112, 144, 288, 32, 64, 64)
    x = inception(x, "4e", 256, 160, 320, 32, 128, 128)
    x = x.max_pool("pool4", 3, 2, ceil_mode=True)
    x = inception(x, "5a", 256, 160, 320, 32, 128, 128)
    x = inception(x, "5b", 384, 192, 384, 48, 128, 128)
    x = x.global_avg_pool("pool5").flatten()
    return x.dense("fc", 1000, activation=None)


def resnet50(x):
    """Blocks that add to what they are given: narrow by 1x1, filter by 3x3, widen by 1x1."""
    x = x.conv("conv1", 64, 7, stride=2, padding=3, norm=True)
    x = x.max_pool("pool1", 3, 2, padding=1)
    for stage, blocks in enumerate([3, 4, 6, 3], start=2):
        narrow, wide = 16 * 2**stage, 64 * 2**stage
        for block in range(1, blocks + 1):
            name = f"conv{stage}_{block}."
            stride = 2 if stage > 2 and block == 1 else 1
            y = x.conv(name + "1x1a", narrow, 1, norm=True)
            y = y.conv(name + "3x3", narrow, 3, stride, padding=1, norm=True)
            if block == 1:  # the input has another shape than the sum
                x = x.conv(name + "shortcut", wide, 1, stride, norm=True, activation=None)
            x = y.conv(name + "1x1b", wide, 1, norm=True, residual=x)
    x = x.global_avg_pool("pool5").flatten()
    return x.dense("fc", 1000, activation=None)


def mobilenet_v1(x):
    """A convolution in two steps: each channel by itself in space, then across channels."""
    x = x.conv("conv1", 32, 3, stride=2, padding=1, norm=True, activation="relu6")
    blocks = [
        ("conv2_1", 64, 1), ("conv2_2", 128, 2), ("conv3_1", 128, 1), ("conv3_2", 256, 2),
        ("conv4_1", 256, 1), ("conv4_2", 512, 2), *((f"conv5_{i}", 512, 1) for i in range(1, 6)),
        ("conv5_6", 1024, 2), ("conv6", 1024, 1),
    ]  # fmt: skip
    for name, filters, stride in blocks:
        channels = x.shape[0]
        x = x.conv(name + ".dw", channels, 3, stride, padding=1, groups=channels, norm=True,
                   activation="relu6")  # fmt: skip
        x = x.conv(name + ".pw", filters, 1, norm=True, activation="relu6")
    x = x.global_avg_pool("pool6").flatten()
    return x.dense("fc", 1000, activation=None)


def mobilenet_v2(x):
    """Narrow sums, wide filters: a block widens, filters in space, narrows, adds what came in."""
    x = x.conv("conv1", 32, 3, stride=2, padding=1, norm=True, activation="relu6")
    blocks = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
              (6, 160, 3, 2), (6, 320, 1, 1)]  # fmt: skip
    for stage, (widening, filters, repeats, stage_stride) in enumerate(blocks, start=2):
        for block in range(1, repeats + 1):
            name, y = f"conv{stage}_{block}.", x
            stride = stage_stride if block == 1 else 1
            wide = widening * x.shape[0]
            if widening > 1:
                y = y.conv(name + "expand", wide, 1, norm=True, activation="relu6")
            y = y.conv(name + "dw", wide, 3, stride, padding=1, groups=wide, norm=True,
                       activation="relu6")  # fmt: skip
            x = y.conv(name + "project", filters, 1, norm=True, activation=None,
                       residual=x if stride == 1 and filters == x.shape[0] else None)  # fmt: skip
    x = x.conv("conv9", 1280, 1, norm=True, activation="relu6")
    x = x.global_avg_pool("pool9").flatten()
    return x.dense("fc", 1000, activation=None)


NETWORKS = {
    "lenet5": (lenet5, (1, 32, 32)),
    "alexnet": (alexnet, (3, 224, 224)),
    "vgg16": (vgg16, (3, 224, 224)),
    "googlenet": (googlenet, (3, 224, 224)),
    "resnet50": (resnet50, (3, 224, 224)),
    "mobilenet_v1": (mobilenet_v1, (3, 224, 224)),
    "mobilenet_v2": (mobilenet_v2, (3, 224, 224)),
}


def build(name, size=None, seed=0):
    """Describe a network by name, for square images of `size` pixels instead of the usual."""
    describe, (channels, *plane) = NETWORKS[name]
    return Network(name, describe, (channels, *([size] * 2 if size else plane)), seed)
