"""The prices of what cost models count: written by `bench/fit.py`, not by hand.

From 5687 random layers on one thread of AMD EPYC, avx2.
"""

# Seconds of each count, and factors of the models' terms (`_calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("depthwise", "backward_data", "first"): {
        "call": 3.4e-06, "output_rows": 9.1e-09, "input": 2.3e-10, "arithmetic": 0.71,
        "gather": 0.84, "start": 0.44,
    },
    ("depthwise", "backward_data", "last"): {
        "call": 4.9e-06, "weights": 7.9e-09, "output": 6.3e-10, "arithmetic": 1.2, "gather": 0.29,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 4.1e-06, "groups": 1.1e-07, "input_rows": 9.5e-09, "weights": 9.3e-09,
        "output": 1.9e-10, "filled_rows": 0.65,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 4.1e-06, "filters": 1.1e-08, "weights": 3.9e-09, "output": 3.3e-10,
        "arithmetic": 0.8, "gather": 0.58,
    },
    ("depthwise", "forward", "first"): {
        "call": 2.1e-06, "output_rows": 7.8e-09, "weights": 3e-09, "input": 2.1e-10,
        "arithmetic": 0.92, "start": 0.3,
    },
    ("depthwise", "forward", "last"): {
        "call": 3.1e-06, "output_rows": 1.5e-09, "weights": 5.7e-09, "output": 5.8e-10,
        "arithmetic": 1.1, "gather": 0.53,
    },
    ("direct", "backward_data", "first"): {
        "call": 4e-06, "lines": 2.3e-10, "input": 3.7e-10, "arithmetic": 0.97, "transform": 3.2,
        "start": 0.36,
    },
    ("direct", "backward_data", "last"): {
        "call": 3e-06, "output_rows": 1.5e-08, "arithmetic": 1.1, "gather": 7.9, "transform": 1.8,
        "traffic": 15, "start": 0.4,
    },
    ("direct", "backward_weight", "first"): {
        "call": 5e-06, "taps": 5.6e-08, "input_rows": 4e-09, "arithmetic": 0.96, "gather": 0.98,
        "transform": 1.2, "start": 0.26,
    },
    ("direct", "backward_weight", "last"): {
        "call": 2.9e-06, "channels": 9.2e-09, "taps": 1.7e-07, "input": 1.7e-10,
        "output": 4.8e-10, "arithmetic": 0.73, "filled_filters": 0.27, "transform": 0.81,
        "start": 0.46,
    },
    ("direct", "forward", "first"): {
        "call": 3.1e-06, "groups": 8.7e-08, "taps": 3.8e-09, "input_rows": 2.8e-09,
        "output_rows": 5.4e-09, "input": 2.4e-10, "arithmetic": 0.96, "transform": 1.4,
    },
    ("direct", "forward", "last"): {
        "call": 2.5e-06, "input": 2.7e-10, "arithmetic": 0.57, "filled_filters": 0.38,
        "transform": 1.1, "traffic": 15, "start": 0.18,
    },
    ("fft", "backward_data", "first"): {
        "input_rows": 3.7e-07, "output_rows": 1e-07, "weights": 4.9e-08, "output": 3.4e-09,
        "filled_filters": 1.2, "gather": 1.5, "transform": 0.5, "start": 1.1,
    },
    ("fft", "backward_data", "last"): {
        "output_rows": 4.1e-07, "weights": 9.1e-08, "input": 1.2e-08, "output": 3.2e-09,
        "filled_rows": 0.7, "gather": 1.8, "transform": 0.91,
    },
    ("fft", "backward_weight", "first"): {
        "call": 9.5e-05, "filters": 2.9e-07, "output_rows": 1.1e-07, "input": 2.4e-09,
        "filled_filters": 1.2, "gather": 1.2, "transform": 0.73,
    },
    ("fft", "backward_weight", "last"): {
        "call": 8.6e-05, "input_rows": 2.1e-07, "output_rows": 1.3e-07, "input": 2.7e-09,
        "arithmetic": 0.53, "gather": 1.1, "transform": 1.5,
    },
    ("fft", "forward", "first"): {
        "call": 5e-05, "output_rows": 2.3e-07, "weights": 5.1e-08, "input": 6.6e-09,
        "filled_filters": 1.1, "gather": 1.1, "transform": 0.28,
    },
    ("fft", "forward", "last"): {
        "input_rows": 7.6e-08, "weights": 2.3e-08, "output": 5.3e-09, "filled_filters": 0.88,
        "gather": 1.9, "transform": 1.4, "start": 0.65,
    },
    ("im2col", "backward_data", "first"): {
        "call": 3.6e-06, "channels": 2e-08, "weights": 8.6e-10, "input": 2.5e-10,
        "filled_filters": 1, "gather": 0.41, "start": 0.17,
    },
    ("im2col", "backward_data", "last"): {
        "call": 3.5e-06, "weights": 6.4e-10, "input": 3.2e-10, "filled_filters": 1.1,
        "gather": 0.55, "traffic": 1.5, "start": 0.14,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 3.5e-06, "weights": 3.3e-10, "filled_filters": 1.2, "gather": 0.74, "start": 0.17,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 3.1e-06, "weights": 3.7e-10, "input": 3.6e-10, "filled_filters": 1,
        "gather": 0.74, "traffic": 2.8, "start": 0.16,
    },
    ("im2col", "forward", "first"): {
        "call": 2.2e-06, "filters": 1.2e-08, "output": 3.2e-10, "filled_filters": 1.1,
        "gather": 0.71, "start": 0.13,
    },
    ("im2col", "forward", "last"): {
        "call": 2.2e-06, "input": 8.5e-10, "filled_filters": 1.1, "gather": 0.76, "traffic": 2.3,
        "start": 0.21,
    },
    ("inner_product", "forward", "first"): {
        "call": 3.5e-06, "groups": 1.5e-08, "output_rows": 1.2e-08, "lines": 8.9e-11,
    },
    ("inner_product", "forward", "last"): {
        "call": 6.9e-06, "groups": 4.7e-08, "lines": 1e-10, "weights": 9.1e-10,
    },
    ("sliding", "backward_data", "first"): {
        "call": 6.1e-06, "input_rows": 2.2e-08, "input": 5.2e-09, "arithmetic": 0.72,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.5e-05, "input_rows": 2.7e-08, "input": 6.9e-09, "arithmetic": 0.22,
        "filled_rows": 0.11,
    },
    ("sliding", "backward_weight", "first"): {
        "call": 7.6e-06, "lines": 3.3e-09, "weights": 2.4e-08, "arithmetic": 0.35,
    },
    ("sliding", "backward_weight", "last"): {
        "call": 1.6e-05, "lines": 3.5e-09, "weights": 2.5e-08, "arithmetic": 0.48,
    },
    ("sliding", "forward", "first"): {
        "call": 5e-06, "output_rows": 1.3e-08, "weights": 2.7e-09, "output": 1.8e-08,
        "arithmetic": 0.48,
    },
    ("sliding", "forward", "last"): {
        "call": 1.1e-05, "input_rows": 6.3e-09, "weights": 3.3e-09, "output": 2e-08,
        "arithmetic": 0.38,
    },
    ("winograd", "backward_data", "first"): {
        "call": 8.4e-06, "filters": 6.8e-08, "arithmetic": 1.4, "transform": 2,
    },
    ("winograd", "backward_data", "last"): {
        "call": 8.8e-06, "arithmetic": 1.5, "transform": 2, "traffic": 0.4,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 5.4e-06, "groups": 3.7e-07, "weights": 1.2e-09, "output": 4.8e-10,
        "arithmetic": 1.3, "filled_filters": 0.35, "transform": 0.98,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 5e-06, "groups": 5.8e-07, "arithmetic": 1.3, "transform": 0.86, "traffic": 1.2,
    },
    ("winograd", "forward", "first"): {
        "call": 5.8e-06, "groups": 1.4e-07, "arithmetic": 1.2, "gather": 0.64, "transform": 2,
    },
    ("winograd", "forward", "last"): {
        "call": 5.7e-06, "arithmetic": 1.3, "transform": 2.1, "traffic": 0.38,
    },
}
