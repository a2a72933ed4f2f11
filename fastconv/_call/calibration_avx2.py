"""The prices of what cost models count: found by `bench/fit.py`.

From 5795 random layers on one thread of Intel(R) Xeon(R) Processor, avx2; those of fewer
than 90 samples are from earlier runs; im2col is of a draw of its own, with a BLAS held to
AVX2, too. `taps` was taken out of inner_product, backward_weight, first: a fit of outliers.
Those of planes are a Zen 4's, scaled by the clock: 1.4 times.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("bf16", "forward", "first"): {
        "weights": 7.9e-10, "bare_weights": 5.1e-10, "arithmetic": 2, "gather": 2.4,
    },
    ("bf16", "forward", "last"): {
        "weights": 1.1e-09, "bare_weights": 2.5e-10, "arithmetic": 2, "gather": 2.1,
    },
    ("depthwise", "backward_data", "first"): {
        "call": 3.5e-06, "input_rows": 1.1e-09, "plane_taps": 9.9e-09, "strided_input": 2.6e-10,
        "output": 1.8e-10, "arithmetic": 0.42, "filled_filters": 0.042, "gather": 1,
        "traffic": 0.38, "start": 0.31,
    },
    ("depthwise", "backward_data", "first", "planes"): {
        "unplanned": 4.5e-06, "input_rows": 7e-09, "strided_input": 1.1e-10, "arithmetic": 1.4,
    },
    ("depthwise", "backward_data", "last"): {
        "call": 4.5e-06, "plane_taps": 1.8e-08, "output": 1.4e-09, "far_input": 1e-09,
        "arithmetic": 0.57, "gather": 0.56,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 3.5e-06, "groups": 8e-08, "input_rows": 5.2e-09, "lines": 1e-09,
        "plane_taps": 1.3e-08, "output": 2.2e-10, "far_output": 1.9e-10, "arithmetic": 0.26,
        "filled_filters": 0.03, "start": 0.13,
    },
    ("depthwise", "backward_weight", "first", "planes"): {
        "unplanned": 4.2e-06, "weights": 4.2e-09, "output": 1.3e-10, "filled_rows": 0.84,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 4.8e-06, "taps": 1.3e-08, "output_rows": 6.4e-09, "output": 4.3e-10,
        "far_weights": 4.2e-08, "arithmetic": 0.71, "gather": 0.59,
    },
    ("depthwise", "forward", "first"): {
        "call": 1.2e-06, "unplanned": 1.8e-06, "input_rows": 1.6e-09, "plane_taps": 8.6e-09,
        "input": 3.2e-10, "arithmetic": 0.53, "filled_rows": 0.2, "gather": 0.76, "start": 0.2,
    },
    ("depthwise", "forward", "first", "planes"): {
        "call": 1.7e-06, "unplanned": 2.4e-06, "lines": 2.8e-10, "plane_taps": 1.3e-08,
        "output": 2.4e-10, "filled_rows": 0.98,
    },
    ("depthwise", "forward", "last"): {
        "call": 1.5e-06, "unplanned": 2.5e-06, "lines": 1.9e-10, "output": 5.8e-10,
        "far_output": 1.8e-09, "arithmetic": 0.48, "gather": 0.83, "start": 0.067,
    },
    ("direct", "backward_data", "first"): {
        "call": 3.5e-06, "channels": 8.4e-09, "taps": 6.3e-09, "input_rows": 2.6e-09,
        "output_rows": 3e-09, "plane_taps": 2.9e-08, "input": 1.9e-10, "strided_input": 5.4e-10,
        "far_output": 2.9e-10, "arithmetic": 0.89, "gather": 0.67, "transform": 1.7,
        "start": 0.39,
    },
    ("direct", "backward_data", "last"): {
        "unplanned": 3e-06, "weights": 4.7e-10, "arithmetic": 0.8, "gather": 6.5,
        "transform": 0.86, "traffic": 14, "start": 0.6,
    },
    ("direct", "backward_weight", "first"): {
        "unplanned": 4.4e-06, "channels": 2.7e-08, "taps": 1.4e-08, "input_rows": 2.7e-09,
        "far_output": 1.3e-10, "arithmetic": 0.76, "gather": 0.66, "transform": 1.2,
        "start": 0.27,
    },
    ("direct", "backward_weight", "last"): {
        "call": 4.4e-06, "far_weights": 5.5e-10, "far_output": 7.4e-10, "arithmetic": 0.64,
        "filled_filters": 0.14, "gather": 0.94, "transform": 1.1, "start": 0.44,
    },
    ("direct", "forward", "first"): {
        "call": 1.9e-06, "unplanned": 2.3e-06, "groups": 9.3e-08, "taps": 2.9e-09,
        "input_rows": 3.6e-09, "plane_taps": 2.8e-09, "weights": 1.6e-10, "output": 2.6e-10,
        "arithmetic": 0.76, "filled_rows": 0.11, "gather": 0.79, "transform": 0.32,
    },
    ("direct", "forward", "last"): {
        "call": 7e-07, "unplanned": 2.3e-06, "weights": 1e-10, "arithmetic": 0.61,
        "filled_filters": 0.17, "filled_rows": 0.062, "gather": 1.2, "transform": 0.41,
        "traffic": 12, "start": 0.3,
    },
    ("fft", "backward_data", "first"): {
        "taps": 3.5e-08, "input_rows": 3e-07, "plane_taps": 8.1e-08, "weights": 8.8e-09,
        "strided_input": 1.2e-08, "output": 4.4e-09, "filled_filters": 0.73, "gather": 2.6,
        "transform": 0.22,
    },
    ("fft", "backward_data", "last"): {
        "output_rows": 1.4e-07, "weights": 1e-08, "filled_filters": 0.89, "gather": 2.3,
        "transform": 0.44, "start": 1.1,
    },
    ("fft", "backward_weight", "first"): {
        "input_rows": 7.9e-08, "output_rows": 7.9e-08, "input": 1.4e-09, "strided_input": 3.1e-09,
        "output": 3.4e-09, "gather": 0.52, "transform": 0.61, "traffic": 6.3, "start": 0.98,
    },
    ("fft", "backward_weight", "last"): {
        "channels": 6.4e-07, "input_rows": 3.7e-08, "output_rows": 4.5e-08, "weights": 7.3e-09,
        "far_output": 4.8e-09, "filled_filters": 0.7, "gather": 0.99, "transform": 0.86,
        "start": 0.97,
    },
    ("fft", "forward", "first"): {
        "unplanned": 8e-05, "input_rows": 1.7e-07, "weights": 2.2e-08, "strided_input": 6.4e-09,
        "output": 7.4e-09, "arithmetic": 0.64, "gather": 0.82, "transform": 0.47,
    },
    ("fft", "forward", "last"): {
        "unplanned": 0.00011, "input_rows": 5.4e-08, "weights": 1.4e-08, "strided_input": 4.8e-09,
        "output": 5.1e-09, "filled_filters": 0.72, "gather": 1.5, "transform": 0.53,
    },
    ("im2col", "backward_data", "first"): {
        "call": 3.8e-06, "taps": 2.3e-08, "weights": 6.5e-10, "strided_input": 2.7e-10,
        "far_input": 4e-10, "filled_filters": 0.68, "gather": 0.45, "traffic": 1.2, "start": 0.16,
    },
    ("im2col", "backward_data", "last"): {
        "unplanned": 3.7e-06, "taps": 2.9e-08, "weights": 5.4e-10, "input": 6e-10,
        "far_output": 5e-10, "filled_filters": 0.83, "gather": 0.52, "traffic": 1.6,
        "start": 0.13,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 3.5e-06, "weights": 2.7e-10, "input": 1.8e-10, "filled_filters": 0.78,
        "gather": 0.67, "traffic": 1.3, "start": 0.17,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 3.4e-06, "weights": 2.7e-10, "input": 4.3e-10, "output": 6.6e-10,
        "filled_filters": 0.82, "gather": 0.74, "start": 0.15,
    },
    ("im2col", "forward", "first"): {
        "call": 1.3e-06, "unplanned": 1.8e-06, "filters": 7.2e-09, "output": 3.5e-10,
        "far_input": 2.6e-10, "filled_filters": 0.83, "gather": 0.71, "transform": 1.3,
        "start": 0.15,
    },
    ("im2col", "forward", "last"): {
        "call": 1.2e-06, "unplanned": 1.9e-06, "input": 7.5e-10, "bare_weights": 4.8e-10,
        "filled_filters": 0.83, "gather": 0.7, "transform": 1.7, "traffic": 2.1, "start": 0.18,
    },
    ("inner_product", "backward_data", "first"): {
        "unplanned": 1e-05, "input": 3.1e-10, "strided_input": 8.5e-10, "far_weights": 1.8e-10,
        "arithmetic": 0.88, "gather": 1.6, "transform": 1.3,
    },
    ("inner_product", "backward_data", "last"): {
        "unplanned": 9.1e-06, "groups": 5.9e-08, "input": 5.9e-10, "far_weights": 3.9e-10,
        "filled_filters": 0.96, "gather": 0.7, "transform": 0.13,
    },
    ("inner_product", "backward_weight", "first"): {
        "unplanned": 9.8e-06, "groups": 3.3e-08, "weights": 3e-10, "strided_input": 8.4e-10,
        "far_weights": 5.8e-10, "arithmetic": 1.1, "gather": 0.97,
    },
    ("inner_product", "backward_weight", "last"): {
        "call": 7.8e-06, "groups": 5.1e-08, "weights": 1.7e-10, "input": 2.5e-10,
        "far_weights": 3.8e-10, "far_input": 8.4e-09, "arithmetic": 1.1, "gather": 0.65,
        "transform": 0.35,
    },
    ("inner_product", "forward", "first"): {
        "call": 5.9e-06, "unplanned": 3e-06, "groups": 2.1e-08, "input": 1.5e-10,
        "output": 3.2e-09, "far_weights": 1.4e-10, "arithmetic": 0.62, "gather": 1.2,
    },
    ("inner_product", "forward", "last"): {
        "call": 2.8e-06, "unplanned": 4.5e-06, "groups": 4.2e-08, "output": 1.3e-09,
        "far_weights": 8.4e-11, "far_input": 1.4e-09, "arithmetic": 0.73, "gather": 0.77,
        "transform": 0.13,
    },
    ("sliding", "backward_data", "first"): {
        "call": 6.7e-06, "lines": 9.8e-09, "input": 1.1e-08, "arithmetic": 0.14,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.4e-05, "lines": 6.4e-09, "weights": 7.6e-09, "input": 7.9e-09,
        "arithmetic": 0.18,
    },
    ("sliding", "backward_weight", "first"): {
        "unplanned": 7.1e-06, "lines": 4e-09, "weights": 2.3e-08, "arithmetic": 0.38,
    },
    ("sliding", "backward_weight", "last"): {
        "unplanned": 1.7e-05, "lines": 3.6e-09, "weights": 2.4e-08, "arithmetic": 0.42,
    },
    ("sliding", "forward", "first"): {
        "call": 3.7e-06, "unplanned": 2.5e-06, "output_rows": 2.1e-08, "strided_input": 5.1e-10,
        "output": 1.5e-08, "arithmetic": 0.35,
    },
    ("sliding", "forward", "last"): {
        "call": 8.3e-06, "unplanned": 2.6e-06, "channels": 1.8e-08, "output": 2.2e-08,
        "far_input": 2e-09, "arithmetic": 0.38,
    },
    ("swapped", "backward_data", "first"): {
        "call": 1.9e-05, "channels": 1.3e-07, "output": 2.7e-08, "filled_rows": 0.73,
        "gather": 0.069, "transform": 3.6,
    },
    ("swapped", "backward_data", "last"): {
        "channels": 1.3e-07, "taps": 2.1e-07, "output_rows": 6.7e-08, "lines": 2.9e-10,
        "arithmetic": 1.1, "transform": 9.6, "start": 1.2,
    },
    ("swapped", "forward", "first"): {
        "input_rows": 5.9e-07, "weights": 9.9e-10, "arithmetic": 0.8, "start": 0.74,
    },
    ("winograd", "backward_data", "first"): {
        "unplanned": 8.4e-06, "channels": 8e-09, "weights": 7e-10, "far_output": 3.2e-10,
        "arithmetic": 1.1, "filled_filters": 0.14, "gather": 1.9, "transform": 0.95,
    },
    ("winograd", "backward_data", "last"): {
        "call": 7e-06, "filters": 7.8e-08, "arithmetic": 1.1, "transform": 1.7, "traffic": 0.3,
    },
    ("winograd", "backward_weight", "first"): {
        "unplanned": 6.6e-06, "groups": 3.1e-07, "output": 5.2e-10, "far_weights": 1.5e-09,
        "far_input": 7.7e-10, "arithmetic": 0.96, "filled_filters": 0.1, "transform": 0.94,
        "traffic": 0.56,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 5.5e-06, "groups": 5.4e-07, "weights": 7.6e-10, "input": 8.1e-10,
        "far_weights": 1.3e-09, "arithmetic": 1.1, "transform": 0.95,
    },
    ("winograd", "forward", "first"): {
        "call": 2.8e-06, "unplanned": 4.6e-06, "taps": 3.1e-08, "weights": 6.7e-10,
        "arithmetic": 1.1, "filled_filters": 0.12, "gather": 1.1, "transform": 1.2,
        "traffic": 0.66,
    },
    ("winograd", "forward", "last"): {
        "call": 3.3e-06, "unplanned": 4.7e-06, "groups": 6.2e-08, "weights": 4.3e-10,
        "far_weights": 1.1e-10, "far_input": 8.7e-10, "arithmetic": 1.1, "filled_filters": 0.1,
        "gather": 0.21, "transform": 1.6,
    },
}
