"""Docstrings of `fastconv.ndimage`: its functions share their parameters, which are said once."""
import inspect
import textwrap

_PARAMETERS = {
    "input": (
        "array_like",
        "The image, of any number of axes: bool, integers to 64 bits, float32, float64 or "
        "complex; other types SciPy answers.",
    ),
    "weights": (
        "array_like",
        "The kernel, in float64: of one axis for a filter along one, else with an axis for "
        "each that is filtered.",
    ),
    "sigma": (
        "float or sequence of float",
        "Standard deviation in pixels, one for all axes or one for each.",
    ),
    "order": (
        "int or sequence of int",
        "0 for the Gaussian, n for its n-th derivative; one for all axes or one for each.",
    ),
    "size": (
        "int or sequence of int",
        "Pixels of the window, one for all axes or one for each.",
    ),
    "footprint": (
        "array_like of bool",
        "Which pixels of the window count; instead of `size`.",
    ),
    "structure": (
        "array_like",
        "What is added to the pixels of the window, or taken away by an erosion.",
    ),
    "axis": (
        "int",
        "The axis to filter along.",
    ),
    "derivative": (
        "callable",
        "``derivative(input, axis, output, mode, cval, *extra_arguments, **extra_keywords)``.",
    ),
    "derivative2": (
        "callable",
        "``derivative2(input, axis, output, mode, cval, *extra_arguments, "
        "**extra_keywords)``.",
    ),
    "extra_arguments": (
        "sequence",
        "More arguments of the callable.",
    ),
    "extra_keywords": (
        "dict",
        "More keywords of the callable.",
    ),
    "output": (
        "array or dtype",
        "Where the result goes, which may be the image itself, or of which type it is; by "
        "default of the image's. After each axis results are converted to it, as C converts.",
    ),
    "mode": (
        '{"reflect", "constant", "nearest", "mirror", "wrap"}',
        "What lies beyond the edges; one for all axes or, of filters along axes, one for "
        "each.",
    ),
    "cval": (
        "scalar",
        'The value beyond the edges for ``mode="constant"``.',
    ),
    "origin": (
        "int or sequence of int",
        "How far the window is shifted: to the left if it is positive.",
    ),
    "truncate": (
        "float",
        "Standard deviations after which the Gaussian is cut off.",
    ),
    "radius": (
        "int or sequence of int",
        "Pixels after which it is cut off; instead of `truncate`.",
    ),
    "axes": (
        "sequence of int",
        "The axes to filter along; by default all.",
    ),
    "kwargs": (
        "",
        "`truncate` and `radius`, as for `gaussian_filter`.",
    ),
    "num_threads": (
        "int",
        "Most threads; by default `fastconv.get_num_threads`. No result depends on them.",
    ),
    "precision": (
        '{"highest", "high", "medium"}',
        "Permits other roundings than SciPy's, within `fastconv.precision`'s bounds.",
    ),
}

_TEMPLATE = """{summary}: `scipy.ndimage.{name}`, with its bits.

Parameters
----------
{parameters}

Returns
-------
ndarray
    Of the image's shape.

Raises
------
Exception
    SciPy's own, of the same type, where an argument is wrong.

See Also
--------
scipy.ndimage.{name} : What answers where arguments are others than said here.

Examples
--------
{examples}
"""


def _parameter(parameter):
    kind, text = _PARAMETERS[parameter.name]
    name = "**kwargs" if parameter.kind is parameter.VAR_KEYWORD else parameter.name
    default = parameter.default
    if default is None:
        kind += ", optional"
    elif default is not parameter.empty:
        kind += f", default {default!r}" if default != () else ", optional"
    head = f"{name} : {kind}" if kind else name
    return head + "\n" + textwrap.indent(textwrap.fill(text, 76), "    ")


def described(name, source, signature):
    """The docstring of a function, from one that has a sentence and an example."""
    summary, _, examples = inspect.cleandoc(source).partition("\n\n")
    return _TEMPLATE.format(
        name=name, summary=summary.rstrip("."), examples=examples,
        parameters="\n".join(map(_parameter, signature.parameters.values())))
