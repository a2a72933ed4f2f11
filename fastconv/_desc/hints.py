"""Hints: what to write instead, at the end of messages about mistakes that beginners make."""

DATA_FORMATS = {
    "nwc": "channels_last", "nhwc": "channels_last", "ndhwc": "channels_last",
    "hwc": "channels_last", "dhwc": "channels_last",
    "ncw": "channels_first", "nchw": "channels_first", "ncdhw": "channels_first",
    "chw": "channels_first", "cdhw": "channels_first",
}
# Other libraries' names: SciPy's, OpenCV's and MATLAB's.
PADDING_MODES = {
    "zero": "zeros", "fill": "zeros", "mirror": "reflect", "reflect101": "reflect",
    "symm": "symmetric", "nearest": "replicate", "grid-wrap": "circular", "periodic": "circular",
}
PADDINGS = {"same_upper": "same"}
CASTINGS = {"clip": "saturate", "clamp": "saturate", "nearest": "round", "trunc": "truncate"}
MODES = ("reflect", "symmetric", "replicate", "edge", "circular", "wrap", "zeros", "constant")
NOUNS = {1: "a signal", 2: "an image", 3: "a volume"}
COLOURS = (3, 4)  # channels that a picture from a file has last


def of_a_name(value, names, others=None):
    """``"; write 'same'"`` for ``'SAME'``, where the name is one of `names` or of `others`."""
    if not isinstance(value, str):
        return ""
    name = value.strip().lower()
    name = (others or {}).get(name, name.replace("-", "_"))
    return f"; write {name!r}" if name in names else ""


def of_padding(value, names):
    """For the padding argument, whose causal form is no name here, and which is no mode."""
    if isinstance(value, str) and value.lower() == "causal":
        return "; causal padding is a pair, ((dilation * (kernel - 1), 0),)"
    if isinstance(value, str) and value.lower() in MODES:
        return (f"; that is a padding_mode: give padding_mode={value.lower()!r}, and as padding "
                f"how much of it")
    return of_a_name(value, names, PADDINGS)


def of_padding_entries(items, rank):
    """For as many numbers as there are ends of axes."""
    if len(items) != 2 * rank:
        return ""
    if rank == 1:
        return f"; before and after an axis are a pair, (({items[0]}, {items[1]}),)"
    return "; before and after are a (before, after) pair for each axis"


def of_casting(value, names):
    """For the casting argument, whose NumPy name does two things."""
    if value == "unsafe":
        return "; NumPy's 'unsafe' is 'wrap' for integers and 'truncate' for other numbers"
    return of_a_name(value, names, CASTINGS)


def of_bias(shape):
    """For a number, most likely the stride of libraries that have it in the third place."""
    return "" if shape else "; stride, padding and dilation come after it: give them by name"


def of_weight_axes(name, axes, rank):
    """For a weight with so many axes, on so many spatial axes, or on any number of them."""
    if axes == 3 and rank == 2 and not name.endswith("_shape"):
        return f"; filters of one channel each are {name}[:, None], and one filter {name}[None]"
    if axes == 0 or axes > (2 if rank is None else rank):
        return ""
    if name.endswith("_shape"):
        return f"; one filter of one channel has the shape (1, 1, *{name})"
    return (f"; one filter of one channel is {name}[None, None], and fastconv.ndimage.correlate "
            f"takes an image and a kernel as they are")


def of_image_axes(name, axes, rank, last):
    """For an image without an axis of channels."""
    if axes != rank or axes == 0:
        return ""
    if name.endswith("_shape"):
        shown = f"has the shape (*{name}, 1)" if last else f"has the shape (1, *{name})"
    else:
        shown = f"is {name}[..., None]" if last else f"is {name}[None]"
    return f"; {NOUNS[rank]} of one channel {shown}"


def of_groups(x, xs, groups, last):
    """For channels that groups do not divide, but would if they came last."""
    if last or xs[-1] % groups or xs[-1] not in COLOURS:
        return ""
    return f"; if the channels of {x} come last, give data_format='channels_last'"


