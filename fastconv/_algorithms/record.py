"""What an algorithm tells the layer that selects: one record each."""
from collections.abc import Callable
from typing import NamedTuple

FORWARD, BACKWARD_DATA, BACKWARD_WEIGHT = PASSES = "forward", "backward_data", "backward_weight"


class Cost(NamedTuple):
    """Estimated seconds for one image on one thread, term by term.

    Attributes
    ----------
    arithmetic : float
        Products, with the lanes of vectors that stay empty.
    gather : float
        What is copied before it is multiplied: windows, columns, tiles.
    transform : float
        Into another form and back: Winograd's and Fourier's, and packed weights.
    traffic : float
        What caches and memory deliver besides: results, weights, spectra.
    start : float
        Of a call and of its blocks, whatever their size.
    """

    arithmetic: float = 0.0
    gather: float = 0.0
    transform: float = 0.0
    traffic: float = 0.0
    start: float = 0.0

    @property
    def seconds(self):
        return sum(self)


class Algorithm(NamedTuple):
    """One way to compute a convolution.

    Attributes
    ----------
    name : str
        What ``method=`` calls it.
    passes : tuple of str
        The passes it has: forward, backward_data, backward_weight.
    tier : str
        The strictest precision whose promise it keeps.
    supports : callable(desc, pass) -> None or str
        None where it can serve, else the reason in words.
    workspace : callable(desc, pass, threads) -> int
        Scratch memory in bytes, packed weights included, for one call of any batch size.
    cost : callable(desc, pass) -> Cost
        What the automatic choice compares, of what it supports.
    prepare : callable(desc, pass, weight, threads) -> object
        For forward and backward_data: an object with ``run(source, bias, residual, out,
        threads)``, which holds the weights as the algorithm wants them.
    weight_gradient : callable(desc, grad_output, x, out, per_sample, threads)
        For backward_weight; None for an algorithm without that pass.
    scratch_grows_with_image : bool
        Whether scratch memory may grow with the image. Without it, what is needed is bounded by
        caches and threads, and the tests measure that it is.
    openmp_threads : bool
        Whether it works on OpenMP's threads, which stay for the next call. Those of Python end
        with the call.

    fails_midway : bool
        Whether it allocates memory once it has begun to write results. A caller's ``out`` must
        stay as it was if that fails, so such an algorithm is given an array of its own.
    sums_by_axis : bool
        Whether the order of its sums depends on which axis is which, so that axes must not change
        places where several have taps.
    home : str
        The module or folder of `_algorithms` that has it, and the page of the documentation, where
        several have one; else that is its name.
    any_cut : bool
        Whether an output, or an element of the gradient of the data, has the same bits in whatever
        part of an image it is computed: what streams and chunks need.
    variant : callable(desc, pass) -> str
        Which of its kernels serve, where these differ so much that they are priced apart; "" for
        what has no name of its own.

    Notes
    -----
    An algorithm below the tier "highest" may refuse values: NaN, infinities, what overflows in
    its transforms. `prepare` returns None for such weights. `run` and `weight_gradient` return
    the positions in the batch of such images (or None), whatever they left of them in ``out``.
    The registry has `_fallback.guarded` compute those by direct sums.
    """

    name: str
    passes: tuple[str, ...]
    tier: str
    supports: Callable
    workspace: Callable
    cost: Callable
    prepare: Callable
    weight_gradient: Callable | None = None
    scratch_grows_with_image: bool = False
    openmp_threads: bool = True
    fails_midway: bool = False
    any_cut: bool = False
    sums_by_axis: bool = False
    home: str = ""
    variant: Callable = lambda desc, which: ""
