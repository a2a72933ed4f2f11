"""The prices of what cost models count: written by `bench/fit.py`, not by hand.

From 6118 random layers on one thread of Intel(R) Xeon(R) Processor, avx2; those of fewer
than 90 samples are from earlier runs.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("bf16", "forward", "first"): {
        "weights": 9.2e-10, "input": 1.3e-09, "arithmetic": 2,
    },
    ("bf16", "forward", "last"): {
        "weights": 1e-09, "arithmetic": 2, "gather": 2.2,
    },
    ("bf16x3", "forward", "first"): {
        "weights": 2e-09, "far_input": 2.1e-09, "arithmetic": 2.1,
    },
    ("bf16x3", "forward", "last"): {
        "weights": 1.7e-09, "arithmetic": 2, "gather": 3.6,
    },
    ("depthwise", "backward_data", "first"): {
        "call": 4.6e-06, "input": 3.1e-10, "far_output": 3.7e-10, "arithmetic": 0.82,
        "gather": 1.4, "start": 0.34,
    },
    ("depthwise", "backward_data", "last"): {
        "unplanned": 6.3e-06, "lines": 2.1e-10, "output": 7.9e-10, "far_output": 1.3e-09,
        "arithmetic": 0.46, "gather": 0.66,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 4.7e-06, "channels": 4.3e-08, "input_rows": 8.9e-09, "plane_taps": 3.9e-08,
        "weights": 9.6e-09, "input": 1.5e-10, "far_input": 3.1e-10, "filled_rows": 0.66,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 4.9e-06, "output_rows": 3.1e-09, "weights": 4e-09, "output": 6e-10,
        "far_output": 1.7e-09, "arithmetic": 0.59, "gather": 0.64,
    },
    ("depthwise", "forward", "first"): {
        "call": 1.5e-06, "unplanned": 2.1e-06, "input_rows": 3.2e-09, "lines": 2.4e-10,
        "plane_taps": 1e-08, "output": 2.6e-10, "far_input": 2.5e-10, "arithmetic": 0.53,
        "filled_filters": 0.065, "gather": 0.61, "start": 0.23,
    },
    ("depthwise", "forward", "last"): {
        "call": 2.1e-06, "unplanned": 3.1e-06, "output_rows": 2.5e-09, "far_output": 2.1e-09,
        "filled_rows": 0.65, "gather": 0.74, "traffic": 1.7,
    },
    ("direct", "backward_data", "first"): {
        "unplanned": 4.3e-06, "channels": 1.3e-08, "taps": 1.1e-08, "input_rows": 3.2e-09,
        "plane_taps": 2.3e-08, "strided_input": 5.4e-10, "far_output": 4.3e-10, "arithmetic": 1.1,
        "gather": 0.86, "transform": 2.6, "start": 0.44,
    },
    ("direct", "backward_data", "last"): {
        "unplanned": 3.4e-06, "weights": 6.5e-10, "far_weights": 1.2e-09, "far_input": 3e-10,
        "arithmetic": 0.95, "gather": 7.2, "transform": 1.1, "traffic": 15, "start": 0.74,
    },
    ("direct", "backward_weight", "first"): {
        "call": 6.1e-06, "input_rows": 4.7e-09, "far_input": 2e-10, "arithmetic": 0.81,
        "filled_rows": 0.1, "gather": 0.8, "transform": 1.3, "start": 0.28,
    },
    ("direct", "backward_weight", "last"): {
        "unplanned": 3.5e-06, "taps": 3.1e-08, "input_rows": 1.7e-09, "output": 3.1e-10,
        "arithmetic": 0.57, "filled_filters": 0.22, "gather": 1.7, "transform": 1.2,
        "start": 0.71,
    },
    ("direct", "forward", "first"): {
        "call": 1.8e-06, "unplanned": 2.8e-06, "filters": 7.1e-09, "input_rows": 4.1e-09,
        "lines": 2.5e-11, "output": 2.8e-10, "far_weights": 1.6e-10, "far_input": 1.7e-10,
        "arithmetic": 1, "gather": 0.64, "transform": 1.7, "start": 0.15,
    },
    ("direct", "forward", "last"): {
        "call": 1.1e-06, "unplanned": 2.8e-06, "input": 3.1e-10, "far_weights": 2.5e-10,
        "far_output": 7.8e-10, "arithmetic": 0.66, "filled_filters": 0.28, "transform": 1.5,
        "traffic": 12, "start": 0.28,
    },
    ("fft", "backward_data", "first"): {
        "unplanned": 0.00013, "output_rows": 8.6e-08, "plane_taps": 6.9e-07, "weights": 2.3e-08,
        "strided_input": 3.1e-08, "output": 7.1e-09, "gather": 2.1, "transform": 0.69,
        "traffic": 10,
    },
    ("fft", "backward_data", "last"): {
        "taps": 7.1e-07, "input_rows": 1.4e-07, "plane_taps": 7e-07, "weights": 2e-08,
        "strided_input": 1e-08, "output": 9.7e-09, "filled_filters": 0.95, "gather": 3.3,
    },
    ("fft", "backward_weight", "first"): {
        "unplanned": 0.0001, "input_rows": 1.7e-07, "plane_taps": 2.3e-07, "input": 3e-09,
        "far_output": 3.2e-09, "arithmetic": 0.67, "gather": 1.4, "transform": 0.97,
    },
    ("fft", "backward_weight", "last"): {
        "input_rows": 6.6e-08, "output_rows": 4.7e-08, "weights": 1.3e-08, "filled_filters": 0.63,
        "gather": 1.5, "transform": 0.98, "start": 0.49,
    },
    ("fft", "forward", "first"): {
        "unplanned": 7.1e-05, "input_rows": 1.4e-07, "weights": 2.6e-08, "output": 4.1e-09,
        "far_input": 3.3e-09, "filled_filters": 0.89, "gather": 1.7, "transform": 0.42,
    },
    ("fft", "forward", "last"): {
        "call": 8.6e-05, "input_rows": 2.7e-08, "output_rows": 1.1e-07, "weights": 3.4e-08,
        "input": 6.5e-09, "output": 1e-08, "filled_filters": 0.59, "gather": 0.72,
        "transform": 0.33,
    },
    ("im2col", "backward_data", "first"): {
        "call": 5.2e-06, "groups": 1.1e-07, "weights": 2.1e-10, "strided_input": 2.8e-10,
        "far_input": 3.9e-10, "far_output": 3.3e-10, "arithmetic": 0.16, "filled_filters": 0.15,
        "gather": 0.62,
    },
    ("im2col", "backward_data", "last"): {
        "unplanned": 3.4e-06, "weights": 1.2e-10, "input": 4.4e-10, "far_weights": 3e-10,
        "far_input": 1.2e-09, "filled_filters": 0.43, "gather": 0.68, "traffic": 1.3,
        "start": 0.32,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 4.9e-06, "groups": 1.8e-07, "taps": 3.3e-08, "weights": 3.6e-10,
        "strided_input": 1.3e-10, "arithmetic": 0.57, "gather": 0.83,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 4.3e-06, "weights": 2.3e-10, "input": 4.3e-10, "filled_filters": 0.41,
        "gather": 0.93, "traffic": 0.38, "start": 0.11,
    },
    ("im2col", "forward", "first"): {
        "call": 1.6e-06, "unplanned": 2.2e-06, "filters": 6.8e-09, "output": 2.6e-10,
        "far_input": 2.9e-10, "arithmetic": 0.31, "gather": 0.77, "transform": 0.77,
        "start": 0.091,
    },
    ("im2col", "forward", "last"): {
        "call": 1e-06, "unplanned": 2.2e-06, "input": 6.3e-10, "far_weights": 3.7e-10,
        "filled_filters": 0.37, "gather": 0.87, "transform": 0.96, "traffic": 1.9, "start": 0.2,
    },
    ("inner_product", "backward_data", "first"): {
        "call": 1.1e-05, "groups": 2.8e-08, "input": 3.4e-10, "far_weights": 1.3e-10,
        "arithmetic": 1.1, "gather": 1.7,
    },
    ("inner_product", "backward_data", "last"): {
        "unplanned": 1e-05, "groups": 5.7e-08, "far_weights": 5.2e-10, "arithmetic": 0.96,
        "gather": 1.2, "transform": 0.28,
    },
    ("inner_product", "backward_weight", "first"): {
        "unplanned": 1e-05, "weights": 4.4e-10, "arithmetic": 0.87, "gather": 1.8,
    },
    ("inner_product", "backward_weight", "last"): {
        "call": 8.3e-06, "groups": 4.9e-08, "weights": 2.7e-10, "far_weights": 2.9e-10,
        "far_input": 9.6e-08, "filled_filters": 0.86, "gather": 1, "transform": 0.4,
    },
    ("inner_product", "forward", "first"): {
        "call": 4.3e-06, "unplanned": 5.3e-06, "groups": 3.8e-08, "lines": 3e-11,
        "output": 2.3e-09, "far_weights": 1.4e-10, "arithmetic": 0.54, "gather": 1.7,
        "transform": 1.3,
    },
    ("inner_product", "forward", "last"): {
        "call": 2.8e-06, "unplanned": 5.7e-06, "filters": 1e-08, "groups": 3e-08,
        "far_weights": 2.3e-10, "filled_filters": 0.67, "gather": 1, "transform": 0.12,
    },
    ("sliding", "backward_data", "first"): {
        "unplanned": 8.2e-06, "weights": 6.6e-09, "input": 1.4e-08, "arithmetic": 0.36,
        "filled_rows": 0.046,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.8e-05, "input": 1.8e-08, "far_weights": 1.3e-06, "filled_rows": 0.22,
    },
    ("sliding", "backward_weight", "first"): {
        "unplanned": 8e-06, "lines": 4.8e-09, "weights": 2.9e-08, "arithmetic": 0.46,
    },
    ("sliding", "backward_weight", "last"): {
        "unplanned": 1.9e-05, "weights": 2.6e-08, "filled_filters": 0.053, "filled_rows": 0.22,
    },
    ("sliding", "forward", "first"): {
        "call": 3.5e-06, "unplanned": 2.9e-06, "output_rows": 2.5e-08, "output": 2.3e-08,
        "arithmetic": 0.49,
    },
    ("sliding", "forward", "last"): {
        "call": 9.3e-06, "unplanned": 2.9e-06, "input_rows": 8.1e-09, "output": 2.8e-08,
        "arithmetic": 0.4,
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
        "unplanned": 1e-05, "weights": 1.1e-09, "arithmetic": 1.2, "filled_filters": 0.18,
        "gather": 2.3, "transform": 1.1,
    },
    ("winograd", "backward_data", "last"): {
        "call": 1.1e-05, "channels": 6.3e-08, "far_weights": 1.9e-09, "far_output": 1.9e-09,
        "arithmetic": 1, "filled_rows": 0.14, "gather": 0.81, "transform": 2.3,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 7.1e-06, "groups": 4.3e-07, "far_input": 2.5e-09, "arithmetic": 1.6,
        "transform": 2,
    },
    ("winograd", "backward_weight", "last"): {
        "unplanned": 7.3e-06, "groups": 4.1e-07, "weights": 1e-09, "input": 6.8e-10,
        "far_input": 6.5e-10, "arithmetic": 1, "filled_filters": 0.095, "transform": 1.3,
    },
    ("winograd", "forward", "first"): {
        "call": 3.3e-06, "unplanned": 5e-06, "groups": 1.7e-07, "weights": 6e-10,
        "arithmetic": 1.6, "gather": 1.1, "transform": 1.8,
    },
    ("winograd", "forward", "last"): {
        "call": 3.6e-06, "unplanned": 5.4e-06, "weights": 8.9e-10, "far_input": 7.1e-10,
        "arithmetic": 1.1, "filled_filters": 0.2, "transform": 1.5, "traffic": 0.63,
    },
}
