"""The prices of what cost models count: found by `bench/fit.py`.

From 12035 random layers on one thread of Intel(R) Xeon(R) Processor, avx512_amx; those of fewer
than 90 samples are from earlier runs; the gradients of the data of bf16 and bf16x3 are of a draw
of their own. `bare_weights` was taken out of fft, backward_data, last: a fit of outliers.
Those of planes, and of planes side by side, are a Zen 4's, scaled by the clock: 1.4 times; factors
of terms 0.8, as peaks are. `input_rows` of direct, forward, first, are half of what was found, as
they became on a Zen 4 when short rows were listed.
"""

# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by
# algorithm, pass and layout.
# fmt: off
CONSTANTS = {
    ("bf16", "backward_data", "first"): {
        "weights": 7.7e-10, "bare_weights": 4e-10, "far_input": 4.9e-10, "arithmetic": 1.9,
        "gather": 1.7, "traffic": 0.59, "start": 3.4,
    },
    ("bf16", "backward_data", "last"): {
        "groups": 2.7e-06, "weights": 7.1e-10, "input": 1.7e-10, "far_weights": 5.7e-10,
        "far_input": 3.8e-10, "arithmetic": 2.1, "gather": 1.5, "start": 2.4,
    },
    ("bf16", "forward", "first"): {
        "weights": 8e-10, "input": 2.2e-10, "output": 2.1e-10, "far_output": 4.7e-10,
        "arithmetic": 2.1, "gather": 1.4, "traffic": 0.32, "start": 1.1,
    },
    ("bf16", "forward", "last"): {
        "groups": 2.1e-06, "weights": 7e-10, "output": 3.5e-10, "far_weights": 7e-11,
        "arithmetic": 2.2, "gather": 1.7,
    },
    ("bf16x3", "backward_data", "first"): {
        "weights": 9.2e-10, "input": 7.8e-10, "far_weights": 7.4e-10, "arithmetic": 1.4,
        "gather": 2.1, "traffic": 0.25, "start": 3,
    },
    ("bf16x3", "backward_data", "last"): {
        "groups": 4.6e-06, "weights": 9.9e-10, "far_weights": 6.9e-10, "far_input": 6.5e-10,
        "filled_filters": 1.4, "gather": 2.1, "traffic": 0.23,
    },
    ("bf16x3", "forward", "first"): {
        "weights": 1.1e-09, "input": 3.3e-10, "far_output": 6.9e-10, "arithmetic": 1.7,
        "gather": 1.5, "traffic": 0.34, "start": 1.3,
    },
    ("bf16x3", "forward", "last"): {
        "weights": 9.2e-10, "far_output": 5.4e-10, "arithmetic": 1.6, "gather": 2.1,
        "traffic": 0.36, "start": 1.9,
    },
    ("depthwise", "backward_data", "first"): {
        "call": 3.7e-06, "input": 2.6e-10, "far_input": 1.2e-10, "arithmetic": 0.78,
        "gather": 0.77, "start": 0.37,
    },
    ("depthwise", "backward_data", "first", "interleaved"): {
        "call": 4.8e-06, "plane_taps": 7.3e-09, "weights": 1.2e-09, "input": 3.2e-10,
        "output": 2.7e-10, "arithmetic": 0.55,
    },
    ("depthwise", "backward_data", "first", "planes"): {
        "unplanned": 4.3e-06, "channels": 2.1e-08, "lines": 2.5e-10, "input": 1.3e-10,
        "arithmetic": 0.96,
    },
    ("depthwise", "backward_data", "last"): {
        "unplanned": 5.1e-06, "output": 6.4e-10, "arithmetic": 1, "gather": 0.63, "start": 0.061,
    },
    ("depthwise", "backward_weight", "first"): {
        "call": 3.7e-06, "channels": 6.9e-08, "input_rows": 5.4e-09, "lines": 9.5e-10,
        "plane_taps": 3.1e-08, "weights": 9.7e-09, "output": 1.5e-10, "far_input": 1.9e-10,
        "arithmetic": 0.54, "filled_filters": 0.029,
    },
    ("depthwise", "backward_weight", "first", "planes"): {
        "unplanned": 4.2e-06, "weights": 3.9e-09, "arithmetic": 0.52, "filled_rows": 0.35,
    },
    ("depthwise", "backward_weight", "last"): {
        "call": 4.6e-06, "weights": 2e-09, "output": 4.9e-10, "far_input": 2e-10,
        "filled_filters": 0.073, "gather": 0.91,
    },
    ("depthwise", "forward", "first"): {
        "call": 8.4e-07, "unplanned": 2.2e-06, "taps": 3e-09, "lines": 1.9e-10, "input": 1.9e-10,
        "far_output": 2.3e-10, "arithmetic": 0.5, "filled_filters": 0.025, "gather": 0.54,
        "start": 0.32,
    },
    ("depthwise", "forward", "first", "interleaved"): {
        "call": 1.5e-06, "unplanned": 2.1e-06, "filters": 5.9e-09, "taps": 2.7e-08,
        "plane_taps": 2.7e-09, "weights": 9.7e-10, "input": 1.8e-10, "output": 4.2e-10,
        "arithmetic": 0.63,
    },
    ("depthwise", "forward", "first", "planes"): {
        "call": 1.4e-06, "unplanned": 2.2e-06, "plane_taps": 1.7e-08, "weights": 1.2e-09,
        "output": 1.8e-10, "filled_rows": 0.96,
    },
    ("depthwise", "forward", "last"): {
        "call": 1.6e-06, "unplanned": 3e-06, "taps": 1.2e-08, "lines": 1.3e-10,
        "far_output": 8.2e-10, "arithmetic": 0.68, "gather": 0.84, "traffic": 1.4, "start": 0.041,
    },
    ("direct", "backward_data", "first"): {
        "unplanned": 4e-06, "channels": 1.3e-08, "taps": 5.8e-09, "output_rows": 4.4e-09,
        "strided_input": 3.9e-10, "far_input": 1.8e-10, "arithmetic": 1.3, "transform": 1.4,
        "traffic": 1.1, "start": 0.43,
    },
    ("direct", "backward_data", "last"): {
        "call": 3.6e-06, "filters": 1.9e-08, "far_weights": 7e-10, "far_input": 2.5e-10,
        "arithmetic": 0.88, "filled_filters": 0.059, "gather": 6.2, "transform": 0.82,
        "traffic": 7.2, "start": 0.46,
    },
    ("direct", "backward_weight", "first"): {
        "call": 4.1e-06, "channels": 1.4e-08, "taps": 1.1e-08, "input_rows": 1.7e-09,
        "far_output": 1.7e-10, "arithmetic": 0.98, "gather": 0.79, "transform": 0.7,
        "start": 0.37,
    },
    ("direct", "backward_weight", "last"): {
        "call": 4.2e-06, "far_weights": 3.5e-10, "arithmetic": 0.94, "filled_filters": 0.026,
        "gather": 0.96, "transform": 0.65, "start": 0.42,
    },
    ("direct", "forward", "first"): {
        "call": 1.9e-06, "unplanned": 2.7e-06, "groups": 9.1e-08, "taps": 3.7e-09,
        "input_rows": 2e-09, "output": 1.5e-10, "far_input": 1.5e-10, "arithmetic": 1.1,
        "filled_filters": 0.017, "gather": 0.52, "transform": 0.57,
    },
    ("direct", "forward", "last"): {
        "call": 1.3e-06, "unplanned": 2.3e-06, "groups": 6.9e-08, "input_rows": 8.5e-10,
        "weights": 1.8e-10, "far_weights": 1.6e-10, "arithmetic": 0.77, "filled_filters": 0.16,
        "gather": 1.3, "traffic": 7.2, "start": 0.1,
    },
    ("fft", "backward_data", "first"): {
        "taps": 7.5e-08, "output_rows": 2.7e-07, "weights": 8.2e-09, "strided_input": 9.6e-09,
        "output": 3.2e-09, "filled_filters": 1.3, "filled_rows": 0.17, "gather": 3.1,
    },
    ("fft", "backward_data", "last"): {
        "input_rows": 5.5e-08, "plane_taps": 8.3e-08, "weights": 1.3e-08,
        "strided_input": 1.5e-08, "output": 6.4e-09, "filled_filters": 1.5, "filled_rows": 0.26,
        "gather": 2.6, "start": 1.1,
    },
    ("fft", "backward_weight", "first"): {
        "unplanned": 7.8e-05, "input_rows": 1.1e-07, "plane_taps": 3.9e-07, "output": 2.5e-09,
        "filled_filters": 0.46, "gather": 1.3, "transform": 0.57, "traffic": 5.4,
    },
    ("fft", "backward_weight", "last"): {
        "input_rows": 1e-07, "plane_taps": 4.2e-07, "strided_input": 3.3e-09,
        "far_output": 1.1e-09, "filled_rows": 0.57, "gather": 1.1, "transform": 1.2,
        "start": 0.82,
    },
    ("fft", "forward", "first"): {
        "unplanned": 9.5e-05, "input_rows": 9.2e-08, "plane_taps": 2.5e-07, "weights": 1.4e-08,
        "strided_input": 1.9e-09, "output": 5.4e-09, "filled_filters": 1.3, "gather": 1.4,
    },
    ("fft", "forward", "last"): {
        "unplanned": 6.7e-05, "input_rows": 1.4e-07, "weights": 1.6e-08, "output": 1.1e-08,
        "filled_filters": 1.4, "gather": 1.1,
    },
    ("im2col", "backward_data", "first"): {
        "unplanned": 4.6e-06, "groups": 9.2e-08, "weights": 1.6e-10, "strided_input": 2e-10,
        "far_weights": 2.7e-10, "far_input": 2.7e-10, "filled_filters": 0.52, "gather": 0.5,
    },
    ("im2col", "backward_data", "last"): {
        "unplanned": 3.7e-06, "weights": 1.1e-10, "input": 5.7e-10, "far_weights": 2.4e-10,
        "far_output": 1.3e-09, "filled_filters": 0.74, "gather": 0.6, "traffic": 0.67,
        "start": 0.17,
    },
    ("im2col", "backward_weight", "first"): {
        "call": 3.5e-06, "channels": 1.5e-08, "taps": 3.5e-08, "weights": 2.8e-10,
        "far_input": 2.3e-10, "arithmetic": 1.1, "gather": 0.68, "start": 0.16,
    },
    ("im2col", "backward_weight", "last"): {
        "unplanned": 3.7e-06, "weights": 2.6e-10, "input": 9.3e-11, "far_output": 3.2e-10,
        "filled_filters": 0.79, "gather": 0.78, "start": 0.13,
    },
    ("im2col", "forward", "first"): {
        "call": 1.3e-06, "unplanned": 2e-06, "filters": 3.4e-09, "taps": 2.1e-08,
        "output": 1.5e-10, "far_output": 2.7e-10, "arithmetic": 0.54, "gather": 0.67,
        "transform": 0.67, "start": 0.084,
    },
    ("im2col", "forward", "last"): {
        "call": 9.9e-07, "unplanned": 1.9e-06, "input": 2.4e-10, "output": 4.3e-10,
        "far_weights": 2.9e-10, "filled_filters": 0.64, "gather": 0.7, "transform": 1,
        "start": 0.19,
    },
    ("inner_product", "backward_data", "first"): {
        "unplanned": 1e-05, "groups": 3e-08, "strided_input": 7.9e-10, "far_weights": 1.9e-10,
        "arithmetic": 0.9, "gather": 1.6, "transform": 1.7,
    },
    ("inner_product", "backward_data", "last"): {
        "unplanned": 1e-05, "groups": 5.1e-08, "input": 4.8e-10, "far_weights": 5.2e-10,
        "filled_filters": 0.8, "gather": 0.83, "transform": 0.25,
    },
    ("inner_product", "backward_weight", "first"): {
        "unplanned": 1e-05, "groups": 4.7e-08, "weights": 1.9e-10, "strided_input": 5.7e-10,
        "far_weights": 3.1e-10, "arithmetic": 1, "gather": 1.2, "transform": 0.32,
    },
    ("inner_product", "backward_weight", "last"): {
        "unplanned": 8.2e-06, "groups": 4.8e-08, "weights": 1.5e-10, "far_weights": 4.6e-10,
        "arithmetic": 0.79, "gather": 0.84, "transform": 0.51,
    },
    ("inner_product", "forward", "first"): {
        "call": 3.5e-06, "unplanned": 5.7e-06, "groups": 2.5e-08, "output": 3.1e-09,
        "far_weights": 1.3e-10, "arithmetic": 0.7, "gather": 1.5, "traffic": 0.15,
    },
    ("inner_product", "forward", "last"): {
        "call": 2.6e-06, "unplanned": 4.7e-06, "groups": 5.9e-08, "input": 3.5e-10,
        "output": 8.5e-10, "far_weights": 1.1e-10, "arithmetic": 0.82, "gather": 0.77,
        "transform": 0.058, "traffic": 0.13,
    },
    ("sliding", "backward_data", "first"): {
        "unplanned": 7.1e-06, "taps": 1.4e-07, "input_rows": 2e-08, "weights": 6e-09,
        "input": 8.3e-09, "strided_input": 3.2e-09, "arithmetic": 0.35,
    },
    ("sliding", "backward_data", "last"): {
        "unplanned": 1.6e-05, "taps": 1.6e-07, "weights": 9.1e-09, "input": 1.9e-08,
        "output": 3.6e-09, "far_weights": 3.1e-07, "filled_rows": 0.043,
    },
    ("sliding", "backward_weight", "first"): {
        "unplanned": 7.3e-06, "lines": 3.6e-09, "weights": 2.4e-08, "arithmetic": 0.45,
    },
    ("sliding", "backward_weight", "last"): {
        "call": 1.6e-05, "lines": 4.6e-09, "weights": 2.4e-08, "arithmetic": 0.42,
    },
    ("sliding", "forward", "first"): {
        "call": 3.6e-06, "unplanned": 2.8e-06, "input_rows": 5.2e-09, "output": 2.3e-08,
        "arithmetic": 0.39,
    },
    ("sliding", "forward", "last"): {
        "call": 8.6e-06, "unplanned": 2.4e-06, "channels": 1e-08, "output_rows": 1.7e-08,
        "output": 2e-08, "arithmetic": 0.36,
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
        "call": 8.9e-06, "far_output": 6e-10, "arithmetic": 1.6, "filled_filters": 0.08,
        "gather": 0.74, "transform": 1.5, "traffic": 0.25,
    },
    ("winograd", "backward_data", "last"): {
        "unplanned": 7.6e-06, "plane_taps": 4.2e-08, "far_weights": 1.2e-09, "far_input": 7.9e-10,
        "arithmetic": 1.7, "filled_filters": 0.06, "transform": 1.4, "traffic": 0.27,
    },
    ("winograd", "backward_weight", "first"): {
        "call": 6.2e-06, "lines": 4.1e-11, "input": 1.1e-09, "far_weights": 1e-09,
        "far_output": 1.1e-09, "arithmetic": 1.2, "transform": 0.97, "traffic": 0.48,
    },
    ("winograd", "backward_weight", "last"): {
        "call": 6.2e-06, "groups": 2.2e-07, "lines": 4e-11, "input": 1.3e-09,
        "far_weights": 1.2e-09, "far_output": 1.8e-09, "arithmetic": 1, "transform": 0.68,
        "traffic": 0.55,
    },
    ("winograd", "forward", "first"): {
        "call": 3.3e-06, "unplanned": 4.2e-06, "far_weights": 9.7e-11, "arithmetic": 1.6,
        "gather": 0.73, "transform": 1.7, "traffic": 0.54,
    },
    ("winograd", "forward", "last"): {
        "call": 3.3e-06, "unplanned": 4.1e-06, "far_weights": 1.6e-10, "far_input": 4.5e-10,
        "arithmetic": 1.5, "filled_filters": 0.048, "transform": 1.6, "traffic": 0.34,
    },
}

# The range of each feature (`calibration.FEATURES`), and the weights of their products.
CORRECTIONS = {
}
