"""
Run a state_dict without PyTorch
================================

A network's weights are a dictionary of arrays. Saved as ``.npz`` or ``.safetensors``, they need no
framework to be read, and fastconv's functions take them as they are: the order of axes is
PyTorch's.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastconv

# %%
# Where the weights come from
# ---------------------------
#
# On the machine where PyTorch is, one line saves them:
#
# .. code-block:: python
#
#    np.savez("net.npz", **{name: t.numpy() for name, t in net.state_dict().items()})
#    safetensors.torch.save_file(net.state_dict(), "net.safetensors")      # or this
#
# This page has no PyTorch, so it makes the dictionary that
#
# .. code-block:: python
#
#    nn.Sequential(
#        nn.Conv2d(3, 16, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
#        nn.MaxPool2d(3, stride=2, padding=1),
#        nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 32, 1), nn.ReLU(),
#        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
#    )
#
# would have: names, shapes and dtypes; the numbers are drawn.

rng = np.random.default_rng(0)


def drawn(*shape):
    return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


state = {
    "0.weight": drawn(16, 3, 5, 5),
    "1.weight": rng.uniform(0.5, 2, 16).astype(np.float32),
    "1.bias": drawn(16),
    "1.running_mean": drawn(16) / 4,
    "1.running_var": rng.uniform(0.5, 2, 16).astype(np.float32),
    "4.weight": drawn(16, 1, 3, 3),
    "4.bias": drawn(16) / 4,
    "5.weight": drawn(32, 16, 1, 1),
    "5.bias": drawn(32) / 4,
    "9.weight": drawn(10, 32),
    "9.bias": drawn(10) / 4,
}

# %%
# Read a .safetensors file
# ------------------------
#
# Eight bytes that say how long the header is, the header in JSON, then the numbers. So the reader
# is this function, and what it returns are views of the file: nothing is copied.

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def read_safetensors(path):
    """The arrays of a file, by name."""
    raw = np.memmap(path, mode="r")
    start = 8 + int.from_bytes(raw[:8].tobytes(), "little")
    header = json.loads(raw[8:start].tobytes())
    header.pop("__metadata__", None)
    return {
        name: raw[start:][slice(*entry["data_offsets"])]
        .view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }


def write_safetensors(path, arrays):
    """The other way round, so that this page has a file to read; all arrays are float32."""
    header, end = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape,
                        "data_offsets": [end, end := end + array.nbytes]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text
                     + b"".join(array.tobytes() for array in arrays.values()))


with TemporaryDirectory() as folder:
    np.savez(Path(folder) / "net.npz", **state)
    write_safetensors(Path(folder) / "net.safetensors", state)
    with np.load(Path(folder) / "net.npz") as file:
        loaded = dict(file)
    tensors = read_safetensors(Path(folder) / "net.safetensors")
    print(all(np.array_equal(loaded[name], tensors[name]) for name in state), len(loaded), "arrays")
    del tensors  # views of a file that goes away

# %%
# Fold the normalisation
# ----------------------
#
# At inference, batch normalisation multiplies each channel by a number and adds another. The
# convolution before it can do that: scale its filters, and give it a bias.


def folded(weight, bias, p, name, eps=1e-5):
    """Weights and bias of a convolution that does the normalisation as well."""
    scale = p[f"{name}.weight"] / np.sqrt(p[f"{name}.running_var"] + eps)
    shift = p[f"{name}.bias"] - p[f"{name}.running_mean"] * scale
    weight = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    return weight, shift if bias is None else shift + bias * scale


# %%
# The network
# -----------
#
# A layer that runs often is a plan: its weights packed, its method chosen. Bias and ReLU are part
# of it.

size = 224
p = loaded
w0, b0 = folded(p["0.weight"], None, p, "1")
conv0 = fastconv.plan_conv((1, 3, size, size), w0, b0, stride=2, padding=2, activation="relu")
conv4 = fastconv.plan_conv((1, 16, 56, 56), p["4.weight"], p["4.bias"], padding=1, groups=16)
conv5 = fastconv.plan_conv((1, 16, 56, 56), p["5.weight"], p["5.bias"], activation="relu")


def network(x):
    """Scores of a batch."""
    x = fastconv.max_pool2d(conv0(x), 3, stride=2, padding=1)
    x = fastconv.global_avg_pool(conv5(conv4(x)))[:, :, 0, 0]
    return x @ p["9.weight"].T + p["9.bias"]


picture = data.astronaut()[:448:2, :448:2]
x = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32) / 127.5 - 1
print(network(x).round(3))

# %%
# Is it the same network?
# -----------------------
#
# The layer with its normalisation apart, and by plain sums in float64:

from fastconv.testing import reference  # noqa: E402

wide, weight = x.astype(np.float64), p["0.weight"].astype(np.float64)
plain = reference.conv(wide, weight, stride=2, padding=2)
channel = (slice(None), None, None)
plain -= p["1.running_mean"][channel]
plain *= (p["1.weight"] / np.sqrt(p["1.running_var"] + 1e-5))[channel]
plain = np.maximum(plain + p["1.bias"][channel], 0)
print("largest difference", np.abs(plain - conv0(x)).max())

fig, axes = plt.subplots(1, 6, figsize=(8, 1.6))
axes[0].imshow(picture)
for axis, image in zip(axes[1:], conv0(x)[0], strict=False):
    axis.imshow(image)
for axis in axes:
    axis.axis("off")

# %%
# What each layer of ``torch.nn`` is called here says :doc:`/pytorch`.
