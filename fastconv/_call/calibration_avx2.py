"""The prices of what cost models count: found by `bench/fit.py`.

On one thread of an AMD EPYC of the Zen 4 generation held to avx2, as was its BLAS: depthwise and
inner_product from 10790 random layers, all others, and depthwise planes, from 12964 earlier ones;
what has fewer than 90 samples there is from earlier runs, on a Xeon. `bare_weights` of direct,
forward, first, were added by hand: 4096 > 2048 of one pixel, without AVX2, took 1.5 times what was
estimated.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("bf16", "forward", "first"): {
        "weights": 6.8e-10, "arithmetic": 0.89, "gather": 1.7,
    },
    ("bf16", "forward", "last"): {
        "weights": 6.9e-10, "far_weights": 1.2e-10, "arithmetic": 0.87, "gather": 1.2,
    },
    ("bf16x3", "forward", "first"): {
        "weights": 9.7e-10, "arithmetic": 0.82, "gather": 2.3, "traffic": 0.66,
    },
    ("bf16x3", "forward", "last"): {
        "weights": 1e-09, "far_weights": 3e-10, "arithmetic": 0.82, "gather": 2.1,
    },
    ("depthwise", "backward_data", "first"): {
        "call": 2.4e-06, "output_rows": 2.4e-09, "lines": 1.6e-10, "input": 1.7e-10,
        "arithmetic": 0.41, "gather": 0.41, "start": 0.28,
    },
    ("depthwise", "backward_data", "first", "interleaved"): {
        "call": 3.5e-06, "plane_taps": 7.2e-09, "weights": 1.2e-09, "input": 4.5e-10,
        "arithmetic": 0.44,
    },
    ("depthwise", "backward_data", "first", "planes"): {
        "unplanned": 3e-06, "input_rows": 4.7e-09, "strided_input": 7.9e-11, "arithmetic": 1,
    },
    ("depthwise", "backward_data", "last"): {
        "unplanned": 3.5e-06, "plane_taps": 5.4e-09, "output": 3.7e-10, "far_output": 5.3e-10,
        "arithmetic": 0.54, "gather": 0.28,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 2.7e-06, "channels": 6.4e-08, "input_rows": 5.3e-09, "lines": 4.5e-10,
        "plane_taps": 1.2e-08, "weights": 5.8e-09, "output": 1.1e-10, "filled_filters": 0.013,
        "filled_rows": 0.23,
    },
    ("depthwise", "backward_weight", "first", "planes"): {
        "unplanned": 2.9e-06, "weights": 3.3e-09, "output": 8.6e-11, "filled_rows": 0.6,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 3e-06, "taps": 2.6e-08, "plane_taps": 6.4e-09, "weights": 1.6e-09,
        "output": 3.2e-10, "far_output": 4.2e-10, "arithmetic": 0.34, "gather": 0.32,
    },
    ("depthwise", "forward", "first"): {
        "call": 7.5e-07, "unplanned": 1.4e-06, "groups": 2.2e-08, "input_rows": 3e-09,
        "lines": 2.4e-10, "weights": 1.6e-09, "output": 1.4e-10, "far_weights": 4.5e-10,
        "arithmetic": 0.26, "filled_filters": 0.042, "start": 0.16,
    },
    ("depthwise", "forward", "first", "interleaved"): {
        "call": 1.4e-06, "unplanned": 1.5e-06, "groups": 9.1e-09, "weights": 7.2e-10,
        "input": 1.9e-10, "output": 2.8e-10, "arithmetic": 0.41, "filled_rows": 0.13,
    },
    ("depthwise", "forward", "first", "planes"): {
        "call": 1.2e-06, "unplanned": 1.7e-06, "output_rows": 2.9e-09, "output": 1e-10,
        "filled_rows": 0.84,
    },
    ("depthwise", "forward", "last"): {
        "call": 1e-06, "unplanned": 1.9e-06, "taps": 5.3e-09, "lines": 5.4e-11, "output": 4e-10,
        "far_weights": 2.3e-09, "arithmetic": 0.42, "gather": 0.33, "start": 0.051,
    },
    ("direct", "backward_data", "first"): {
        "unplanned": 2.8e-06, "input_rows": 2e-09, "strided_input": 2.3e-10, "arithmetic": 0.59,
        "gather": 1.4, "transform": 1.1, "traffic": 0.89, "start": 0.29,
    },
    ("direct", "backward_data", "last"): {
        "unplanned": 1.9e-06, "arithmetic": 0.56, "gather": 4.2, "transform": 0.93, "traffic": 9,
        "start": 0.44,
    },
    ("direct", "backward_weight", "first"): {
        "unplanned": 3.2e-06, "input_rows": 1.4e-09, "arithmetic": 0.5, "gather": 0.45,
        "transform": 0.67, "start": 0.25,
    },
    ("direct", "backward_weight", "last"): {
        "call": 2.8e-06, "far_output": 4.1e-10, "arithmetic": 0.39, "filled_filters": 0.12,
        "gather": 0.64, "transform": 0.72, "start": 0.35,
    },
    ("direct", "forward", "first"): {
        "call": 1.3e-06, "unplanned": 1.8e-06, "groups": 7.1e-08, "input_rows": 1.6e-09,
        "output_rows": 1.3e-09, "weights": 1.4e-10, "output": 1.3e-10, "bare_weights": 5e-11,
        "arithmetic": 0.62, "gather": 0.5, "transform": 0.12,
    },
    ("direct", "forward", "last"): {
        "call": 6.9e-07, "unplanned": 1.7e-06, "weights": 1.5e-10, "arithmetic": 0.37,
        "filled_filters": 0.12, "filled_rows": 0.053, "gather": 0.64, "traffic": 8.5,
        "start": 0.17,
    },
    ("fft", "backward_data", "first"): {
        "input_rows": 2e-07, "output_rows": 7.6e-08, "plane_taps": 1.9e-07, "weights": 8.1e-09,
        "strided_input": 5.2e-09, "arithmetic": 0.58, "gather": 1.1, "transform": 0.44,
        "start": 0.61,
    },
    ("fft", "backward_data", "last"): {
        "input_rows": 9e-08, "output_rows": 6.6e-08, "plane_taps": 3e-07, "weights": 8e-09,
        "strided_input": 9.3e-09, "far_output": 2.2e-09, "arithmetic": 0.54, "gather": 1.2,
        "transform": 0.49, "start": 0.57,
    },
    ("fft", "backward_weight", "first"): {
        "input_rows": 4.3e-08, "output_rows": 3.4e-08, "plane_taps": 9e-08,
        "strided_input": 3.1e-09, "far_output": 1.6e-09, "filled_rows": 0.2, "gather": 0.5,
        "transform": 0.55, "traffic": 1.5, "start": 0.72,
    },
    ("fft", "backward_weight", "last"): {
        "input_rows": 7.1e-08, "output_rows": 6.7e-08, "far_input": 9.2e-10,
        "far_output": 9.2e-10, "filled_rows": 0.25, "gather": 0.7, "transform": 0.73,
        "start": 0.61,
    },
    ("fft", "forward", "first"): {
        "unplanned": 6.9e-05, "input_rows": 6.4e-08, "output_rows": 5.7e-08,
        "plane_taps": 1.3e-07, "weights": 9.3e-09, "strided_input": 2.1e-09, "output": 2.2e-09,
        "filled_filters": 0.53, "gather": 0.58, "transform": 0.23,
    },
    ("fft", "forward", "last"): {
        "unplanned": 8.8e-05, "input_rows": 1.2e-07, "output_rows": 5.4e-08, "weights": 1.3e-08,
        "strided_input": 1.8e-09, "output": 4.6e-09, "far_input": 1.5e-09, "filled_filters": 0.47,
        "gather": 0.44,
    },
    ("im2col", "backward_data", "first"): {
        "call": 2.7e-06, "channels": 7.9e-09, "taps": 2e-08, "weights": 5e-10, "input": 1.6e-10,
        "filled_filters": 0.55, "gather": 0.31, "traffic": 1.1, "start": 0.088,
    },
    ("im2col", "backward_data", "last"): {
        "call": 2.6e-06, "taps": 2.8e-08, "weights": 4.5e-10, "input": 1.4e-10,
        "bare_weights": 3.6e-10, "far_input": 2.3e-10, "filled_filters": 0.65, "gather": 0.46,
        "traffic": 1.2, "start": 0.093,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 2.8e-06, "channels": 5.1e-09, "weights": 1.8e-10, "input": 1.2e-10,
        "filled_filters": 0.57, "gather": 0.66, "traffic": 0.87, "start": 0.074,
    },
    ("im2col", "backward_weight", "last"): {
        "unplanned": 2.9e-06, "weights": 1.6e-10, "input": 1.8e-10, "far_input": 1.9e-10,
        "filled_filters": 0.61, "gather": 0.72, "traffic": 1.5, "start": 0.069,
    },
    ("im2col", "forward", "first"): {
        "call": 9.5e-07, "unplanned": 1.5e-06, "channels": 6.1e-09, "filters": 3.1e-09,
        "taps": 1.7e-08, "input": 1.1e-10, "output": 2e-10, "filled_filters": 0.57,
        "gather": 0.66, "transform": 0.89, "start": 0.068,
    },
    ("im2col", "forward", "last"): {
        "call": 8.3e-07, "unplanned": 1.4e-06, "input": 2.8e-10, "filled_filters": 0.57,
        "gather": 0.8, "transform": 1.8, "traffic": 1.4, "start": 0.11,
    },
    ("inner_product", "backward_data", "first"): {
        "call": 4.5e-06, "groups": 2.4e-08, "output_rows": 5.1e-09, "arithmetic": 0.66,
        "filled_filters": 0.3, "transform": 0.77,
    },
    ("inner_product", "backward_data", "first", "columns"): {
        "unplanned": 9.9e-06, "groups": 3.1e-08, "input": 4.1e-10, "filled_filters": 0.77,
        "gather": 0.75,
    },
    ("inner_product", "backward_data", "last"): {
        "unplanned": 9e-06, "groups": 3.1e-08, "taps": 3.3e-09, "far_input": 1.4e-09,
        "arithmetic": 7.7,
    },
    ("inner_product", "backward_data", "last", "columns"): {
        "call": 5.9e-06, "groups": 3e-08, "input": 4e-10, "far_weights": 1.4e-10,
        "filled_filters": 0.55, "gather": 0.58,
    },
    ("inner_product", "backward_weight", "first"): {
        "call": 4.3e-06, "filters": 4.4e-09, "groups": 2e-08, "lines": 2e-10,
        "far_weights": 1.3e-10, "transform": 0.17,
    },
    ("inner_product", "backward_weight", "first", "columns"): {
        "unplanned": 8.5e-06, "groups": 3.2e-08, "weights": 2.1e-10, "input": 2.2e-10,
        "output": 6e-10, "arithmetic": 0.47, "gather": 0.54,
    },
    ("inner_product", "backward_weight", "last"): {
        "unplanned": 8.6e-06, "groups": 2.6e-08, "lines": 2.2e-10, "far_weights": 4.4e-10,
        "transform": 0.23,
    },
    ("inner_product", "backward_weight", "last", "columns"): {
        "unplanned": 4.6e-06, "groups": 3.4e-08, "weights": 1.6e-10, "input": 2.8e-10,
        "arithmetic": 0.58, "gather": 0.49,
    },
    ("inner_product", "forward", "first"): {
        "call": 1.6e-06, "unplanned": 2.2e-06, "groups": 1.4e-08, "output_rows": 4.6e-09,
        "input": 4.6e-11, "arithmetic": 1.2, "transform": 1,
    },
    ("inner_product", "forward", "first", "columns"): {
        "call": 6.2e-06, "unplanned": 2.6e-06, "groups": 2.2e-08, "input": 3.3e-10,
        "output": 2e-09, "far_weights": 4.7e-11, "filled_filters": 0.42, "gather": 0.39,
    },
    ("inner_product", "forward", "last"): {
        "call": 1.8e-06, "unplanned": 6.1e-06, "filters": 4.3e-09, "groups": 1.7e-08,
        "weights": 2e-10, "filled_filters": 1.2,
    },
    ("inner_product", "forward", "last", "columns"): {
        "call": 2.2e-06, "unplanned": 2.2e-06, "groups": 1.8e-08, "input": 1.4e-10,
        "output": 1.4e-09, "far_weights": 3.8e-11, "filled_filters": 0.39, "gather": 0.42,
    },
    ("sliding", "backward_data", "first"): {
        "unplanned": 5.4e-06, "lines": 1.7e-09, "weights": 3.2e-09, "input": 8.7e-09,
        "arithmetic": 0.15,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.1e-05, "taps": 2.2e-07, "weights": 7.1e-09, "input": 7.1e-09,
        "far_weights": 2.8e-07, "arithmetic": 0.18,
    },
    ("sliding", "backward_weight", "first"): {
        "unplanned": 5.1e-06, "lines": 2.2e-09, "weights": 1.7e-08, "arithmetic": 0.24,
    },
    ("sliding", "backward_weight", "last"): {
        "unplanned": 1.2e-05, "lines": 2.3e-09, "weights": 1.7e-08, "arithmetic": 0.27,
    },
    ("sliding", "forward", "first"): {
        "call": 2.8e-06, "unplanned": 1.7e-06, "channels": 7.9e-09, "output_rows": 8.9e-09,
        "output": 1.2e-08, "arithmetic": 0.26,
    },
    ("sliding", "forward", "last"): {
        "call": 5.9e-06, "unplanned": 1.9e-06, "channels": 8.5e-09, "output": 1.6e-08,
        "arithmetic": 0.24,
    },
    ("swapped", "backward_data", "first"): {
        "channels": 8.2e-08, "lines": 2.1e-10, "strided_input": 1e-09, "arithmetic": 0.73,
        "start": 0.68,
    },
    ("swapped", "backward_data", "last"): {
        "channels": 2.8e-08, "input_rows": 2e-08, "lines": 3.2e-11, "plane_taps": 8.7e-09,
        "far_weights": 3.4e-10, "arithmetic": 0.82, "gather": 0.16, "start": 1,
    },
    ("swapped", "forward", "first"): {
        "input_rows": 5.9e-07, "weights": 9.9e-10, "arithmetic": 0.8, "start": 0.74,
    },
    ("winograd", "backward_data", "first"): {
        "call": 6.7e-06, "groups": 7.6e-08, "weights": 3.7e-10, "arithmetic": 0.71, "gather": 1.2,
        "transform": 0.92,
    },
    ("winograd", "backward_data", "last"): {
        "unplanned": 5.9e-06, "groups": 1.1e-07, "plane_taps": 1.4e-08, "far_weights": 3e-10,
        "far_output": 7.1e-10, "arithmetic": 0.63, "transform": 1.4, "traffic": 0.18,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 4.5e-06, "groups": 3.1e-07, "weights": 6.3e-10, "far_input": 7.8e-10,
        "arithmetic": 0.72, "transform": 1,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 4.4e-06, "groups": 3.3e-07, "weights": 8.3e-10, "input": 5e-10,
        "arithmetic": 0.69, "transform": 0.76,
    },
    ("winograd", "forward", "first"): {
        "call": 2.5e-06, "unplanned": 3.4e-06, "groups": 9.7e-08, "weights": 3e-10,
        "input": 2.4e-10, "arithmetic": 0.62, "gather": 0.44, "transform": 1, "traffic": 0.33,
    },
    ("winograd", "forward", "last"): {
        "call": 2.4e-06, "unplanned": 3.3e-06, "groups": 8.2e-08, "weights": 2.1e-10,
        "arithmetic": 0.57, "filled_filters": 0.044, "gather": 0.18, "transform": 1.2,
        "traffic": 0.19,
    },
}

# The range of each feature (`calibration.FEATURES`), and the weights of their products.
CORRECTIONS = {
}
