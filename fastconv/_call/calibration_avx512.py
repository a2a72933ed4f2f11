"""The prices of what cost models count: written by `bench/fit.py`, not by hand.

From 7753 random layers on one thread of Intel(R) Xeon(R) Processor, avx512_amx.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("bf16", "backward_data", "first"): {
        "taps": 5.3e-08, "weights": 8.3e-09, "input": 5.1e-10, "arithmetic": 1.7,
        "filled_filters": 0.13, "gather": 2.4, "start": 3.1,
    },
    ("bf16", "backward_data", "last"): {
        "groups": 5.1e-06, "weights": 8e-09, "arithmetic": 2.2, "filled_rows": 0.25,
        "gather": 1.4, "traffic": 1.1, "start": 2.5,
    },
    ("bf16", "forward", "first"): {
        "weights": 7.7e-09, "output": 4.4e-10, "arithmetic": 1.9, "filled_filters": 0.14,
        "gather": 2.1, "start": 1.8,
    },
    ("bf16", "forward", "last"): {
        "weights": 7.3e-09, "arithmetic": 1.9, "filled_filters": 0.34, "gather": 1.7,
        "traffic": 0.7, "start": 1.1,
    },
    ("bf16x3", "backward_data", "first"): {
        "groups": 5.4e-06, "taps": 6.1e-08, "weights": 8.5e-09, "input": 5.1e-10,
        "arithmetic": 1.1, "filled_filters": 0.073, "gather": 3.3, "traffic": 0.69,
    },
    ("bf16x3", "backward_data", "last"): {
        "groups": 8.5e-06, "taps": 2.3e-07, "weights": 8.5e-09, "input": 4.9e-10,
        "arithmetic": 1.4, "gather": 2, "traffic": 0.88,
    },
    ("bf16x3", "forward", "first"): {
        "weights": 8.1e-09, "output": 5.6e-10, "arithmetic": 1.4, "filled_filters": 0.062,
        "gather": 2.6, "traffic": 0.22, "start": 1.6,
    },
    ("bf16x3", "forward", "last"): {
        "weights": 7.7e-09, "arithmetic": 1.9, "filled_filters": 0.16, "gather": 2.3,
        "start": 1.2,
    },
    ("depthwise", "backward_data", "first"): {
        "call": 2.8e-06, "taps": 9.9e-09, "input": 2.3e-10, "arithmetic": 0.68, "gather": 0.41,
        "start": 0.42,
    },
    ("depthwise", "backward_data", "last"): {
        "call": 4.6e-06, "lines": 2.6e-10, "output": 5.8e-10, "arithmetic": 0.74, "gather": 0.68,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 3.4e-06, "filters": 2.3e-08, "groups": 5.9e-08, "input_rows": 7.4e-09,
        "weights": 9.7e-09, "input": 1.2e-10, "output": 1.3e-10, "filled_rows": 0.86,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 3.7e-06, "filters": 9.8e-09, "taps": 5.7e-08, "output_rows": 2e-09,
        "output": 3.5e-10, "arithmetic": 1, "gather": 0.68,
    },
    ("depthwise", "forward", "first"): {
        "call": 2.3e-06, "output_rows": 3.3e-09, "input": 2.1e-10, "arithmetic": 0.84,
        "gather": 0.79, "start": 0.16,
    },
    ("depthwise", "forward", "last"): {
        "call": 3.2e-06, "weights": 2.9e-09, "output": 5.1e-10, "filled_rows": 0.55,
        "gather": 0.56,
    },
    ("direct", "backward_data", "first"): {
        "call": 4e-06, "taps": 5.4e-09, "output_rows": 3.8e-09, "input": 3.5e-10,
        "arithmetic": 1.1, "transform": 1.6, "start": 0.29,
    },
    ("direct", "backward_data", "last"): {
        "call": 3.2e-06, "weights": 4.3e-10, "output": 2.9e-10, "arithmetic": 0.72,
        "filled_filters": 0.13, "gather": 4.3, "transform": 0.9, "traffic": 6.6, "start": 0.39,
    },
    ("direct", "backward_weight", "first"): {
        "call": 3.8e-06, "taps": 7.3e-08, "input_rows": 1.8e-09, "weights": 4.7e-10,
        "arithmetic": 0.94, "gather": 0.91, "transform": 0.48, "start": 0.35,
    },
    ("direct", "backward_weight", "last"): {
        "call": 4.1e-06, "channels": 1.1e-08, "taps": 6.2e-08, "arithmetic": 0.83,
        "filled_filters": 0.042, "gather": 1.3, "transform": 0.85, "start": 0.17,
    },
    ("direct", "forward", "first"): {
        "call": 2.6e-06, "taps": 4.4e-09, "output_rows": 4.5e-09, "input": 2.4e-10,
        "arithmetic": 0.95, "filled_filters": 0.02, "transform": 1.2, "start": 0.13,
    },
    ("direct", "forward", "last"): {
        "call": 2.2e-06, "arithmetic": 0.68, "filled_filters": 0.16, "gather": 1, "transform": 1,
        "traffic": 7.8, "start": 0.17,
    },
    ("fft", "backward_data", "first"): {
        "input_rows": 1.7e-07, "weights": 3.6e-08, "input": 2.9e-09, "arithmetic": 1.2,
        "gather": 2.1, "transform": 0.5, "start": 0.36,
    },
    ("fft", "backward_data", "last"): {
        "input": 8.3e-09, "filled_filters": 0.41, "filled_rows": 0.44, "gather": 2.8,
        "transform": 1, "start": 0.81,
    },
    ("fft", "backward_weight", "first"): {
        "call": 7.2e-05, "input_rows": 7.2e-08, "weights": 7.6e-09, "input": 2.3e-09,
        "filled_rows": 0.73, "gather": 1.4, "transform": 0.66,
    },
    ("fft", "backward_weight", "last"): {
        "call": 7.4e-05, "filters": 2.3e-07, "input_rows": 8.1e-08, "input": 1.8e-09,
        "output": 1.2e-09, "filled_rows": 0.57, "gather": 1.1, "transform": 1.2,
    },
    ("fft", "forward", "first"): {
        "call": 3.5e-05, "input_rows": 8.8e-08, "weights": 2.9e-08, "output": 2.8e-09,
        "filled_filters": 0.93, "gather": 1.6, "transform": 0.24,
    },
    ("fft", "forward", "last"): {
        "input_rows": 5.2e-08, "output_rows": 1.6e-07, "weights": 1.7e-08, "input": 4.3e-09,
        "output": 5.1e-09, "filled_filters": 0.92, "gather": 1.3,
    },
    ("im2col", "backward_data", "first"): {
        "call": 3.9e-06, "groups": 1e-07, "weights": 1.6e-10, "input": 2.3e-10,
        "arithmetic": 0.42, "filled_filters": 0.15, "gather": 0.48,
    },
    ("im2col", "backward_data", "last"): {
        "call": 3.4e-06, "weights": 1.1e-10, "input": 4.6e-10, "filled_filters": 0.66,
        "gather": 0.57, "traffic": 1, "start": 0.13,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 3.1e-06, "taps": 5.1e-08, "weights": 6.4e-10, "input": 6.8e-11,
        "arithmetic": 0.97, "gather": 0.59, "start": 0.15,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 3.1e-06, "weights": 5.2e-10, "output": 2.1e-10, "filled_filters": 0.74,
        "gather": 0.67, "start": 0.13,
    },
    ("im2col", "forward", "first"): {
        "call": 2.4e-06, "channels": 1.1e-08, "groups": 7.6e-08, "taps": 3.5e-08,
        "output": 2.1e-10, "arithmetic": 0.49, "gather": 0.59, "transform": 0.69,
    },
    ("im2col", "forward", "last"): {
        "call": 2.1e-06, "input": 1.7e-10, "output": 4.2e-10, "filled_filters": 0.61,
        "gather": 0.63, "transform": 1, "start": 0.16,
    },
    ("inner_product", "backward_data", "first"): {
        "call": 5.7e-06, "groups": 4.4e-08, "taps": 2e-08, "filled_rows": 0.16, "transform": 1.7,
    },
    ("inner_product", "backward_data", "last"): {
        "call": 1.2e-05, "groups": 3.4e-08, "taps": 4.3e-08, "traffic": 1.9,
    },
    ("inner_product", "backward_weight", "first"): {
        "call": 5.1e-06, "groups": 2.5e-08, "output_rows": 6.2e-09, "arithmetic": 6.6,
        "filled_filters": 0.37, "transform": 1.9,
    },
    ("inner_product", "backward_weight", "last"): {
        "call": 1e-05, "groups": 6.2e-08, "lines": 1e-09,
    },
    ("inner_product", "forward", "first"): {
        "call": 3.8e-06, "groups": 3.7e-08, "lines": 4.5e-11, "weights": 1.6e-10,
    },
    ("inner_product", "forward", "last"): {
        "call": 5.5e-06, "groups": 5.8e-08, "weights": 6.9e-10, "input": 2.6e-10,
    },
    ("sliding", "backward_data", "first"): {
        "call": 6.7e-06, "input_rows": 1.1e-08, "input": 9.6e-09, "arithmetic": 0.34,
        "filled_rows": 0.043,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.5e-05, "input_rows": 9.8e-09, "weights": 1.5e-08, "input": 9e-09,
        "arithmetic": 0.46,
    },
    ("sliding", "backward_weight", "first"): {
        "call": 6.6e-06, "lines": 3.9e-09, "weights": 2.1e-08, "arithmetic": 0.36,
    },
    ("sliding", "backward_weight", "last"): {
        "call": 1.5e-05, "lines": 3.8e-09, "weights": 2.2e-08, "arithmetic": 0.37,
    },
    ("sliding", "forward", "first"): {
        "call": 4.7e-06, "channels": 1.5e-08, "output_rows": 1.4e-08, "output": 1.3e-08,
        "arithmetic": 0.39,
    },
    ("sliding", "forward", "last"): {
        "call": 9.8e-06, "output_rows": 2.6e-08, "input": 6.9e-10, "output": 1.1e-08,
        "arithmetic": 0.39,
    },
    ("swapped", "backward_data", "first"): {
        "call": 1.9e-05, "channels": 1.2e-07, "filters": 1.4e-07, "arithmetic": 1.4,
        "filled_rows": 0.18, "gather": 0.24,
    },
    ("swapped", "backward_data", "last"): {
        "channels": 1e-07, "output": 7.6e-09, "arithmetic": 1, "gather": 0.71, "transform": 3.1,
        "start": 1.3,
    },
    ("swapped", "forward", "first"): {
        "weights": 1.2e-09, "filled_rows": 1.1, "start": 0.68,
    },
    ("winograd", "backward_data", "first"): {
        "call": 7.2e-06, "arithmetic": 1.4, "filled_filters": 0.023, "gather": 2.8,
        "transform": 1.2,
    },
    ("winograd", "backward_data", "last"): {
        "call": 7.1e-06, "arithmetic": 1.5, "filled_filters": 0.1, "gather": 0.49,
        "transform": 1.3,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 6.4e-06, "lines": 7.9e-11, "weights": 7.5e-10, "input": 9.4e-10,
        "output": 4.4e-10, "arithmetic": 1.1, "filled_filters": 0.074, "transform": 0.51,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 4.8e-06, "input": 7.5e-10, "output": 5.1e-10, "arithmetic": 1, "transform": 0.54,
        "traffic": 0.71,
    },
    ("winograd", "forward", "first"): {
        "call": 5.3e-06, "arithmetic": 1.5, "transform": 1.7, "traffic": 0.6,
    },
    ("winograd", "forward", "last"): {
        "call": 4.8e-06, "arithmetic": 1.5, "transform": 1.7, "traffic": 0.34,
    },
}
