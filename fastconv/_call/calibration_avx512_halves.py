"""The prices of what cost models count: found by `bench/fit.py`.

On one thread of an AMD EPYC of the Zen 4 generation, avx512_bf16: depthwise and inner_product from
30103 random layers, direct and im2col from 16222 earlier ones, all others from 12744. Those of
im2col, forward and backward_data, are 1.08 times what was found: threads do not share its products
where pixels are few, and a choice that cannot know their number should not take it for a tie.
`far_weights` of inner_product's columns, forward, first, were set by hand: 1024 > 1024 on 7x7 took
1.7 times what was estimated.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("bf16", "forward", "first"): {
        "groups": 6.7e-07, "weights": 4.8e-10, "far_input": 5.3e-11, "arithmetic": 0.7,
        "gather": 1.1,
    },
    ("bf16", "forward", "last"): {
        "weights": 5.3e-10, "far_output": 3.8e-10, "arithmetic": 0.68, "gather": 0.82,
        "start": 0.92,
    },
    ("bf16x3", "forward", "first"): {
        "weights": 6.4e-10, "far_weights": 1.4e-10, "arithmetic": 0.66, "gather": 1.8,
    },
    ("bf16x3", "forward", "last"): {
        "weights": 7.2e-10, "far_weights": 1.2e-10, "arithmetic": 0.66, "gather": 1.2,
    },
    ("depthwise", "backward_data", "first"): {
        "call": 2.2e-06, "input": 9.3e-11, "far_output": 6.4e-11, "arithmetic": 0.47,
        "filled_filters": 0.013, "gather": 0.61, "start": 0.36,
    },
    ("depthwise", "backward_data", "first", "interleaved"): {
        "call": 3.2e-06, "plane_taps": 3.7e-09, "input": 2.2e-10, "output": 1.7e-10,
        "arithmetic": 0.63, "gather": 0.31,
    },
    ("depthwise", "backward_data", "first", "planes"): {
        "unplanned": 3e-06, "channels": 1.7e-08, "output_rows": 2e-09, "strided_input": 6.7e-11,
        "arithmetic": 1.5, "filled_rows": 0.28,
    },
    ("depthwise", "backward_data", "last"): {
        "unplanned": 3.7e-06, "output": 2.8e-10, "arithmetic": 0.95, "gather": 0.3,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 2.7e-06, "channels": 6e-08, "input_rows": 4.3e-09, "lines": 5.6e-10,
        "plane_taps": 1.7e-08, "weights": 7.7e-09, "output": 9.1e-11, "filled_filters": 0.019,
        "filled_rows": 0.4,
    },
    ("depthwise", "backward_weight", "first", "planes"): {
        "call": 2.6e-06, "taps": 2.9e-08, "weights": 3.4e-09, "arithmetic": 0.62,
        "filled_rows": 0.41,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 3e-06, "taps": 2.4e-08, "lines": 1.2e-10, "plane_taps": 3.3e-09,
        "weights": 5.6e-10, "input": 1.1e-10, "far_output": 3.4e-10, "arithmetic": 0.66,
        "gather": 0.36,
    },
    ("depthwise", "forward", "first"): {
        "call": 4.6e-07, "unplanned": 1.5e-06, "taps": 3.1e-09, "input_rows": 2.7e-09,
        "weights": 1.5e-09, "output": 9.1e-11, "far_weights": 6.8e-10, "far_output": 7.3e-11,
        "arithmetic": 0.33, "filled_filters": 0.028, "filled_rows": 0.023, "start": 0.26,
    },
    ("depthwise", "forward", "first", "interleaved"): {
        "call": 1.3e-06, "unplanned": 1.4e-06, "groups": 3.6e-09, "lines": 3.5e-11,
        "plane_taps": 1.6e-09, "weights": 8e-10, "input": 1.5e-10, "output": 2.1e-10,
        "arithmetic": 0.79,
    },
    ("depthwise", "forward", "first", "planes"): {
        "call": 1.1e-06, "unplanned": 1.6e-06, "plane_taps": 2.1e-08, "output": 1.3e-10,
        "filled_filters": 0.032, "filled_rows": 0.81,
    },
    ("depthwise", "forward", "last"): {
        "call": 1.2e-06, "unplanned": 2.2e-06, "taps": 5e-09, "lines": 5.6e-11,
        "plane_taps": 1.6e-09, "output": 2.6e-10, "arithmetic": 0.71, "gather": 0.36,
    },
    ("direct", "backward_data", "first"): {
        "call": 2.5e-06, "taps": 5e-09, "input_rows": 2.1e-09, "strided_input": 3.3e-10,
        "output": 1.4e-10, "arithmetic": 1.3, "transform": 0.7, "start": 0.36,
    },
    ("direct", "backward_data", "last"): {
        "unplanned": 2.2e-06, "arithmetic": 0.95, "filled_filters": 0.055, "gather": 4,
        "transform": 0.58, "traffic": 6.6, "start": 0.4,
    },
    ("direct", "backward_weight", "first"): {
        "call": 2.7e-06, "taps": 9.4e-09, "input_rows": 1e-09, "arithmetic": 1, "gather": 0.39,
        "transform": 0.34, "start": 0.29,
    },
    ("direct", "backward_weight", "last"): {
        "call": 2.9e-06, "output": 1.4e-10, "arithmetic": 0.84, "filled_filters": 0.026,
        "gather": 0.6, "transform": 0.35, "start": 0.24,
    },
    ("direct", "forward", "first"): {
        "call": 1.2e-06, "unplanned": 1.8e-06, "groups": 7.8e-08, "taps": 3.3e-09,
        "input_rows": 1.2e-09, "plane_taps": 1.6e-09, "weights": 1.7e-10, "output": 8.7e-11,
        "arithmetic": 1.2, "gather": 0.4,
    },
    ("direct", "forward", "last"): {
        "call": 1.1e-06, "unplanned": 1.7e-06, "groups": 8.8e-08, "weights": 1.8e-10,
        "arithmetic": 0.94, "filled_filters": 0.11, "gather": 0.76, "traffic": 6.4,
    },
    ("fft", "backward_data", "first"): {
        "taps": 1.5e-08, "output_rows": 2e-07, "weights": 7.6e-09, "strided_input": 4.8e-09,
        "far_output": 1.5e-09, "filled_filters": 0.83, "gather": 1.6, "start": 0.44,
    },
    ("fft", "backward_data", "last"): {
        "input_rows": 1.3e-07, "weights": 7.1e-09, "strided_input": 4.8e-09, "output": 2.9e-09,
        "filled_rows": 0.68, "gather": 1.3, "transform": 0.45, "start": 0.68,
    },
    ("fft", "backward_weight", "first"): {
        "unplanned": 7e-05, "input_rows": 7.2e-08, "plane_taps": 3e-07, "weights": 2.3e-09,
        "strided_input": 2.8e-09, "arithmetic": 0.79, "gather": 0.5, "transform": 0.57,
    },
    ("fft", "backward_weight", "last"): {
        "unplanned": 7e-05, "input_rows": 6.2e-08, "output_rows": 4.7e-08, "far_output": 9.7e-10,
        "filled_filters": 0.27, "filled_rows": 0.3, "gather": 0.69, "transform": 0.66,
    },
    ("fft", "forward", "first"): {
        "unplanned": 7.2e-05, "input_rows": 6.9e-08, "output_rows": 6.9e-08, "weights": 9.8e-09,
        "strided_input": 2.7e-09, "output": 1.6e-09, "far_output": 1.1e-09, "arithmetic": 0.46,
        "filled_filters": 0.43, "gather": 0.65, "transform": 0.17,
    },
    ("fft", "forward", "last"): {
        "unplanned": 6.7e-05, "input_rows": 5.8e-08, "plane_taps": 8.1e-08, "weights": 9.3e-09,
        "output": 3.7e-09, "filled_filters": 0.89, "gather": 0.88,
    },
    ("im2col", "backward_data", "first"): {
        "unplanned": 3.2e-06, "groups": 9.9e-08, "taps": 2.2e-08, "input_rows": 1.3e-09,
        "weights": 8.2e-11, "strided_input": 1.7e-10, "far_weights": 9.4e-11, "arithmetic": 0.42,
        "filled_filters": 0.26, "gather": 0.36,
    },
    ("im2col", "backward_data", "last"): {
        "unplanned": 2.7e-06, "taps": 3.3e-08, "weights": 7.7e-11, "input": 1.6e-10,
        "filled_filters": 0.8, "gather": 0.48, "traffic": 0.75, "start": 0.12,
    },
    ("im2col", "backward_weight", "first"): {
        "unplanned": 2.6e-06, "channels": 6.9e-09, "taps": 2.2e-08, "input_rows": 1.1e-09,
        "weights": 1.8e-10, "arithmetic": 0.86, "filled_filters": 0.095, "gather": 0.4,
        "start": 0.091,
    },
    ("im2col", "backward_weight", "last"): {
        "call": 2.7e-06, "weights": 1.5e-10, "input": 9.3e-11, "far_output": 1.4e-10,
        "filled_filters": 0.72, "gather": 0.51, "start": 0.099,
    },
    ("im2col", "forward", "first"): {
        "call": 1.2e-06, "unplanned": 1.5e-06, "filters": 3.2e-09, "groups": 6.9e-08,
        "taps": 2.5e-08, "input_rows": 1.1e-09, "output": 1.4e-10, "arithmetic": 0.53,
        "filled_filters": 0.11, "gather": 0.43, "transform": 0.4,
    },
    ("im2col", "forward", "last"): {
        "call": 8.6e-07, "unplanned": 1.5e-06, "input": 1.2e-10, "output": 2.8e-10,
        "filled_filters": 0.68, "gather": 0.54, "transform": 1.1, "start": 0.12,
    },
    ("inner_product", "backward_data", "first"): {
        "call": 4.6e-06, "filters": 6.6e-09, "groups": 1.6e-08, "far_weights": 5.8e-11,
        "filled_filters": 0.27, "transform": 0.38,
    },
    ("inner_product", "backward_data", "first", "columns"): {
        "unplanned": 9.8e-06, "groups": 3.4e-08, "input": 4.8e-10, "arithmetic": 1.2,
        "gather": 0.81,
    },
    ("inner_product", "backward_data", "last"): {
        "call": 9.4e-06, "groups": 3.5e-08, "taps": 3.7e-09, "far_weights": 4e-10,
        "transform": 0.15,
    },
    ("inner_product", "backward_data", "last", "columns"): {
        "unplanned": 6e-06, "groups": 3.4e-08, "input": 2.7e-10, "far_weights": 6.2e-11,
        "arithmetic": 1, "gather": 0.67,
    },
    ("inner_product", "backward_weight", "first"): {
        "call": 4.4e-06, "groups": 2.1e-08, "plane_taps": 3.4e-09, "far_weights": 4.9e-11,
        "arithmetic": 7.4, "transform": 0.52,
    },
    ("inner_product", "backward_weight", "first", "columns"): {
        "unplanned": 8.6e-06, "groups": 5.2e-08, "weights": 1.3e-10, "input": 4.5e-10,
        "arithmetic": 1.1, "gather": 0.52,
    },
    ("inner_product", "backward_weight", "last"): {
        "unplanned": 8.5e-06, "groups": 2.6e-08, "lines": 1.2e-10, "arithmetic": 24,
    },
    ("inner_product", "backward_weight", "last", "columns"): {
        "call": 4.8e-06, "groups": 4.6e-08, "weights": 1.2e-10, "input": 1.5e-10, "arithmetic": 1,
        "gather": 0.5,
    },
    ("inner_product", "forward", "first"): {
        "call": 1.6e-06, "unplanned": 2.3e-06, "filters": 3.5e-09, "groups": 2.9e-08,
        "input": 4.1e-11, "arithmetic": 2.1, "transform": 0.77,
    },
    ("inner_product", "forward", "first", "columns"): {
        "call": 6.1e-06, "unplanned": 2.6e-06, "groups": 4.7e-08, "input": 3.6e-10,
        "output": 2.3e-09, "far_weights": 1.2e-10, "arithmetic": 0.69, "gather": 0.56,
    },
    ("inner_product", "forward", "last"): {
        "call": 1.8e-06, "unplanned": 5.9e-06, "groups": 3.3e-08, "output_rows": 2.8e-09,
        "weights": 1.1e-10, "arithmetic": 1.1, "filled_filters": 0.89, "transform": 0.085,
    },
    ("inner_product", "forward", "last", "columns"): {
        "call": 2.1e-06, "unplanned": 2.3e-06, "groups": 3.8e-08, "input": 1.6e-10,
        "output": 1.6e-09, "far_weights": 3.6e-11, "arithmetic": 0.67, "gather": 0.56,
    },
    ("sliding", "backward_data", "first"): {
        "unplanned": 5.4e-06, "weights": 5.3e-09, "input": 7e-09, "arithmetic": 0.16,
    },
    ("sliding", "backward_data", "last"): {
        "call": 1.1e-05, "taps": 1.4e-07, "input": 6.9e-09, "strided_input": 3.1e-09,
        "far_weights": 1.2e-07, "filled_rows": 0.039,
    },
    ("sliding", "backward_weight", "first"): {
        "unplanned": 4.8e-06, "lines": 2.3e-09, "weights": 1.7e-08, "arithmetic": 0.24,
    },
    ("sliding", "backward_weight", "last"): {
        "unplanned": 1.1e-05, "lines": 2.2e-09, "weights": 1.7e-08, "arithmetic": 0.28,
    },
    ("sliding", "forward", "first"): {
        "call": 2.8e-06, "unplanned": 1.7e-06, "channels": 9.8e-09, "output": 1.5e-08,
        "arithmetic": 0.26,
    },
    ("sliding", "forward", "last"): {
        "call": 5.8e-06, "unplanned": 2e-06, "channels": 1.6e-08, "strided_input": 6.5e-10,
        "output": 1.5e-08, "arithmetic": 0.21,
    },
    ("swapped", "backward_data", "first"): {
        "channels": 3.5e-08, "input_rows": 2.1e-08, "output_rows": 3.4e-08, "arithmetic": 1.2,
        "gather": 0.26, "transform": 3.3, "start": 0.63,
    },
    ("swapped", "backward_data", "last"): {
        "channels": 8.1e-08, "plane_taps": 6.9e-08, "arithmetic": 1.6, "gather": 0.24,
        "transform": 2.6, "start": 0.97,
    },
    ("winograd", "backward_data", "first"): {
        "call": 5.9e-06, "filters": 3.1e-08, "far_weights": 2.5e-10, "arithmetic": 1.3,
        "filled_filters": 0.018, "transform": 1.1, "traffic": 0.39,
    },
    ("winograd", "backward_data", "last"): {
        "call": 5.8e-06, "filters": 4e-08, "far_input": 1.4e-10, "far_output": 2.2e-10,
        "arithmetic": 1.3, "transform": 1, "traffic": 0.17,
    },
    ("winograd", "backward_weight", "first"): {
        "unplanned": 4.7e-06, "groups": 2.1e-07, "weights": 5e-10, "input": 5.1e-10,
        "far_weights": 4.9e-10, "arithmetic": 1.2, "transform": 0.57,
    },
    ("winograd", "backward_weight", "last"): {
        "unplanned": 4.4e-06, "groups": 2.4e-07, "lines": 1.5e-11, "weights": 5.8e-10,
        "input": 4.4e-10, "far_output": 6e-10, "arithmetic": 1, "transform": 0.59,
    },
    ("winograd", "forward", "first"): {
        "call": 2.6e-06, "unplanned": 3.1e-06, "arithmetic": 1.2, "gather": 0.4, "transform": 1.3,
        "traffic": 0.23,
    },
    ("winograd", "forward", "last"): {
        "call": 2.4e-06, "unplanned": 3e-06, "groups": 3.5e-08, "far_input": 1.4e-10,
        "arithmetic": 1.2, "transform": 1.3, "traffic": 0.15,
    },
}

# The range of each feature (`calibration.FEATURES`), and the weights of their products.
CORRECTIONS = {
}
