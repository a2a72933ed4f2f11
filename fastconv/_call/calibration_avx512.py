"""The prices of what cost models count: written by `bench/fit.py`, not by hand.

From 7297 random layers on one thread of Intel(R) Xeon(R) Processor, avx512_amx; those of fewer
than 90 samples are from earlier runs.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("bf16", "backward_data", "first"): {
        "weights": 2.2e-09, "input": 4e-10, "arithmetic": 2.2, "gather": 1.9, "traffic": 0.76,
        "start": 2.9,
    },
    ("bf16", "backward_data", "last"): {
        "groups": 3.5e-06, "weights": 2.1e-09, "input": 3.3e-10, "arithmetic": 2.4, "gather": 1.7,
        "traffic": 1.2,
    },
    ("bf16", "forward", "first"): {
        "groups": 3.8e-06, "weights": 6.8e-10, "output": 2.7e-10, "far_input": 1.7e-10,
        "far_output": 8.1e-10, "arithmetic": 1.5, "gather": 1.6, "traffic": 0.39,
    },
    ("bf16", "forward", "last"): {
        "taps": 4.3e-07, "weights": 6.5e-10, "output": 1.8e-10, "far_output": 5.3e-10,
        "arithmetic": 1.9, "gather": 1.4, "traffic": 0.11, "start": 0.64,
    },
    ("bf16x3", "backward_data", "first"): {
        "weights": 2.4e-09, "input": 5.7e-10, "arithmetic": 1.8, "gather": 2.3, "traffic": 0.57,
        "start": 3.1,
    },
    ("bf16x3", "backward_data", "last"): {
        "taps": 2.3e-06, "weights": 2.1e-09, "input": 4.8e-10, "arithmetic": 1.7, "gather": 2.2,
        "traffic": 1.1,
    },
    ("bf16x3", "forward", "first"): {
        "groups": 3.4e-06, "weights": 8.4e-10, "strided_input": 1.3e-10, "output": 3.1e-10,
        "far_input": 8e-11, "far_output": 1.2e-09, "arithmetic": 1.3, "gather": 2.1,
        "traffic": 0.33,
    },
    ("bf16x3", "forward", "last"): {
        "taps": 7.5e-07, "weights": 8.5e-10, "output": 2.1e-10, "far_output": 6.2e-10,
        "arithmetic": 1.5, "gather": 1.8, "traffic": 0.25,
    },
    ("depthwise", "backward_data", "first"): {
        "unplanned": 3.3e-06, "output_rows": 1.6e-09, "input": 2.1e-10, "far_output": 2.3e-10,
        "arithmetic": 0.7, "gather": 0.75, "start": 0.27,
    },
    ("depthwise", "backward_data", "last"): {
        "call": 4.3e-06, "output": 3.8e-10, "far_output": 1.6e-09, "arithmetic": 1,
        "gather": 0.56, "start": 0.076,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 3.6e-06, "channels": 5.2e-08, "input_rows": 8.9e-09, "lines": 8.3e-10,
        "plane_taps": 1.8e-08, "weights": 7.3e-09, "output": 9.9e-11, "far_output": 1.9e-10,
        "arithmetic": 0.49, "filled_filters": 0.02,
    },
    ("depthwise", "backward_weight", "last"): {
        "unplanned": 3.7e-06, "taps": 1.8e-08, "plane_taps": 3e-09, "weights": 1.9e-09,
        "output": 3.3e-10, "arithmetic": 0.94, "gather": 0.68,
    },
    ("depthwise", "forward", "first"): {
        "call": 8.5e-07, "unplanned": 1.8e-06, "taps": 7.5e-09, "output_rows": 2.7e-09,
        "weights": 1.8e-09, "input": 1.5e-10, "far_output": 1.8e-10, "arithmetic": 0.45,
        "filled_filters": 0.025, "start": 0.25,
    },
    ("depthwise", "forward", "last"): {
        "call": 1.5e-06, "unplanned": 2.5e-06, "taps": 2.7e-08, "far_weights": 1.5e-09,
        "far_output": 7e-10, "arithmetic": 0.87, "gather": 0.74, "traffic": 1.2,
    },
    ("direct", "backward_data", "first"): {
        "unplanned": 3.4e-06, "taps": 5.3e-09, "input_rows": 1.9e-09, "output_rows": 3.2e-09,
        "plane_taps": 1.6e-08, "strided_input": 4.3e-10, "arithmetic": 1.1, "gather": 0.62,
        "transform": 1.3, "traffic": 0.67, "start": 0.32,
    },
    ("direct", "backward_data", "last"): {
        "unplanned": 3.1e-06, "plane_taps": 8.1e-09, "strided_input": 9e-11, "far_weights": 4e-10,
        "far_output": 1.5e-09, "arithmetic": 0.76, "filled_filters": 0.064, "gather": 5.4,
        "transform": 0.86, "traffic": 6.2, "start": 0.41,
    },
    ("direct", "backward_weight", "first"): {
        "call": 3.7e-06, "channels": 9.2e-09, "input_rows": 1.9e-09, "far_weights": 4.3e-10,
        "far_input": 1.5e-10, "arithmetic": 0.9, "gather": 0.41, "transform": 0.64, "start": 0.35,
    },
    ("direct", "backward_weight", "last"): {
        "unplanned": 3.2e-06, "far_output": 5.9e-10, "arithmetic": 0.71, "filled_filters": 0.032,
        "gather": 0.63, "transform": 0.64, "start": 0.45,
    },
    ("direct", "forward", "first"): {
        "call": 1.7e-06, "unplanned": 2.2e-06, "groups": 7.8e-08, "input_rows": 2.7e-09,
        "output": 1.3e-10, "far_input": 1.4e-10, "arithmetic": 0.89, "filled_filters": 0.018,
        "filled_rows": 0.037, "gather": 0.53, "transform": 0.82,
    },
    ("direct", "forward", "last"): {
        "call": 1.4e-06, "unplanned": 2.1e-06, "groups": 1.2e-07, "far_weights": 1.5e-10,
        "far_output": 6.4e-10, "arithmetic": 0.68, "filled_filters": 0.12, "gather": 1.3,
        "transform": 0.75, "traffic": 6.6,
    },
    ("fft", "backward_data", "first"): {
        "taps": 4.3e-08, "input_rows": 9.7e-08, "strided_input": 7.9e-09, "output": 2.9e-09,
        "arithmetic": 1.3, "gather": 2.5, "transform": 0.39, "start": 0.6,
    },
    ("fft", "backward_data", "last"): {
        "input_rows": 3.2e-07, "output_rows": 3.4e-08, "lines": 3.3e-10, "weights": 2.7e-08,
        "input": 1.4e-09, "strided_input": 1.2e-08, "output": 5.7e-09, "filled_filters": 0.74,
        "gather": 1.9,
    },
    ("fft", "backward_weight", "first"): {
        "unplanned": 8.1e-05, "input_rows": 8.4e-08, "output_rows": 1.3e-07, "output": 2.4e-09,
        "filled_filters": 0.65, "gather": 0.66, "transform": 0.45, "traffic": 3.8,
    },
    ("fft", "backward_weight", "last"): {
        "unplanned": 7e-05, "input_rows": 8.3e-08, "output_rows": 4.5e-08,
        "strided_input": 3.3e-09, "far_output": 1.9e-09, "arithmetic": 0.82, "gather": 1.2,
        "transform": 1,
    },
    ("fft", "forward", "first"): {
        "unplanned": 8e-05, "input_rows": 1.5e-07, "weights": 1.3e-08, "strided_input": 3.9e-09,
        "output": 4.8e-09, "arithmetic": 0.97, "filled_filters": 0.65, "gather": 1,
        "transform": 0.23,
    },
    ("fft", "forward", "last"): {
        "unplanned": 7.9e-05, "input_rows": 7.7e-08, "output_rows": 4.4e-08, "weights": 1.2e-08,
        "output": 7.6e-09, "filled_filters": 1.3, "gather": 1,
    },
    ("im2col", "backward_data", "first"): {
        "call": 3.8e-06, "channels": 1.6e-08, "groups": 1e-07, "taps": 1.5e-08,
        "weights": 1.3e-10, "strided_input": 2.5e-10, "far_weights": 2.7e-10,
        "far_input": 2.6e-10, "far_output": 1.5e-10, "arithmetic": 0.28, "filled_filters": 0.23,
        "gather": 0.41,
    },
    ("im2col", "backward_data", "last"): {
        "unplanned": 3.2e-06, "weights": 8.8e-11, "input": 1.5e-10, "far_weights": 1.4e-10,
        "far_input": 8.7e-10, "filled_filters": 0.68, "gather": 0.55, "traffic": 1.1,
        "start": 0.16,
    },
    ("im2col", "backward_weight", "first"): {
        "unplanned": 3e-06, "filters": 4.1e-09, "taps": 5.3e-08, "weights": 2.7e-10,
        "far_input": 1.4e-10, "arithmetic": 0.95, "gather": 0.59, "start": 0.15,
    },
    ("im2col", "backward_weight", "last"): {
        "unplanned": 3.2e-06, "weights": 2.7e-10, "input": 2.5e-10, "far_output": 5.8e-10,
        "filled_filters": 0.6, "gather": 0.61, "start": 0.13,
    },
    ("im2col", "forward", "first"): {
        "call": 1.4e-06, "unplanned": 1.8e-06, "channels": 8e-09, "groups": 7.8e-08,
        "taps": 2.3e-08, "output": 1.9e-10, "far_input": 1.4e-10, "arithmetic": 0.47,
        "gather": 0.56, "transform": 0.72,
    },
    ("im2col", "forward", "last"): {
        "call": 9.8e-07, "unplanned": 1.7e-06, "input": 2.6e-10, "far_weights": 1.7e-10,
        "far_output": 8e-10, "filled_filters": 0.56, "gather": 0.63, "transform": 0.87,
        "traffic": 1.2, "start": 0.15,
    },
    ("inner_product", "backward_data", "first"): {
        "unplanned": 8.7e-06, "groups": 3.4e-08, "strided_input": 2.2e-10, "far_weights": 1.8e-10,
        "arithmetic": 1, "gather": 1.3,
    },
    ("inner_product", "backward_data", "last"): {
        "unplanned": 8.2e-06, "groups": 4.9e-08, "far_weights": 3.7e-10, "arithmetic": 0.97,
        "gather": 0.77, "transform": 0.36,
    },
    ("inner_product", "backward_weight", "first"): {
        "call": 8.6e-06, "groups": 2.5e-08, "weights": 2e-10, "far_weights": 3.5e-10,
        "far_input": 1.7e-07, "arithmetic": 0.61, "gather": 1.1,
    },
    ("inner_product", "backward_weight", "last"): {
        "unplanned": 6.6e-06, "groups": 7.1e-08, "weights": 1.3e-10, "far_weights": 6e-10,
        "filled_filters": 0.65, "gather": 0.7, "transform": 0.47,
    },
    ("inner_product", "forward", "first"): {
        "call": 4e-06, "unplanned": 3.4e-06, "groups": 3.5e-08, "far_weights": 1.5e-10,
        "arithmetic": 0.68, "gather": 1.5, "transform": 0.42, "traffic": 0.11,
    },
    ("inner_product", "forward", "last"): {
        "call": 2.4e-06, "unplanned": 4.2e-06, "groups": 4.5e-08, "far_weights": 2.2e-10,
        "filled_filters": 0.7, "gather": 0.78, "transform": 0.12,
    },
    ("sliding", "backward_data", "first"): {
        "unplanned": 5.9e-06, "taps": 1.7e-07, "input_rows": 3.5e-08, "strided_input": 6.1e-09,
        "arithmetic": 0.68,
    },
    ("sliding", "backward_data", "last"): {
        "unplanned": 1.4e-05, "input_rows": 1.5e-08, "weights": 1.4e-08, "input": 1.2e-08,
        "far_weights": 4.9e-06, "arithmetic": 0.32,
    },
    ("sliding", "backward_weight", "first"): {
        "unplanned": 6.5e-06, "lines": 3.9e-09, "weights": 2.1e-08, "arithmetic": 0.34,
    },
    ("sliding", "backward_weight", "last"): {
        "call": 1.4e-05, "weights": 2.1e-08, "far_output": 5.8e-09, "arithmetic": 0.32,
        "filled_rows": 0.058,
    },
    ("sliding", "forward", "first"): {
        "call": 3e-06, "unplanned": 2.5e-06, "channels": 7.5e-09, "output_rows": 1.6e-08,
        "output": 1.7e-08, "arithmetic": 0.3,
    },
    ("sliding", "forward", "last"): {
        "call": 7.4e-06, "unplanned": 2.4e-06, "channels": 1.6e-08, "output": 1.9e-08,
        "arithmetic": 0.34,
    },
    ("swapped", "backward_data", "first"): {
        "input_rows": 4.4e-08, "arithmetic": 1.1, "filled_rows": 0.11, "gather": 0.72,
        "transform": 3, "start": 0.81,
    },
    ("swapped", "backward_data", "last"): {
        "call": 3.3e-05, "filters": 6.9e-08, "input_rows": 3.7e-08, "weights": 6.1e-10,
        "arithmetic": 3.1, "transform": 3.2,
    },
    ("swapped", "forward", "first"): {
        "arithmetic": 1.1, "start": 0.84,
    },
    ("winograd", "backward_data", "first"): {
        "unplanned": 7.4e-06, "far_weights": 8.6e-10, "arithmetic": 1.5, "gather": 1.7,
        "transform": 1.5,
    },
    ("winograd", "backward_data", "last"): {
        "unplanned": 7.5e-06, "filters": 2e-08, "far_weights": 2.6e-10, "far_input": 9.9e-10,
        "far_output": 6.2e-10, "arithmetic": 1.4, "transform": 1.3, "traffic": 0.23,
    },
    ("winograd", "backward_weight", "first"): {
        "unplanned": 5.9e-06, "weights": 5.7e-10, "input": 5.3e-10, "far_weights": 6.9e-10,
        "far_input": 5.2e-10, "far_output": 9.8e-10, "arithmetic": 1.2, "transform": 0.82,
        "traffic": 0.27,
    },
    ("winograd", "backward_weight", "last"): {
        "unplanned": 5e-06, "groups": 2.2e-07, "lines": 2.7e-11, "input": 5.2e-10,
        "far_weights": 1.9e-09, "far_input": 3.7e-10, "far_output": 1.2e-09, "arithmetic": 0.7,
        "transform": 0.8, "traffic": 0.56,
    },
    ("winograd", "forward", "first"): {
        "call": 3e-06, "unplanned": 3.9e-06, "far_input": 3.2e-10, "arithmetic": 1.4,
        "gather": 0.74, "transform": 1.4, "traffic": 0.62,
    },
    ("winograd", "forward", "last"): {
        "call": 3e-06, "unplanned": 4e-06, "far_weights": 2.4e-10, "far_output": 9.1e-10,
        "arithmetic": 1.3, "filled_filters": 0.05, "transform": 1.5, "traffic": 0.32,
    },
}
