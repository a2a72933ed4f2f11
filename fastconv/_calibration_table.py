"""The prices of what cost models count: written by `bench/fit.py`, not by hand.

From 5988 random layers on one thread of AMD EPYC, avx2.
"""

# Seconds of each count, and factors of the models' terms (`_calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("depthwise", "backward_data", "first"): {
        "call": 3.7e-06, "channels": 3.2e-08, "output_rows": 7.7e-09, "arithmetic": 0.72,
        "gather": 0.68, "traffic": 0.83, "start": 0.16,
    },
    ("depthwise", "backward_data", "last"): {
        "call": 4.6e-06, "lines": 4.5e-10, "weights": 3.7e-09, "output": 6.7e-10,
        "arithmetic": 0.65, "gather": 0.38,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 3e-06, "groups": 9e-08, "input_rows": 3.9e-09, "lines": 4.1e-10,
        "output": 1.7e-10, "filled_rows": 0.51, "start": 0.18,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 3.9e-06, "filters": 8.7e-09, "weights": 2e-09, "input": 1.4e-10,
        "filled_rows": 0.57, "gather": 0.74,
    },
    ("depthwise", "forward", "first"): {
        "call": 2.1e-06, "input_rows": 7.4e-09, "output": 2e-10, "arithmetic": 0.8,
        "gather": 0.82, "start": 0.2,
    },
    ("depthwise", "forward", "last"): {
        "call": 3e-06, "lines": 1.7e-10, "weights": 5.4e-09, "output": 5.5e-10,
        "arithmetic": 0.86, "gather": 0.43,
    },
    ("direct", "backward_data", "first"): {
        "call": 4.1e-06, "filters": 3.1e-08, "input_rows": 4.5e-09, "input": 2.9e-10,
        "arithmetic": 0.84, "transform": 2.2, "start": 0.21,
    },
    ("direct", "backward_data", "last"): {
        "call": 2.9e-06, "weights": 9.3e-10, "arithmetic": 0.75, "gather": 7.5, "transform": 1,
        "traffic": 14, "start": 0.4,
    },
    ("direct", "backward_weight", "first"): {
        "call": 4.4e-06, "taps": 5.2e-08, "input_rows": 2.9e-09, "arithmetic": 0.77,
        "gather": 0.69, "transform": 0.9, "start": 0.27,
    },
    ("direct", "backward_weight", "last"): {
        "call": 3.6e-06, "taps": 5.8e-08, "output": 2.9e-10, "filled_filters": 0.19,
        "filled_rows": 0.46, "gather": 1.3, "transform": 0.74, "start": 0.37,
    },
    ("direct", "forward", "first"): {
        "call": 2.7e-06, "groups": 5e-08, "taps": 2.5e-09, "input_rows": 2e-09,
        "output_rows": 4.1e-09, "input": 1.7e-10, "output": 9e-11, "arithmetic": 0.82,
        "transform": 1.3, "start": 0.056,
    },
    ("direct", "forward", "last"): {
        "call": 2.1e-06, "input": 2.5e-10, "arithmetic": 0.48, "filled_filters": 0.33,
        "transform": 1.3, "traffic": 12, "start": 0.19,
    },
    ("fft", "backward_data", "first"): {
        "taps": 7.5e-08, "input_rows": 2.6e-07, "input": 3.8e-09, "filled_rows": 1, "gather": 1.7,
        "transform": 0.52, "start": 0.52,
    },
    ("fft", "backward_data", "last"): {
        "input_rows": 1.5e-07, "output_rows": 1.9e-07, "filled_filters": 0.81, "gather": 2.6,
        "transform": 1.3, "start": 0.71,
    },
    ("fft", "backward_weight", "first"): {
        "call": 0.00011, "taps": 9.9e-09, "input_rows": 1.4e-07, "output_rows": 2.1e-07,
        "weights": 7.3e-09, "input": 6.1e-09, "arithmetic": 0.89, "transform": 0.61,
    },
    ("fft", "backward_weight", "last"): {
        "call": 0.0001, "input_rows": 1.4e-07, "filled_rows": 0.58, "gather": 0.98,
        "transform": 1.4,
    },
    ("fft", "forward", "first"): {
        "output_rows": 2.2e-07, "weights": 2.4e-08, "input": 4.8e-09, "filled_filters": 0.99,
        "gather": 0.97, "start": 0.44,
    },
    ("fft", "forward", "last"): {
        "input_rows": 9e-08, "weights": 1.7e-08, "input": 3.4e-09, "output": 4.2e-09,
        "filled_filters": 0.65, "gather": 0.88, "transform": 0.47, "start": 0.92,
    },
    ("im2col", "backward_data", "first"): {
        "call": 3.7e-06, "weights": 8.6e-10, "filled_filters": 0.75, "gather": 0.47,
        "traffic": 1.7, "start": 0.13,
    },
    ("im2col", "backward_data", "last"): {
        "call": 3.6e-06, "channels": 2.9e-08, "weights": 7e-10, "input": 3.6e-10,
        "filled_filters": 0.76, "gather": 0.55, "traffic": 1.7, "start": 0.077,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 3.2e-06, "weights": 2.6e-10, "filled_filters": 0.94, "gather": 0.68,
        "traffic": 1.3, "start": 0.14,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 3.3e-06, "weights": 3.4e-10, "input": 3e-10, "filled_filters": 0.96,
        "gather": 0.63, "traffic": 1.9, "start": 0.12,
    },
    ("im2col", "forward", "first"): {
        "call": 2.2e-06, "output": 3e-10, "filled_filters": 0.93, "gather": 0.66,
        "transform": 1.1, "start": 0.12,
    },
    ("im2col", "forward", "last"): {
        "call": 1.9e-06, "input": 7.3e-10, "filled_filters": 0.88, "gather": 0.64,
        "transform": 1.5, "traffic": 2, "start": 0.16,
    },
    ("inner_product", "backward_data", "first"): {
        "call": 6.2e-06, "groups": 2.4e-08, "taps": 3.9e-09, "output_rows": 5.1e-09,
        "filled_rows": 0.14, "transform": 0.19,
    },
    ("inner_product", "backward_data", "last"): {
        "call": 1.2e-05, "groups": 4.6e-08, "lines": 8.8e-10,
    },
    ("inner_product", "backward_weight", "first"): {
        "call": 5.4e-06, "groups": 2.2e-08, "lines": 2.8e-10, "input": 6e-10, "transform": 1.7,
    },
    ("inner_product", "backward_weight", "last"): {
        "call": 1.1e-05, "output_rows": 1.6e-08, "lines": 1.1e-09,
    },
    ("inner_product", "forward", "first"): {
        "call": 3.7e-06, "filters": 8.6e-09, "groups": 2e-08, "arithmetic": 1.5,
    },
    ("inner_product", "forward", "last"): {
        "call": 5.5e-06, "groups": 4.2e-08, "weights": 8e-10,
    },
    ("sliding", "backward_data", "first"): {
        "call": 6.5e-06, "input": 7.5e-09, "arithmetic": 0.18, "filled_rows": 0.071,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.4e-05, "input": 9.6e-09, "arithmetic": 0.22, "filled_rows": 0.1,
    },
    ("sliding", "backward_weight", "first"): {
        "call": 6.4e-06, "lines": 3e-09, "weights": 2.2e-08, "arithmetic": 0.32,
    },
    ("sliding", "backward_weight", "last"): {
        "call": 1.4e-05, "weights": 2.3e-08, "arithmetic": 0.29, "filled_rows": 0.12,
    },
    ("sliding", "forward", "first"): {
        "call": 4.7e-06, "output_rows": 1.4e-08, "weights": 1.4e-09, "output": 1.4e-08,
        "arithmetic": 0.37,
    },
    ("sliding", "forward", "last"): {
        "call": 9.4e-06, "input_rows": 7e-09, "output": 1.7e-08, "arithmetic": 0.35,
    },
    ("swapped", "backward_data", "first"): {
        "call": 1.7e-05, "channels": 1.7e-07, "filters": 2.8e-07, "arithmetic": 1.2,
        "filled_rows": 0.63,
    },
    ("swapped", "backward_data", "last"): {
        "call": 3e-05, "channels": 1.1e-07, "lines": 2.6e-10, "output": 1.3e-08,
        "filled_rows": 0.98,
    },
    ("swapped", "forward", "first"): {
        "weights": 6e-10, "arithmetic": 0.95, "start": 0.61,
    },
    ("winograd", "backward_data", "first"): {
        "call": 8e-06, "arithmetic": 1, "gather": 1.8, "transform": 1.4,
    },
    ("winograd", "backward_data", "last"): {
        "call": 7.3e-06, "arithmetic": 1.1, "transform": 1.7, "traffic": 0.63,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 5.5e-06, "groups": 2.3e-07, "arithmetic": 1.1, "filled_filters": 0.17,
        "transform": 0.96, "traffic": 0.63,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 4.9e-06, "groups": 5.9e-07, "weights": 1.2e-09, "input": 6.8e-10,
        "arithmetic": 0.99, "transform": 0.88,
    },
    ("winograd", "forward", "first"): {
        "call": 5.3e-06, "groups": 1.7e-07, "arithmetic": 1.1, "gather": 0.84, "transform": 1.6,
    },
    ("winograd", "forward", "last"): {
        "call": 4.5e-06, "groups": 2e-07, "weights": 3.8e-10, "arithmetic": 0.83,
        "filled_filters": 0.13, "gather": 0.26, "transform": 1.7,
    },
}
