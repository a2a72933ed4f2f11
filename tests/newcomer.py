"""An algorithm in plain NumPy, forward only: the guide shows it, and `test_registry` registers it.

For every kernel position and channel, one product of shifted images with a column of weights. Sums
are of a wider type, so that they need no blocks.
"""
import numpy as np

from fastconv._algorithms.finish import finish
from fastconv._algorithms.record import FORWARD, Algorithm, Cost

MAX_PRODUCTS = 5e6  # of an image, since each of its steps is a call of NumPy's
# as in padding_mode_t
PADDING = ("constant", "reflect", "symmetric", "edge", "wrap", "constant")


def supports(desc, which):
    if desc.flops() > 2 * MAX_PRODUCTS:
        return f"is for at most {MAX_PRODUCTS:.0e} products, not {desc.flops() / 2:.0e}"
    return None


def workspace(desc, which, threads):
    """None of the package's: arrays are NumPy's."""
    return 0


def cost(desc, which):
    return Cost(arithmetic=desc.flops() * 1e-9, start=1e-4)


class Newcomer:
    """One layer, and its weights as columns: (kernel positions, channels of a group, filters)."""

    def __init__(self, desc, weight):
        self.desc = desc
        self.geometry = desc.geometry
        self.axes = tuple(range(2, 2 + self.geometry["rank"]))
        if self.geometry["flip"]:
            weight = np.flip(weight, self.axes)
        self.wide = np.float64 if desc.itemsize == 4 else np.longdouble
        self.weight = np.moveaxis(weight, (0, 1), (-1, -2)).astype(self.wide)

    def run(self, source, bias, residual, out, threads):
        if out.size == 0:
            return
        x, y = source, out
        if self.geometry["channels_last"]:
            x, y = np.moveaxis(x, -1, 1), np.moveaxis(y, -1, 1)
        with np.errstate(all="ignore"):
            self.correlate(self.padded(x), y)
        finish(self.desc, out, bias, residual)

    def of_axes(self, name):
        """What the description has of each spatial axis, of which it holds three."""
        return self.geometry[name][3 - len(self.axes):]

    def padded(self, x):
        around = tuple(zip(self.of_axes("before"), self.of_axes("after"), strict=True))
        # negative padding cuts
        x = x[(..., *(slice(max(-low, 0), n - max(-high, 0))
                      for (low, high), n in zip(around, x.shape[2:], strict=True)))]  # fmt: skip
        around = [(max(low, 0), max(high, 0)) for low, high in around]
        mode = PADDING[self.geometry["padding_mode"]]
        held = {"constant_values": self.geometry["padding_value"]} if mode == "constant" else {}
        return np.pad(x, ((0, 0), (0, 0), *around), mode, **held) if np.any(around) else x

    def correlate(self, x, y):
        groups = self.geometry["groups"]
        channels, filters = x.shape[1] // groups, y.shape[1] // groups
        sums = np.zeros(y.shape, self.wide)
        for tap in np.ndindex(*self.of_axes("kernel")):
            seen = x[(..., *(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, s, n in zip(
                tap, self.of_axes("dilation"), self.of_axes("stride"), y.shape[2:],
                strict=True)))]  # fmt: skip
            for group in range(groups):
                into = slice(group * filters, (group + 1) * filters)
                for channel in range(channels):
                    weights = self.weight[tap][channel, into].reshape(-1, *(1 for _ in self.axes))
                    sums[:, into] += weights * seen[:, group * channels + channel, None]
        y[...] = sums


def prepare(desc, which, weight, threads):
    return Newcomer(desc, weight)


ALGORITHM = Algorithm(
    name="newcomer", passes=(FORWARD,), tier="highest", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, openmp_threads=False, scratch_grows_with_image=True,
)
