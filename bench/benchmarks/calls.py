"""What a call costs before any arithmetic, and what the import costs."""

import numpy as np

import fastconv


class Tiny:
    """One 8x8 image of one channel."""

    sample_time = 0.02
    repeat = (5, 20, 0.5)

    def setup(self):
        self.x = np.ones((1, 1, 8, 8), np.float32)
        self.weight = np.ones((1, 1, 3, 3), np.float32)
        self.plan = fastconv.plan_conv(self.x.shape, self.weight)
        self.out = np.empty(self.plan.output_shape, np.float32)
        self.grad = np.ones_like(self.out)

    def time_conv2d(self):
        fastconv.conv2d(self.x, self.weight)

    def time_conv2d_out(self):
        fastconv.conv2d(self.x, self.weight, out=self.out)

    def time_plan(self):
        self.plan(self.x)

    def time_plan_out(self):
        self.plan(self.x, out=self.out)

    def time_backward_data(self):
        fastconv.conv2d_backward_data(self.grad, self.weight, self.x.shape)

    def time_backward_weight(self):
        fastconv.conv2d_backward_weight(self.grad, self.x, self.weight.shape)

    def time_max_pool2d(self):
        fastconv.max_pool2d(self.x, 2)

    def time_avg_pool2d(self):
        fastconv.avg_pool2d(self.x, 2)

    def time_plan_conv(self):
        fastconv.plan_conv(self.x.shape, self.weight)

    def time_conv_output_shape(self):
        fastconv.conv_output_shape(self.x.shape, self.weight.shape)


class Import:
    """In a new process each time."""

    number = 1
    repeat = (5, 10, 5.0)

    def timeraw_beyond_numpy(self):
        return "import fastconv", "import numpy"

    def timeraw_everything(self):
        return "import fastconv"
