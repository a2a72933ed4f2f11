"""What a random case says about the library: every call that it allows, and its right result.

``conv_checks``, ``separable_checks``, ``transpose_checks`` and ``pool_checks`` turn a case of
`fastconv.testing.cases` into `Check` objects, one for every public function and result. The
self-test and the test suite run the same ones, through every algorithm of the registry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.contract import assert_exact, assert_within_contract

__all__ = [
    "POOLINGS",
    "Check",
    "attempts",
    "conv_checks",
    "function_of",
    "pool_checks",
    "separable_checks",
    "transpose_checks",
]


@dataclass(frozen=True)
class Check:
    """One call and its right result.

    Attributes
    ----------
    name : str
        What is computed: ``"conv2d"``, ``"max_pool1d indices"``.
    call : callable
        The public function.
    args, kwargs : tuple, dict
        Its arguments.
    exact : ndarray
        The reference's result.
    dtype : dtype
        Dtype that the result must have.
    magnitude : ndarray or None
        What the contract bounds errors by; None where results must be equal.
    which : str or None
        The pass of the registry that computes it, or None where there is no method to choose.
    whole : bool
        Whether sums are of small integers, so that ``"highest"`` must be exact.
    activation : object
        The activation that was applied.
    item : int or None
        Which of the results, where there are several.
    case : object
        Where it comes from.
    """

    name: str
    call: Any
    args: tuple
    kwargs: dict
    exact: np.ndarray
    dtype: np.dtype
    magnitude: np.ndarray | None = None
    which: str | None = None
    whole: bool = False
    activation: Any = None
    item: int | None = None
    case: Any = field(default=None, repr=False)

    def run(self, **options):
        """The library's result.

        Parameters
        ----------
        **options
            Further keyword arguments: method, precision, num_threads, out.

        Returns
        -------
        ndarray
            The result.
        """
        result = self.call(*self.args, **self.kwargs, **options)
        return result if self.item is None else result[self.item]

    def judge(self, result, tier="highest", context=""):
        """Assert that a result is right.

        Parameters
        ----------
        result : ndarray
            What the library returned.
        tier : str
            The precision that was asked for.
        context : object
            Printed on failure, beside the case.
        """
        context = (self.name, context, self.case)
        assert result.dtype == self.dtype, f"{result.dtype} in place of {self.dtype}: {context}"
        exact = self.magnitude is None or self.dtype.kind == "i"
        if exact or (self.whole and tier == "highest"):
            assert_exact(result, self.exact, context)
        else:
            assert_within_contract(result, self.exact, self.magnitude, tier=tier, few=True,
                                   activation=self.activation, context=context)  # fmt: skip


def attempts(check):
    """``(method, precision)`` of every way to compute a check.

    Parameters
    ----------
    check : Check
        What is to be computed.

    Yields
    ------
    tuple
        Keyword arguments ``method`` and ``precision`` as a dict, and the tier that is promised.
    """
    if check.which is None:
        yield {}, "highest"
        return
    yield {"method": "auto", "precision": "highest"}, "highest"
    yield {"method": "auto", "precision": "high"}, "high"
    for algorithm in ALGORITHMS:
        if check.which in algorithm.passes:
            yield {"method": algorithm.name, "precision": algorithm.tier}, algorithm.tier


def function_of(name, rank):
    """The public function `name` of one rank.

    Parameters
    ----------
    name : str
        The name without its rank: ``"conv"``, ``"conv_backward_data"``, ``"max_pool"``.
    rank : int or None
        Number of spatial axes; None for the function of every rank.

    Returns
    -------
    callable
        ``fastconv.conv2d``, ``fastconv.conv2d_backward_data``, ``fastconv.max_pool2d``.
    """
    if rank is None:
        return getattr(fastconv, name)
    stem, backward, rest = name.partition("_backward")
    return getattr(fastconv, f"{stem}{rank}d{backward}{rest}")


def _abs(a):
    """|a|, in int64 where `a` is an array of integers: abs(int8(-128)) is not an int8."""
    if not isinstance(a, np.ndarray):
        return a
    return np.abs(a.astype(np.int64) if a.dtype.kind in "biu" else a)


def _linear(case, rank, name, which, args, kwargs, *, activation=None, extra=None):
    """A check of something linear: the reference of the magnitudes bounds the error."""
    exact_function = getattr(reference, name)
    extra = extra or {}
    dtype = np.result_type(*[a.dtype for a in args if isinstance(a, np.ndarray)])
    dtype = np.dtype(np.int64) if dtype.kind in "biu" else dtype.newbyteorder("=")
    sizes = {k: _abs(v) for k, v in kwargs.items() if k != "activation"}
    if "padding_value" in sizes:
        sizes["padding_value"] = abs(sizes["padding_value"])
    return Check(
        name,
        function_of(name, rank),
        args,
        kwargs,
        exact_function(*args, **kwargs, **extra),
        dtype,
        magnitude=exact_function(*map(_abs, args), **sizes, **extra),
        which=which,
        # float16 holds the integers up to 2048 only.
        whole=case.exact and dtype != np.float16,
        activation=activation,
        case=case,
    )


def conv_checks(case):
    """Every pass of a random convolution.

    Parameters
    ----------
    case : ConvCase
        The problem.

    Yields
    ------
    Check
        Forward, and the gradients of data, weight (for each sample in some cases) and bias.
    """
    a, geometry, rank = case.arrays(), case.geometry, len(case.weight_shape) - 2
    x, weight, grad = a["x"], a["weight"], a["grad_output"]
    terms = geometry | {"residual": a["residual"], "activation": case.activation}
    yield _linear(case, rank, "conv", "forward", (x, weight, a["bias"]), terms,
                  activation=case.activation)  # fmt: skip
    args = (grad, weight, case.x_shape)
    yield _linear(case, rank, "conv_backward_data", "backward_data", args, geometry)
    args = (grad, x, case.weight_shape)
    kwargs = geometry | {"per_sample": case.seed % 3 == 0}
    yield _linear(case, rank, "conv_backward_weight", "backward_weight", args, kwargs)
    layout = {"data_format": case.data_format}
    extra = {"rank": rank}
    yield _linear(case, rank, "conv_backward_bias", None, (grad,), layout, extra=extra)


def separable_checks(case):
    """A random separable convolution, of the same input as the random convolution.

    Parameters
    ----------
    case : ConvCase
        The problem.

    Yields
    ------
    Check
        Forward, which is all there is.
    """
    depthwise, pointwise, bias, residual = case.separable()
    geometry = {name: value for name, value in case.geometry.items() if name != "groups"}
    terms = geometry | {"residual": residual, "activation": case.activation}
    yield _linear(case, len(case.weight_shape) - 2, "separable_conv", "forward",
                  (case.arrays()["x"], depthwise, pointwise, bias), terms,
                  activation=case.activation)  # fmt: skip


def transpose_checks(case):
    """A random transposed convolution and its gradients, which are those of the convolution.

    Parameters
    ----------
    case : TransposeCase
        The problem.

    Yields
    ------
    Check
        Forward, and the gradients of data and weight.
    """
    a, rank, adjoint = case.arrays(), len(case.weight_shape) - 2, case.convolution
    x, weight, grad = a["x"], a["weight"], a["grad_output"]
    args = (x, weight, a["bias"])
    yield _linear(case, rank, "conv_transpose", "backward_data", args, case.geometry)
    back = reference.conv_output_shape(case.output_shape, case.weight_shape, **adjoint)
    if back == case.x_shape:  # not where the output padding reaches the stride
        yield _linear(case, rank, "conv", "forward", (grad, weight), adjoint)
        args = (x, grad, case.weight_shape)
        yield _linear(case, rank, "conv_backward_weight", "backward_weight", args, adjoint)


POOLINGS = ("max", "min", "avg", "lp", "adaptive_max", "adaptive_avg", "unpool")


def pool_checks(case, kinds=POOLINGS):
    """Every pooling of a random window, and its gradient.

    Parameters
    ----------
    case : PoolCase
        The problem.
    kinds : sequence of str
        Which poolings, of `POOLINGS`.

    Yields
    ------
    Check
        Maximum, minimum, average, Lp and adaptive poolings, unpooling, and what each has of
        indices and gradients.
    """
    a, geometry, rank = case.arrays(), case.geometry, case.rank
    x, grad, shape = a["x"], a["grad_output"], case.x_shape
    layout, known = {"data_format": case.data_format}, {"rank": rank}
    native = x.dtype.newbyteorder("=")
    real = native if native.kind == "f" else np.dtype(np.float64)
    gradient = grad.dtype.newbyteorder("=")

    def check(name, args, kwargs, exact, dtype, magnitude=None, item=None):
        return Check(name, function_of(name, rank), args, kwargs, exact, dtype, item=item,
                     magnitude=magnitude, case=case)  # fmt: skip

    for name, args, kwargs, back in [
        ("max_pool", (x,), geometry, grad),
        ("min_pool", (x,), geometry, grad),
        ("adaptive_max_pool", (x, case.output_size), layout, a["grad_adaptive"]),
    ]:
        if name.removesuffix("_pool") not in kinds:
            continue
        both = kwargs | {"return_indices": True}
        values, indices = getattr(reference, name)(*args, **both, **known)
        yield check(name, args, kwargs, values, native)
        yield check(name, args, both, values, native, item=0)
        yield check(name, args, both, indices, np.dtype(np.int64), item=1)
        backward, args = reference.max_pool_backward, (back, indices, shape)
        sizes = backward(_abs(back), indices, shape, **layout, **known)
        exact = backward(*args, **layout, **known)
        yield check("max_pool_backward", args, layout, exact, gradient, sizes)

    def mean(name, args, kwargs, dtype):
        function = getattr(reference, name)
        exact = function(*args, **kwargs, **known)
        sizes = function(*map(_abs, args), **kwargs, **known)
        return check(name, args, kwargs, exact, dtype, sizes)

    if "avg" in kinds:
        averaging = geometry | case.averaging
        yield mean("avg_pool", (x,), averaging, real)
        yield mean("avg_pool_backward", (grad, shape), averaging, gradient)
    if "adaptive_avg" in kinds:
        yield mean("adaptive_avg_pool", (x, case.output_size), layout, real)
        yield mean("adaptive_avg_pool_backward", (a["grad_adaptive"], shape), layout, gradient)
    if "lp" in kinds:
        yield mean("lp_pool", (x, case.norm_type), geometry, real)
        tame = np.nan_to_num(x)
        yield mean("lp_pool_backward", (grad, tame, case.norm_type), geometry, gradient)
    if "unpool" not in kinds:
        return

    # Windows that do not overlap: every index is there once, and unpooling has one answer.
    kernel = tuple(min(k, n) for k, n in zip(case.kernel, case.lengths, strict=True))
    values, indices = reference.max_pool(x, kernel, return_indices=True, **layout, **known)
    args, kwargs = (values, indices, kernel), layout | {"output_size": case.lengths}
    yield check("max_unpool", args, kwargs, reference.max_unpool(*args, **kwargs, **known), native)
