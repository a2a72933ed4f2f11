"""The prices of what cost models count: written by `bench/fit.py`, not by hand.

From 5064 random layers on one thread of Intel(R) Xeon(R) Processor, avx512_amx.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("bf16", "backward_data", "first"): {
        "filters": 1.6e-07, "weights": 1.6e-09, "input": 6.6e-10, "arithmetic": 1.5,
        "filled_filters": 0.12, "gather": 2.3, "traffic": 0.81, "start": 2.5,
    },
    ("bf16", "backward_data", "last"): {
        "call": 1.1e-05, "filters": 2.4e-07, "weights": 1.4e-09, "output": 6.5e-10,
        "arithmetic": 2.5, "traffic": 1.9,
    },
    ("bf16", "forward", "first"): {
        "weights": 6.4e-10, "output": 3.6e-10, "arithmetic": 1.5, "filled_filters": 0.14,
        "gather": 2.2, "traffic": 0.47, "start": 1.9,
    },
    ("bf16", "forward", "last"): {
        "groups": 7.7e-07, "taps": 1.7e-07, "weights": 6.1e-10, "output": 3.1e-10,
        "arithmetic": 1.9, "filled_filters": 0.23, "gather": 1.7, "traffic": 0.28, "start": 0.76,
    },
    ("bf16x3", "backward_data", "first"): {
        "groups": 1.7e-06, "weights": 1.7e-09, "input": 2.4e-10, "arithmetic": 2.2, "gather": 3.1,
        "start": 3.1,
    },
    ("bf16x3", "backward_data", "last"): {
        "call": 1.1e-05, "filters": 2.9e-07, "weights": 1.4e-09, "output": 8.6e-10,
        "arithmetic": 1.8, "filled_filters": 0.14, "traffic": 1.9,
    },
    ("bf16x3", "forward", "first"): {
        "weights": 8.7e-10, "output": 3.8e-10, "arithmetic": 1.4, "filled_filters": 0.06,
        "gather": 2.7, "traffic": 0.33, "start": 1.9,
    },
    ("bf16x3", "forward", "last"): {
        "groups": 1.3e-06, "taps": 2.7e-07, "weights": 8.1e-10, "output": 3.6e-10,
        "arithmetic": 1.5, "filled_filters": 0.072, "gather": 2.3, "traffic": 0.28,
    },
    ("depthwise", "backward_data", "first"): {
        "call": 3.5e-06, "input": 1.3e-10, "output": 1.3e-10, "arithmetic": 0.75, "gather": 0.86,
        "start": 0.24,
    },
    ("depthwise", "backward_data", "last"): {
        "call": 4.7e-06, "lines": 2.2e-10, "output": 5.2e-10, "arithmetic": 0.72, "gather": 0.65,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 2.8e-06, "groups": 1e-07, "output_rows": 8.5e-09, "lines": 2.3e-10,
        "input": 1.3e-10, "filled_rows": 0.89, "start": 0.21,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 3.7e-06, "filters": 7.4e-09, "output": 4.2e-10, "arithmetic": 0.43,
        "filled_rows": 0.66, "gather": 0.81,
    },
    ("depthwise", "forward", "first"): {
        "call": 2.2e-06, "output_rows": 2.6e-09, "input": 1.3e-10, "output": 1.1e-10,
        "arithmetic": 0.81, "gather": 1, "start": 0.19,
    },
    ("depthwise", "forward", "last"): {
        "call": 2.8e-06, "weights": 2.4e-09, "output": 4.7e-10, "filled_rows": 0.74,
        "gather": 0.65,
    },
    ("direct", "backward_data", "first"): {
        "call": 3.2e-06, "taps": 5.1e-09, "output_rows": 7e-09, "input": 3.4e-10,
        "arithmetic": 1.2, "transform": 1.6, "start": 0.4,
    },
    ("direct", "backward_data", "last"): {
        "call": 3.2e-06, "taps": 6.9e-08, "weights": 3.4e-10, "arithmetic": 0.83, "gather": 8.1,
        "transform": 0.96, "traffic": 10, "start": 0.32,
    },
    ("direct", "backward_weight", "first"): {
        "call": 4.4e-06, "taps": 7e-08, "input_rows": 1.8e-09, "arithmetic": 0.97, "gather": 1.1,
        "transform": 0.76, "start": 0.32,
    },
    ("direct", "backward_weight", "last"): {
        "call": 3.3e-06, "channels": 1.2e-08, "taps": 1.6e-07, "weights": 4.3e-10,
        "output": 2.1e-10, "arithmetic": 0.8, "filled_filters": 0.058, "gather": 1.2,
        "transform": 0.33, "start": 0.34,
    },
    ("direct", "forward", "first"): {
        "call": 2.9e-06, "groups": 8.3e-08, "taps": 3.9e-09, "input_rows": 1.8e-09,
        "output_rows": 3.5e-09, "input": 2.1e-10, "arithmetic": 0.98, "filled_filters": 0.019,
        "transform": 1,
    },
    ("direct", "forward", "last"): {
        "call": 2.6e-06, "groups": 9e-08, "arithmetic": 0.65, "filled_filters": 0.19, "gather": 1,
        "transform": 1.1, "traffic": 9.6,
    },
    ("fft", "backward_data", "first"): {
        "channels": 1.2e-06, "input_rows": 2.6e-07, "weights": 3.6e-08, "output": 3.9e-09,
        "filled_filters": 1.1, "gather": 2.5,
    },
    ("fft", "backward_data", "last"): {
        "input_rows": 1.2e-07, "output_rows": 7.1e-08, "weights": 1.2e-08, "input": 1.4e-08,
        "arithmetic": 1.4, "gather": 2.4, "start": 0.79,
    },
    ("fft", "backward_weight", "first"): {
        "call": 9.5e-05, "filters": 2.8e-07, "taps": 1.6e-08, "input_rows": 1.7e-07,
        "output_rows": 1.8e-07, "input": 6.5e-09, "transform": 0.48, "traffic": 6.4,
    },
    ("fft", "backward_weight", "last"): {
        "lines": 1e-10, "input": 2.1e-09, "filled_filters": 0.41, "gather": 1.3, "transform": 1.3,
        "start": 1.2,
    },
    ("fft", "forward", "first"): {
        "call": 3.8e-05, "input_rows": 1.1e-07, "weights": 3.3e-08, "output": 3.6e-09,
        "filled_filters": 0.87, "gather": 1.1, "transform": 0.29,
    },
    ("fft", "forward", "last"): {
        "input_rows": 2.9e-08, "weights": 1.2e-08, "input": 2.8e-09, "output": 6.2e-09,
        "filled_filters": 1.2, "gather": 1.7, "start": 0.61,
    },
    ("im2col", "backward_data", "first"): {
        "call": 3.7e-06, "channels": 1.2e-08, "groups": 1.1e-07, "weights": 3.5e-10,
        "input": 1.7e-10, "filled_filters": 0.47, "gather": 0.41,
    },
    ("im2col", "backward_data", "last"): {
        "call": 3.3e-06, "weights": 1.2e-10, "input": 3.5e-10, "filled_filters": 0.67,
        "gather": 0.59, "traffic": 0.92, "start": 0.13,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 3.6e-06, "groups": 2.1e-07, "taps": 3.3e-08, "weights": 6e-10, "input": 6.4e-11,
        "arithmetic": 1, "gather": 0.6,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 3e-06, "weights": 4.9e-10, "filled_filters": 0.71, "gather": 0.7, "traffic": 0.55,
        "start": 0.14,
    },
    ("im2col", "forward", "first"): {
        "call": 2.5e-06, "channels": 9e-09, "groups": 7.2e-08, "input": 6.5e-11,
        "output": 1.6e-10, "arithmetic": 0.48, "gather": 0.62, "transform": 0.81,
    },
    ("im2col", "forward", "last"): {
        "call": 1.9e-06, "input": 3.3e-10, "filled_filters": 0.58, "gather": 0.64,
        "transform": 1.2, "traffic": 2.3, "start": 0.15,
    },
    ("inner_product", "backward_data", "first"): {
        "call": 5.6e-06, "groups": 2.7e-08, "arithmetic": 4.1, "transform": 2.9,
    },
    ("inner_product", "backward_data", "last"): {
        "call": 1.1e-05, "groups": 2.6e-08, "taps": 1.2e-07, "output_rows": 1.3e-08,
        "input": 1.3e-09, "transform": 0.23,
    },
    ("inner_product", "backward_weight", "first"): {
        "call": 5.2e-06, "groups": 3.2e-08, "output": 5.3e-09, "filled_rows": 0.48,
        "transform": 30,
    },
    ("inner_product", "backward_weight", "last"): {
        "call": 1.1e-05, "channels": 1.1e-08, "taps": 4.9e-08, "output_rows": 1.5e-08,
        "arithmetic": 9.3,
    },
    ("inner_product", "forward", "first"): {
        "call": 3.8e-06, "groups": 3.2e-08, "weights": 7.4e-11, "arithmetic": 2.4,
        "transform": 0.49,
    },
    ("inner_product", "forward", "last"): {
        "call": 4.5e-06, "groups": 5.8e-08, "input_rows": 1.9e-09, "weights": 9.5e-10,
    },
    ("sliding", "backward_data", "first"): {
        "call": 6.6e-06, "input_rows": 2.1e-08, "input": 5.3e-09, "arithmetic": 0.72,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.4e-05, "input": 6.4e-09, "arithmetic": 0.68, "filled_rows": 0.051,
    },
    ("sliding", "backward_weight", "first"): {
        "call": 6.9e-06, "lines": 3.5e-09, "weights": 2.1e-08, "arithmetic": 0.43,
    },
    ("sliding", "backward_weight", "last"): {
        "call": 1.4e-05, "lines": 3.9e-09, "weights": 2.1e-08, "arithmetic": 0.41,
    },
    ("sliding", "forward", "first"): {
        "call": 4.8e-06, "output_rows": 2.2e-08, "output": 1.3e-08, "arithmetic": 0.4,
    },
    ("sliding", "forward", "last"): {
        "call": 9.5e-06, "input_rows": 8.2e-09, "output": 1.8e-08, "arithmetic": 0.37,
    },
    ("swapped", "backward_data", "first"): {
        "channels": 3.5e-08, "input_rows": 2.4e-08, "lines": 2.3e-10, "arithmetic": 0.75,
        "filled_rows": 0.22, "transform": 5.5, "start": 0.87,
    },
    ("swapped", "backward_data", "last"): {
        "channels": 3.2e-07, "taps": 3.9e-08, "output": 6.7e-08, "arithmetic": 1.5,
        "filled_rows": 0.22, "gather": 0.18, "start": 1.2,
    },
    ("winograd", "backward_data", "first"): {
        "call": 7.2e-06, "channels": 2.2e-08, "arithmetic": 1.5, "transform": 1.7,
        "traffic": 0.65,
    },
    ("winograd", "backward_data", "last"): {
        "call": 7e-06, "arithmetic": 1.4, "transform": 2.1,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 4.3e-06, "weights": 8.5e-10, "input": 1e-09, "output": 5.7e-10, "arithmetic": 1.2,
        "filled_filters": 0.08, "transform": 0.92,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 5.2e-06, "channels": 3e-08, "weights": 7.7e-10, "input": 7.4e-10,
        "arithmetic": 1.4, "transform": 0.8,
    },
    ("winograd", "forward", "first"): {
        "call": 5.1e-06, "arithmetic": 1.4, "gather": 1.2, "transform": 1.5, "traffic": 0.49,
    },
    ("winograd", "forward", "last"): {
        "call": 4.9e-06, "arithmetic": 1.6, "transform": 1.5, "traffic": 0.46,
    },
}