def of_shape(name):
    """For an array in the place of its shape."""
    return f"; {name} is the array's .shape"


def of_channels(x, xs, weight, ws, groups, channels, last):
    """For channels and a weight that do not fit: the shapes of both, and what they mean."""
    rank = len(ws) - 2
    wanted = ws[1] * groups
    if xs[-rank - 1 if last else -1] == wanted:
        if last:
            return f"; if the channels of {x} come first, leave data_format='channels_last' out"
        return f"; if the channels of {x} come last, give data_format='channels_last'"
    if ws[1] == groups == 1 < channels and (
            hint := of_one_channel(x, xs, weight, ws, channels, last)):
        return hint
    if weight.endswith("_shape"):
        return ""
    if ws[-2] * groups == channels and len(set(ws[:rank])) == 1:
        order = ", ".join(map(str, (rank + 1, rank, *range(rank))))
        return f"; a weight in TensorFlow's layout needs {weight}.transpose({order})"
    if ws[0] == channels and groups == 1:
        return f"; if its first axis is that of the channels, give {weight}.swapaxes(0, 1)"
    return ""


def of_one_channel(x, xs, weight, ws, channels, last):
    """For kernels of one channel that meet more: colours, a stack of images, a bank for each."""
    if ws[0] % channels == 0:
        return f"; to filter each channel by itself give groups={channels}"
    if not last and xs[-1] in COLOURS and channels not in COLOURS:
        return f"; if the channels of {x} come last, give data_format='channels_last'"
    if not last and len(xs) == len(ws) - 1 and channels > COLOURS[-1]:
        stack = f"(n, 1, *{x}[1:])" if x.endswith("_shape") else f"{x}[:, None]"
        return f"; a stack of {channels} with one channel each is {stack}"
    if ws[0] == 1 and not weight.endswith("_shape"):
        return (f"; to filter each channel by the same kernel give groups={channels} and "
                f"{weight}.repeat({channels}, axis=0)")
    return ""


def of_one_filter(weight, ws, groups):
    """For a single filter that all groups are meant to share."""
    if ws[0] != 1 or weight.endswith("_shape"):
        return ""
    return f"; the same one for each group is {weight}.repeat({groups}, axis=0)"


def of_transposed(weight, ws, groups, channels):
    """For the weight of a transposed convolution, whose first axis is that of what comes in."""
    if weight.endswith("_shape") or ws[1] != channels or groups != 1:
        return ""
    return f"; if its first axis is that of the filters, give {weight}.swapaxes(0, 1)"


def of_depthwise(weight, ws, channels):
    """For depthwise filters with TensorFlow's axes."""
    n = len(ws) - 2
    if ws[n] != channels or len(set(ws[:n])) != 1:
        return ""
    order = ", ".join(map(str, (n, n + 1, *range(n))))
    shape = ", ".join(map(str, (channels * ws[-1], 1, *ws[:n])))
    return (f"; a weight in TensorFlow's layout needs "
            f"{weight}.transpose({order}).reshape({shape})")


def of_depthwise_channels(xs, ws, last):
    """For an image whose channels stand elsewhere."""
    channels = xs[1 - len(ws) if last else -1]
    if channels == 0 or ws[0] % channels:
        return ""
    if last:
        return "; if the channels of x come first, leave data_format='channels_last' out"
    return "; if the channels of x come last, give data_format='channels_last'"


def of_pointwise(weight, ws, ds):
    """For a matrix, or one with TensorFlow's axes."""
    n = len(ds) - 2
    if len(ws) == 2 and ws[1] == ds[0]:
        return f"; write {weight}[:, :, {', '.join(['None'] * n)}]"
    if len(ws) == n + 2 and ws[n] == ds[0] and set(ws[:n]) == {1}:
        order = ", ".join(map(str, (n + 1, n, *range(n))))
        return f"; a weight in TensorFlow's layout needs {weight}.transpose({order})"
    return ""
