"""
Why is my call slow?
====================

Ask :func:`fastconv.explain`. Four calls that take longer than they need, what it says of them, and
what to write instead.
"""

# sphinx_gallery_capture_repr = ("_repr_html_",)
# sphinx_gallery_thumbnail_path = "_static/performance.png"

import timeit

import numpy as np

import fastconv

rng = np.random.default_rng(0)


def milliseconds(call):
    """The least of a few runs."""
    return f"{min(timeit.repeat(call, number=1, repeat=5)) * 1e3:.2f} ms"


# %%
# A layer in float64
# ------------------
#
# NumPy's functions make float64 unless told otherwise.

x, weight = rng.standard_normal((1, 64, 56, 56)), rng.standard_normal((64, 64, 3, 3))
print(x.dtype, milliseconds(lambda: fastconv.conv2d(x, weight, padding=1)))

# %%
# The shapes, the dtype (float32, unless it is said) and the arguments of the call are all that
# ``explain`` wants. In a notebook, and here, it shows itself as a table; ``print`` shows it in
# plain text.

fastconv.explain(x.shape, weight.shape, padding=1, dtype="float64")

# %%
# The bold row runs. Others are refused, with the reason in the last column: of float64 the promise
# is the strictest, ``"highest"``, and Winograd's algorithm does not keep it; the head says what
# that costs. There are two ways out: say that a weaker promise will do, or, as in most networks,
# compute in float32.

x32, weight32 = x.astype(np.float32), weight.astype(np.float32)
print("high:   ", milliseconds(lambda: fastconv.conv2d(x, weight, padding=1, precision="high")))
print("float32:", milliseconds(lambda: fastconv.conv2d(x32, weight32, padding=1)))

# %%
# One array of float64 is enough to make the whole call so:

print(fastconv.conv2d(x32, weight, padding=1).dtype)

# %%
# A long kernel in float64
# ------------------------
#
# It is the same with long kernels, where a Fourier transform is quicker the longer they are. By
# default the promise gives way only where direct sums would take more than eight times as long. The
# first transform of a process takes a few tenths of a second more, for loading SciPy's.

x, kernel = rng.standard_normal((1, 1, 400, 400)), rng.standard_normal((1, 1, 61, 61))
print("default:", milliseconds(lambda: fastconv.conv2d(x, kernel, padding=30)))
print("high:   ", milliseconds(lambda: fastconv.conv2d(x, kernel, padding=30, precision="high")))
print(fastconv.explain(x.shape, kernel.shape, padding=30, dtype="float64").head)

# %%
# ``ndimage.correlate`` and ``convolve`` have SciPy's bits by default, and permit the same by the
# same argument: ``precision="high"``.

# %%
# A method by name
# ----------------
#
# ``method=`` is for comparing and for teaching. Named, it runs, also where it is slow, as
# :doc:`/algorithms/sliding` is, which adds up one product after the other; leave it out:

x, weight = rng.standard_normal((1, 16, 28, 28)), rng.standard_normal((16, 16, 3, 3))
print("sliding:", milliseconds(lambda: fastconv.conv2d(x, weight, method="sliding")))
print("auto:   ", milliseconds(lambda: fastconv.conv2d(x, weight)))
print(fastconv.explain(x.shape, weight.shape, dtype="float64", method="sliding").head)

# %%
# Many small calls
# ----------------
#
# A call costs something before it computes. A batch is one call, and its results are the same, to
# the last bit.

tiles = rng.standard_normal((500, 1, 16, 16), dtype=np.float32)
kernel = rng.standard_normal((1, 1, 3, 3), dtype=np.float32)
print("one by one:", milliseconds(lambda: [fastconv.conv2d(tile, kernel) for tile in tiles]))
print("at once:   ", milliseconds(lambda: fastconv.conv2d(tiles, kernel)))
alone = np.stack([fastconv.conv2d(tile, kernel) for tile in tiles])
print(np.array_equal(alone, fastconv.conv2d(tiles, kernel)))

# %%
# The same weights again and again
# --------------------------------
#
# Each call packs or transforms the weights. Where these are many and the image is small, that is
# much of the time. A plan does it once.

x = rng.standard_normal((1, 256, 14, 14), np.float32)
weight = rng.standard_normal((256, 256, 3, 3), np.float32)
plan = fastconv.plan_conv(x.shape, weight, padding=1)
print("call:", milliseconds(lambda: fastconv.conv2d(x, weight, padding=1)))
print("plan:", milliseconds(lambda: plan(x)))

# %%
plan  # noqa: B018

# %%
# A limit on memory
# -----------------
#
# ``max_workspace`` leaves out the methods that need more scratch memory. With zero there is one
# left, which adds up one product after the other.

fastconv.explain(x.shape, weight.shape, padding=1, max_workspace=0)

# %%
# The bound is for one thread, and so is the column *memory* with ``num_threads=1``; 4 MiB are
# enough for a quick one here.

rows = fastconv.explain(
    x.shape, weight.shape, padding=1, max_workspace=4 << 20, num_threads=1
)
print([row["method"] for row in rows if row["verdict"] == "chosen"])

# %%
# Estimates and the clock
# -----------------------
#
# The estimates are those of a model of one thread, by which the choice is made, and may be off by a
# factor of two. ``measure=True`` runs every method that can serve, on this machine, and adds a
# column; where one of them takes seconds, so does that.

fastconv.explain((1, 16, 28, 28), (16, 16, 5, 5), padding=2, num_threads=1, measure=True)

# %%
# At a terminal the same is ``fastconv explain 1,16,28,28 16,16,5,5 --padding 2 --threads 1
# --measure``. What to know beyond: the threads of other libraries (:doc:`/threads`), and how the
# choice is made (:doc:`/algorithms/choice`).
