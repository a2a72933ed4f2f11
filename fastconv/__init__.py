"""CPU kernels for convolution and pooling on NumPy arrays.

The house, from the top down; imports point down only:

- `conv`, `pool`, `plan`: the public functions. A docstring, then describe, select, run.
- `_call`: from arrays to arrays; `_desc`: *describe*, the one place that validates arguments and
  does size arithmetic.
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
    conv2d,
    conv2d_backward_bias,
    conv2d_backward_data,
    conv2d_backward_weight,
    conv_cost,
    conv_output_shape,
    explain,
    im2col,
)
from fastconv.plan import ConvPlan, plan_conv
from fastconv.pool import (
    adaptive_avg_pool,
    adaptive_avg_pool1d,
    adaptive_avg_pool1d_backward,
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    adaptive_avg_pool3d,
    adaptive_avg_pool3d_backward,
    adaptive_avg_pool_backward,
    adaptive_max_pool,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool,
    avg_pool1d,
    avg_pool1d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    avg_pool3d,
    avg_pool3d_backward,
    avg_pool_backward,
    global_avg_pool,
    global_max_pool,
    lp_pool,
    lp_pool1d,
    lp_pool1d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    lp_pool3d,
    lp_pool3d_backward,
    lp_pool_backward,
    max_pool,
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool3d,
    max_pool3d_backward,
    max_pool_backward,
    max_unpool,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
    min_pool,
    min_pool1d,
    min_pool2d,
    min_pool3d,
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
    "adaptive_avg_pool",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward",
    "adaptive_avg_pool_backward",
    "adaptive_max_pool",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool",
    "avg_pool1d",
    "avg_pool1d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool3d",
    "avg_pool3d_backward",
    "avg_pool_backward",
    "col2im",
    "conv2d",
    "conv2d_backward_bias",
    "conv2d_backward_data",
    "conv2d_backward_weight",
    "conv_cost",
    "conv_output_shape",
    "explain",
    "get_num_threads",
    "get_precision",
    "global_avg_pool",
    "global_max_pool",
    "im2col",
    "lp_pool",
    "lp_pool1d",
    "lp_pool1d_backward",
    "lp_pool2d",
    "lp_pool2d_backward",
    "lp_pool3d",
    "lp_pool3d_backward",
    "lp_pool_backward",
    "max_pool",
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool3d",
    "max_pool3d_backward",
    "max_pool_backward",
    "max_unpool",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "min_pool",
    "min_pool1d",
    "min_pool2d",
    "min_pool3d",
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
