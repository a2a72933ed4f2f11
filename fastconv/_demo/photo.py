"""Filter a photograph with fastconv and with SciPy; compare times and results."""

import time
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage, signal
from sklearn.datasets import load_sample_image

import fastconv

# Rec. 709 luma: what the eye sees of the three channels.
_LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


@dataclass(eq=False)
class Filter:
    """One or more kernels that go over one or more image planes.

    `planes` is ``(P, 1, H, W)``: each plane is an image of its own, so that a colour photograph
    is a batch of three. `kernels` is ``(K, 1, kh, kw)``.
    """

    name: str
    planes: np.ndarray
    kernels: np.ndarray
    result: np.ndarray | None = None
    seconds: dict = field(default_factory=dict)
    error: float = float("nan")

    @property
    def size(self):
        count, _, kh, kw = self.kernels.shape
        return f"{kh}×{kw}" + (f", {count} kernels" if count > 1 else "")

    @property
    def label(self):
        return f"{self.name} {self.size}"

    @property
    def fastest_scipy(self):
        return min(seconds for name, seconds in self.seconds.items() if name != "fastconv")

    @property
    def speedup(self):
        return self.fastest_scipy / self.seconds["fastconv"]


def photograph(name="china.jpg"):
    """Return the photograph as float32 ``(3, H, W)`` in ``[0, 1]``."""
    image = load_sample_image(name)
    return np.ascontiguousarray(np.moveaxis(image, -1, 0), dtype=np.float32) / 255


def gaussian_kernel(size, sigma):
    """Sampled Gaussian, ``(1, 1, size, size)``, sum one."""
    r = np.arange(size) - size // 2
    g = np.exp(-0.5 * (r / sigma) ** 2)
    g = np.outer(g, g)
    return (g / g.sum()).astype(np.float32)[None, None]


def sobel_kernels():
    """The horizontal and the vertical derivative, ``(2, 1, 3, 3)``."""
    dx = np.outer([1, 2, 1], [-1, 0, 1]) / 4
    return np.stack([dx, dx.T]).astype(np.float32)[:, None]


def sharpen_kernel(size=7, sigma=1.2, amount=1.6):
    """Unsharp mask: the image plus `amount` times its difference from a blurred copy."""
    kernel = -amount * gaussian_kernel(size, sigma)
    kernel[..., size // 2, size // 2] += 1 + amount
    return kernel


def gabor_bank(orientations=8, size=15, wavelength=6.0, sigma=3.0):
    """Quadrature pairs of Gabor kernels, ``(2 * orientations, 1, size, size)``.

    The first half are the even (cosine) kernels, with their mean removed so that flat regions
    give zero; the second half are the odd (sine) ones.
    """
    r = np.arange(size) - size // 2
    yy, xx = np.meshgrid(r, r, indexing="ij")
    envelope = np.exp(-0.5 * (xx**2 + yy**2) / sigma**2)
    theta = np.pi * np.arange(orientations)[:, None, None] / orientations
    phase = 2 * np.pi / wavelength * (xx * np.cos(theta) + yy * np.sin(theta))
    even = envelope * np.cos(phase)
    even -= envelope * (even.sum((1, 2), keepdims=True) / envelope.sum())
    bank = np.concatenate([even, envelope * np.sin(phase)]) / envelope.sum()
    return bank.astype(np.float32)[:, None]


def filters(photo):
    """The four filters of the demonstration, ready to run."""
    colour = photo[:, None]
    grey = np.tensordot(_LUMA, photo, axes=1)[None, None]
    return [
        Filter("Gaussian blur", colour, gaussian_kernel(15, 3.0)),
        Filter("Sobel", grey, sobel_kernels()),
        Filter("Sharpen", colour, sharpen_kernel()),
        Filter("Gabor", grey, gabor_bank()),
    ]


def _with_fastconv(planes, kernels):
    # flip=True is the mathematical convolution, which is what the two SciPy functions compute.
    return fastconv.conv2d(planes, kernels, padding="same", padding_mode="symmetric", flip=True)


def _with_signal(planes, kernels):
    return np.array(
        [
            [signal.convolve2d(plane[0], k[0], mode="same", boundary="symm") for k in kernels]
            for plane in planes
        ]
    )


def _with_ndimage(planes, kernels):
    # What ndimage calls "reflect" repeats the edge sample: np.pad's "symmetric".
    return np.array(
        [[ndimage.convolve(plane[0], k[0], mode="reflect") for k in kernels] for plane in planes]
    )


CONTENDERS = {
    "fastconv": _with_fastconv,
    "scipy.ndimage": _with_ndimage,
    "scipy.signal": _with_signal,
}


def run(filter_, rounds=5, limit=2.0):
    """Run one filter with every contender; record the best times and the error of fastconv.

    The contenders alternate, so that a machine whose clock drifts favours none of them; each turn
    takes a fiftieth of a second or one call. At most `rounds` rounds, and none begins after
    `limit` seconds. The error is against SciPy in float64,
    relative to the largest value of the result.
    """
    filter_.result = _with_fastconv(filter_.planes, filter_.kernels)
    exact = _with_ndimage(filter_.planes.astype(np.float64), filter_.kernels.astype(np.float64))
    filter_.error = float(abs(filter_.result - exact).max() / abs(exact).max())

    best = dict.fromkeys(CONTENDERS, np.inf)
    start = time.perf_counter()
    for _ in range(rounds):
        for name, function in CONTENDERS.items():
            turn = time.perf_counter()
            while True:
                before = time.perf_counter()
                function(filter_.planes, filter_.kernels)
                after = time.perf_counter()
                best[name] = min(best[name], after - before)
                if after - turn > 0.02:
                    break
        if time.perf_counter() - start > limit:
            break
    filter_.seconds = best
    return filter_


def table(results):
    """The comparison as lines of text."""
    lines = [
        f"{'filter':<25}{'planes':>7}{'fastconv':>12}{'ndimage':>12}{'signal':>12}"
        f"{'faster':>9}{'error':>10}"
    ]
    lines.append("-" * len(lines[0]))
    for r in results:
        label = r.label.replace("×", "x")  # not every terminal has it
        ms = {name: f"{1e3 * seconds:.2f} ms" for name, seconds in r.seconds.items()}
        lines.append(
            f"{label:<25}{len(r.planes):>7}{ms['fastconv']:>12}{ms['scipy.ndimage']:>12}"
            f"{ms['scipy.signal']:>12}{r.speedup:>8.1f}x{r.error:>10.1e}"
        )
    return lines
