"""The prices of what cost models count: written by `bench/fit.py`, not by hand.

From 7812 random layers on one thread of AMD EPYC, avx2.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("depthwise", "backward_data", "first"): {
        "call": 3.6e-06, "taps": 7.5e-09, "output_rows": 8.1e-09, "weights": 2.2e-09,
        "input": 2.4e-10, "arithmetic": 0.68, "start": 0.28,
    },
    ("depthwise", "backward_data", "last"): {
        "call": 4.1e-06, "output": 5.9e-10, "arithmetic": 0.76, "gather": 0.46, "start": 0.12,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 3.3e-06, "channels": 5.4e-08, "filters": 2.8e-08, "input_rows": 4.7e-09,
        "lines": 8.4e-10, "input": 2.2e-10, "arithmetic": 0.46, "start": 0.14,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 4e-06, "filters": 9.5e-09, "weights": 1.9e-09, "output": 4.9e-10,
        "filled_rows": 0.58, "gather": 0.56,
    },
    ("depthwise", "forward", "first"): {
        "call": 2.3e-06, "taps": 7.9e-09, "output_rows": 7.3e-09, "weights": 3e-09,
        "input": 2.1e-10, "arithmetic": 0.78, "start": 0.16,
    },
    ("depthwise", "forward", "last"): {
        "call": 2.9e-06, "output_rows": 2.2e-09, "weights": 3.8e-09, "output": 4.8e-10,
        "arithmetic": 0.77, "gather": 0.42,
    },
    ("direct", "backward_data", "first"): {
        "call": 3.9e-06, "taps": 5.1e-09, "input_rows": 1.9e-09, "output_rows": 7.3e-09,
        "lines": 1.5e-10, "input": 3.3e-10, "arithmetic": 0.75, "transform": 1.7, "start": 0.26,
    },
    ("direct", "backward_data", "last"): {
        "call": 3.4e-06, "weights": 4.6e-10, "arithmetic": 0.65, "filled_filters": 0.12,
        "gather": 6.7, "transform": 1.4, "traffic": 14, "start": 0.28,
    },
    ("direct", "backward_weight", "first"): {
        "call": 4.8e-06, "channels": 2.5e-08, "taps": 5.5e-08, "input_rows": 2.7e-09,
        "arithmetic": 0.73, "gather": 0.94, "transform": 0.99, "start": 0.24,
    },
    ("direct", "backward_weight", "last"): {
        "call": 3.5e-06, "taps": 4.2e-08, "input_rows": 3e-09, "arithmetic": 0.48,
        "filled_filters": 0.25, "gather": 1.2, "transform": 1, "start": 0.4,
    },
    ("direct", "forward", "first"): {
        "call": 3.2e-06, "groups": 7.5e-08, "input_rows": 4.5e-09, "output_rows": 4.1e-09,
        "output": 1.7e-10, "arithmetic": 0.79, "gather": 0.6, "transform": 1.3,
    },
    ("direct", "forward", "last"): {
        "call": 2.1e-06, "arithmetic": 0.6, "filled_filters": 0.19, "gather": 0.86,
        "transform": 1.3, "traffic": 14, "start": 0.22,
    },
    ("fft", "backward_data", "first"): {
        "output_rows": 2.3e-07, "weights": 2.9e-08, "input": 3.8e-09, "arithmetic": 0.77,
        "gather": 1.5, "transform": 0.35, "start": 0.93,
    },
    ("fft", "backward_data", "last"): {
        "output_rows": 1.4e-07, "weights": 1e-08, "filled_filters": 0.89, "gather": 2.3,
        "transform": 0.44, "start": 1.1,
    },
    ("fft", "backward_weight", "first"): {
        "input_rows": 1e-07, "weights": 6.3e-09, "filled_filters": 0.41, "gather": 1,
        "transform": 0.71, "start": 0.85,
    },
    ("fft", "backward_weight", "last"): {
        "call": 0.00012, "input_rows": 3.2e-08, "output_rows": 1.1e-07, "weights": 5.1e-09,
        "input": 4.4e-09, "filled_rows": 0.34, "gather": 0.66, "transform": 0.86,
    },
    ("fft", "forward", "first"): {
        "call": 5.9e-05, "input_rows": 8.5e-08, "output_rows": 1.1e-07, "weights": 1.8e-08,
        "input": 3.4e-09, "filled_filters": 0.71, "gather": 0.78, "transform": 0.3,
    },
    ("fft", "forward", "last"): {
        "input_rows": 8.2e-08, "output_rows": 8.2e-08, "weights": 2.5e-08, "input": 3.8e-09,
        "output": 6.1e-09, "filled_filters": 0.62, "gather": 1,
    },
    ("im2col", "backward_data", "first"): {
        "call": 3.5e-06, "channels": 2.1e-08, "weights": 8.6e-10, "filled_filters": 0.66,
        "gather": 0.46, "traffic": 2.2, "start": 0.13,
    },
    ("im2col", "backward_data", "last"): {
        "call": 3.4e-06, "channels": 1.7e-08, "weights": 7.1e-10, "input": 3.4e-10,
        "filled_filters": 0.76, "gather": 0.55, "traffic": 2, "start": 0.11,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 3.6e-06, "weights": 3.7e-10, "input": 1.9e-10, "filled_filters": 0.8,
        "gather": 0.68, "traffic": 1, "start": 0.12,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 3.5e-06, "weights": 3.9e-10, "input": 3.2e-10, "filled_filters": 0.84,
        "gather": 0.67, "traffic": 2.2, "start": 0.12,
    },
    ("im2col", "forward", "first"): {
        "call": 2.5e-06, "output": 3.6e-10, "filled_filters": 0.85, "gather": 0.68,
        "transform": 1.1, "start": 0.13,
    },
    ("im2col", "forward", "last"): {
        "call": 1.9e-06, "input": 4.8e-10, "output": 6.3e-10, "filled_filters": 0.82,
        "gather": 0.72, "transform": 1.8, "start": 0.18,
    },
    ("inner_product", "backward_data", "first"): {
        "call": 1.1e-05, "groups": 4e-08, "weights": 8.5e-11, "arithmetic": 0.91, "gather": 2.3,
    },
    ("inner_product", "backward_data", "last"): {
        "call": 1.1e-05, "groups": 6.1e-08, "filled_filters": 1.3, "gather": 0.95,
        "transform": 0.27,
    },
    ("inner_product", "backward_weight", "first"): {
        "call": 1e-05, "groups": 4.7e-08, "arithmetic": 0.82, "gather": 1.9, "traffic": 1.6,
    },
    ("inner_product", "backward_weight", "last"): {
        "call": 8.4e-06, "groups": 7.1e-08, "arithmetic": 0.85, "gather": 1, "transform": 0.51,
        "traffic": 1.5,
    },
    ("inner_product", "forward", "first"): {
        "call": 5.5e-06, "groups": 2.4e-08, "weights": 8.5e-11, "output": 2e-09,
        "arithmetic": 0.51, "gather": 1.4,
    },
    ("inner_product", "forward", "last"): {
        "call": 3.7e-06, "groups": 3.9e-08, "weights": 1.9e-10, "output": 1.1e-09,
        "filled_filters": 0.56, "gather": 0.67,
    },
    ("sliding", "backward_data", "first"): {
        "call": 6.7e-06, "lines": 9.8e-09, "input": 1.1e-08, "arithmetic": 0.14,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.4e-05, "lines": 6.4e-09, "weights": 7.6e-09, "input": 7.9e-09,
        "arithmetic": 0.18,
    },
    ("sliding", "backward_weight", "first"): {
        "call": 6.7e-06, "lines": 2.7e-09, "weights": 2.4e-08, "arithmetic": 0.35,
    },
    ("sliding", "backward_weight", "last"): {
        "call": 1.5e-05, "lines": 2.9e-09, "weights": 2.4e-08, "arithmetic": 0.36,
    },
    ("sliding", "forward", "first"): {
        "call": 5e-06, "input_rows": 8.3e-09, "output": 1.7e-08, "arithmetic": 0.38,
    },
    ("sliding", "forward", "last"): {
        "call": 9.4e-06, "input_rows": 7.7e-09, "weights": 3.4e-09, "output": 1.8e-08,
        "arithmetic": 0.35,
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
        "call": 8e-06, "filters": 6.3e-08, "arithmetic": 0.92, "filled_rows": 0.13,
        "transform": 1.6,
    },
    ("winograd", "backward_data", "last"): {
        "call": 7e-06, "filters": 7.8e-08, "arithmetic": 1.1, "transform": 1.7, "traffic": 0.3,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 6.5e-06, "groups": 3.7e-07, "weights": 6.5e-10, "input": 5.5e-10,
        "arithmetic": 0.97, "filled_filters": 0.13, "transform": 1.2,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 5.9e-06, "groups": 4.5e-07, "weights": 5.3e-10, "input": 4.9e-10,
        "output": 4.3e-10, "arithmetic": 1.2, "transform": 1,
    },
    ("winograd", "forward", "first"): {
        "call": 5.8e-06, "groups": 1.5e-07, "weights": 4.2e-10, "arithmetic": 0.95,
        "gather": 0.94, "transform": 1.5,
    },
    ("winograd", "forward", "last"): {
        "call": 5.6e-06, "groups": 1.1e-07, "arithmetic": 0.81, "filled_filters": 0.074,
        "transform": 2, "traffic": 0.36,
    },
}
