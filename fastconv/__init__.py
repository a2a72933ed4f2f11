"""CPU kernels for convolution and pooling on NumPy arrays.

The house, from the top down; imports point down only:

- `conv`, `pool`, `plan`: the public functions. A docstring, then describe, select, run.
  `_ranks`: one definition for the four names of a function (`conv`, `conv1d`, …).
- `_call`: from arrays to arrays; `_desc`: *describe*, the one place that validates arguments and
  does size arithmetic. `_parts`: complex numbers and integers by real convolutions.
- `_select`: *select*, the ordered registry of algorithms, the automatic choice, `explain`.
  `runtime`: threads, precision, environment variables.
- `_algorithms`, `_pooling`: *drive*, blocking, packing and threads. One file for an algorithm.
- `_core`: what drivers share (threads, scratch memory, windows, BLAS).
  `_kernels`: *compute*, the micro-kernels, compiled once for each instruction set.
- `testing`: the reference and the named shapes that tests and benchmarks share.
"""
try:
    from fastconv import _desc
except ImportError as error:  # the source tree, which holds no compiled modules
    raise ImportError(
        "you are importing fastconv from its source tree, which is not compiled, or from an "
        "incomplete installation: install it (pip install .) and run Python in another directory"
    ) from error
from fastconv.conv import (
    col2im,
    conv,
    conv1d,
    conv1d_backward_bias,
    conv1d_backward_data,
    conv1d_backward_weight,
    conv2d,
    conv2d_backward_bias,
    conv2d_backward_data,
    conv2d_backward_weight,
    conv3d,
    conv3d_backward_bias,
    conv3d_backward_data,
    conv3d_backward_weight,
    conv_backward_bias,
    conv_backward_data,
    conv_backward_weight,
    conv_cost,
    conv_output_shape,
    conv_transpose,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    conv_transpose_output_shape,
    explain,
    im2col,
)
from fastconv.plan import ConvPlan, plan_conv
from fastconv.pool import (
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    min_pool2d,
    pool_output_shape,
)
from fastconv.runtime import (
    get_num_threads,
    get_precision,
    num_threads,
    precision,
    set_num_threads,
    set_precision,
    show_config,
    show_runtime,
)

__version__ = _desc.version

__all__ = [
    "ConvPlan",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv",
    "conv1d",
    "conv1d_backward_bias",
    "conv1d_backward_data",
    "conv1d_backward_weight",
    "conv2d",
    "conv2d_backward_bias",
    "conv2d_backward_data",
    "conv2d_backward_weight",
    "conv3d",
    "conv3d_backward_bias",
    "conv3d_backward_data",
    "conv3d_backward_weight",
    "conv_backward_bias",
    "conv_backward_data",
    "conv_backward_weight",
    "conv_cost",
    "conv_output_shape",
    "conv_transpose",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "conv_transpose_output_shape",
    "explain",
    "get_num_threads",
    "get_precision",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "min_pool2d",
    "num_threads",
    "plan_conv",
    "pool_output_shape",
    "precision",
    "set_num_threads",
    "set_precision",
    "show_config",
    "show_runtime",
]


def __dir__():
    return [*__all__, "__version__"]
