"""The prices of what cost models count: written by `bench/fit.py`, not by hand.

From 10070 random layers on one thread of Intel(R) Xeon(R) Processor, avx512_amx; those of
bf16x3 and bf16 from 2596 later ones.
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
        "taps": 4.1e-07, "weights": 6.4e-10, "input": 1.9e-10, "output": 3.7e-10,
        "arithmetic": 1.8, "gather": 1.4, "traffic": 0.38,
    },
    ("bf16", "forward", "last"): {
        "groups": 2.1e-06, "weights": 6.5e-10, "output": 2.4e-10, "arithmetic": 2, "gather": 1.5,
        "traffic": 0.33,
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
        "taps": 5.3e-07, "weights": 8e-10, "input": 2.1e-10, "output": 4.5e-10, "arithmetic": 1.4,
        "gather": 1.7, "traffic": 0.31,
    },
    ("bf16x3", "forward", "last"): {
        "groups": 2.4e-06, "weights": 8.1e-10, "arithmetic": 1.6, "gather": 1.9, "traffic": 0.33,
    },
    ("depthwise", "backward_data", "first"): {
        "call": 3.7e-06, "output_rows": 3.4e-09, "input": 2.1e-10, "arithmetic": 0.75,
        "gather": 1, "start": 0.22,
    },
    ("depthwise", "backward_data", "last"): {
        "call": 5.3e-06, "output": 5.7e-10, "arithmetic": 0.87, "gather": 0.53,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 4.1e-06, "groups": 7.8e-08, "input_rows": 7.1e-09, "weights": 1e-08,
        "output": 2e-10, "filled_rows": 0.95,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 4.4e-06, "weights": 2.7e-09, "output": 4.6e-10, "arithmetic": 1, "gather": 0.94,
    },
    ("depthwise", "forward", "first"): {
        "call": 2.2e-06, "output_rows": 2.6e-09, "output": 2.4e-10, "arithmetic": 0.84,
        "gather": 0.94, "start": 0.2,
    },
    ("depthwise", "forward", "last"): {
        "call": 3.3e-06, "output": 4.9e-10, "arithmetic": 0.79, "gather": 0.84,
    },
    ("direct", "backward_data", "first"): {
        "call": 3.9e-06, "filters": 2.2e-08, "taps": 9e-09, "input_rows": 3.9e-09,
        "input": 2.9e-10, "arithmetic": 1.2, "transform": 1.3, "start": 0.31,
    },
    ("direct", "backward_data", "last"): {
        "call": 3.2e-06, "output_rows": 5.9e-09, "weights": 6e-10, "arithmetic": 0.8,
        "filled_filters": 0.085, "gather": 5.4, "transform": 0.49, "traffic": 7.7, "start": 0.43,
    },
    ("direct", "backward_weight", "first"): {
        "call": 4.3e-06, "taps": 1.3e-08, "input_rows": 1.5e-09, "arithmetic": 0.96,
        "gather": 0.87, "transform": 0.79, "start": 0.3,
    },
    ("direct", "backward_weight", "last"): {
        "call": 3.7e-06, "output": 1.9e-10, "arithmetic": 0.79, "filled_filters": 0.037,
        "gather": 1.3, "transform": 0.76, "start": 0.43,
    },
    ("direct", "forward", "first"): {
        "call": 3e-06, "groups": 8.3e-08, "taps": 6.8e-09, "input_rows": 3.1e-09,
        "input": 1.8e-10, "output": 9.2e-11, "arithmetic": 1, "filled_filters": 0.014,
        "transform": 1.4,
    },
    ("direct", "forward", "last"): {
        "call": 2.8e-06, "groups": 1.2e-07, "weights": 2.7e-10, "arithmetic": 0.76,
        "filled_filters": 0.16, "gather": 1.7, "traffic": 7.5,
    },
    ("fft", "backward_data", "first"): {
        "call": 4.7e-05, "taps": 3.6e-08, "output_rows": 2e-07, "input": 3.9e-09,
        "filled_filters": 0.84, "gather": 2.9, "traffic": 5.2,
    },
    ("fft", "backward_data", "last"): {
        "taps": 7.2e-07, "output_rows": 2.3e-07, "input": 5.9e-09, "filled_filters": 1.2,
        "gather": 2.7, "start": 1.2,
    },
    ("fft", "backward_weight", "first"): {
        "taps": 1.5e-08, "input_rows": 7.8e-08, "output_rows": 1.3e-07, "weights": 6.6e-09,
        "input": 3e-09, "filled_rows": 0.67, "gather": 1.2, "transform": 0.64, "start": 0.6,
    },
    ("fft", "backward_weight", "last"): {
        "output_rows": 7.2e-08, "input": 4.4e-09, "filled_rows": 0.73, "gather": 1.1,
        "transform": 0.97, "start": 1,
    },
    ("fft", "forward", "first"): {
        "call": 4.9e-05, "input_rows": 1.1e-07, "output_rows": 7.9e-08, "weights": 1.7e-08,
        "input": 4.8e-09, "arithmetic": 1.2, "gather": 1.3, "transform": 0.49,
    },
    ("fft", "forward", "last"): {
        "input_rows": 9e-08, "weights": 2.3e-08, "output": 8.6e-09, "filled_filters": 1.3,
        "gather": 1.5, "start": 0.59,
    },
    ("im2col", "backward_data", "first"): {
        "call": 3.9e-06, "channels": 2.1e-08, "groups": 6.9e-08, "taps": 3.2e-08,
        "weights": 1.7e-10, "input": 1.6e-10, "filled_filters": 0.49, "gather": 0.42,
    },
    ("im2col", "backward_data", "last"): {
        "call": 3.3e-06, "weights": 1.4e-10, "input": 3.1e-10, "filled_filters": 0.78,
        "gather": 0.55, "traffic": 1.2, "start": 0.18,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 3.9e-06, "groups": 1.5e-07, "taps": 6.3e-08, "weights": 6.2e-10, "arithmetic": 1,
        "gather": 0.62,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 3.6e-06, "weights": 5.3e-10, "input": 2.4e-10, "output": 1.1e-10,
        "filled_filters": 0.72, "gather": 0.71, "start": 0.12,
    },
    ("im2col", "forward", "first"): {
        "call": 2.5e-06, "groups": 9.1e-08, "taps": 3.4e-08, "input": 7.1e-11, "output": 1.8e-10,
        "arithmetic": 0.52, "gather": 0.64, "transform": 0.76,
    },
    ("im2col", "forward", "last"): {
        "call": 1.9e-06, "input": 3.9e-10, "filled_filters": 0.67, "gather": 0.63,
        "transform": 1.1, "traffic": 1.8, "start": 0.18,
    },
    ("inner_product", "backward_data", "first"): {
        "call": 1e-05, "groups": 3.4e-08, "input": 3.4e-10, "arithmetic": 1.5, "gather": 1.4,
    },
    ("inner_product", "backward_data", "last"): {
        "call": 9.2e-06, "groups": 5.1e-08, "filled_filters": 0.98, "gather": 0.73,
        "transform": 0.16, "traffic": 0.3,
    },
    ("inner_product", "backward_weight", "first"): {
        "call": 9.6e-06, "groups": 4.7e-08, "arithmetic": 0.56, "gather": 1.5, "traffic": 1.2,
    },
    ("inner_product", "backward_weight", "last"): {
        "call": 7.9e-06, "groups": 7.3e-08, "filled_filters": 0.86, "gather": 0.71,
        "transform": 0.37, "traffic": 1,
    },
    ("inner_product", "forward", "first"): {
        "call": 6.3e-06, "groups": 4.8e-08, "weights": 1.1e-10, "arithmetic": 0.99, "gather": 2,
    },
    ("inner_product", "forward", "last"): {
        "call": 4.1e-06, "groups": 6.3e-08, "weights": 1.6e-10, "output": 1e-09,
        "filled_filters": 0.89, "gather": 0.71, "transform": 0.12,
    },
    ("sliding", "backward_data", "first"): {
        "call": 6.6e-06, "taps": 1.6e-07, "input": 9.5e-09, "arithmetic": 0.31,
        "filled_rows": 0.048,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.4e-05, "taps": 5.4e-07, "lines": 1.1e-08, "input": 9.1e-09, "arithmetic": 0.46,
    },
    ("sliding", "backward_weight", "first"): {
        "call": 7e-06, "weights": 2.3e-08, "arithmetic": 0.3, "filled_rows": 0.058,
    },
    ("sliding", "backward_weight", "last"): {
        "call": 1.6e-05, "lines": 3.5e-09, "weights": 2.5e-08, "arithmetic": 0.39,
    },
    ("sliding", "forward", "first"): {
        "call": 4.8e-06, "output": 2.2e-08, "arithmetic": 0.26, "filled_rows": 0.018,
    },
    ("sliding", "forward", "last"): {
        "call": 9.6e-06, "output_rows": 1.8e-08, "output": 1.7e-08, "arithmetic": 0.38,
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
        "call": 7.6e-06, "arithmetic": 1.5, "filled_filters": 0.064, "gather": 1.7,
        "transform": 1.4,
    },
    ("winograd", "backward_data", "last"): {
        "call": 8e-06, "arithmetic": 1.8, "gather": 0.64, "transform": 1.5,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 6.5e-06, "weights": 3.9e-10, "input": 3.7e-10, "output": 6.4e-10,
        "arithmetic": 1.5, "filled_filters": 0.07, "traffic": 0.52,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 5.1e-06, "groups": 5.3e-07, "lines": 2.5e-11, "input": 7.8e-10, "output": 7.8e-10,
        "arithmetic": 1.1, "traffic": 0.7,
    },
    ("winograd", "forward", "first"): {
        "call": 5.2e-06, "arithmetic": 1.6, "transform": 1.8, "traffic": 0.71,
    },
    ("winograd", "forward", "last"): {
        "call": 5e-06, "arithmetic": 1.6, "transform": 1.6, "traffic": 0.48,
    },
}
