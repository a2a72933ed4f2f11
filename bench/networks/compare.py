"""The comparison: who takes part, the clock, and the figures that come out."""

import json
import math
import tempfile
import time
from functools import cached_property, partial
from pathlib import Path

import numpy as np

import fastconv
from fastconv._bench import measure, peers

from .layers import Concat, Dense, Flatten
from .peers import TorchRunner, ncnn_model, onnx_model
from .run import Runner


class Case:
    """One network on one batch with a number of threads; what `measure` needs to know of it."""

    dtype, forward, pools, plain = "float32", True, False, True
    largest, tolerance = None, 1e-3  # error over the largest value, as of float32 layers

    def __init__(self, network, batch, threads):
        self.network, self.batch, self.threads = network, batch, threads

    @cached_property
    def x(self):
        """The images, channels first."""
        return self.network.images(self.batch)

    @property
    def y_shape(self):
        """Shape of the scores."""
        return (self.batch, *self.network.layers[-1].shape)


class Plan(peers.Contender):
    """fastconv with plans, which pack the weights of convolutions once."""

    name, module, package, ours, packs = "plan", "fastconv", "fastconv", True, True
    data_format = "channels_first"

    @classmethod
    def version(cls):
        return fastconv.__version__

    def images(self, case):
        """The images in the layout."""
        if self.data_format == "channels_first":
            return case.x
        return np.ascontiguousarray(np.moveaxis(case.x, 1, -1))

    def runner(self, case):
        """The network, ready to run."""
        return Runner(case.network, case.batch, self.data_format, self.packs,
                      num_threads=case.threads)  # fmt: skip

    def prepare(self, case):
        return partial(self.runner(case), self.images(case)), np.copy

    def profile(self, case):
        """What tells the time of each layer, or None."""
        return Profile(self.runner(case), self.images(case))


class PlanChannelsLast(Plan):
    """fastconv with plans, images in channels-last order."""

    name, data_format = "plan-cl", "channels_last"


class Calls(Plan):
    """The functions of fastconv, which get the weights anew at every call."""

    name, packs = "fastconv", False


class Torch(peers.Torch):
    """PyTorch, contiguous tensors; batch normalisations folded for it, too."""

    def runner(self, case):
        """The network, ready to run."""
        import torch

        torch.set_num_threads(case.threads)
        torch.set_grad_enabled(False)
        return TorchRunner(case.network, memory_format=self.memory_format)

    def prepare(self, case):
        runner = self.runner(case)
        return partial(runner, runner.tensor(case.x)), lambda y: y.numpy()

    def profile(self, case):
        """What tells the time of each layer."""
        runner = self.runner(case)
        return Profile(runner, runner.tensor(case.x))


class TorchChannelsLast(Torch):
    """PyTorch, tensors in channels-last order."""

    name, memory_format = "torch-cl", "channels_last"


class OnnxRuntime(peers.OnnxRuntime):
    """ONNX Runtime."""

    def model(self, case):
        return onnx_model(case.network, case.batch)

    def profile(self, case):
        """What tells the time of each layer."""
        return OnnxProfile(case)


class OpenVino(peers.OpenVino):
    """OpenVINO's CPU plugin."""

    def model(self, case):
        return onnx_model(case.network, case.batch)

    def profile(self, case):
        """Its layers are not to be told apart from outside."""


class Ncnn(peers.Ncnn):
    """ncnn, with Winograd, held to float32."""

    def model(self, case):
        return ncnn_model(case.network)

    def profile(self, case):
        """Its layers are not to be told apart from outside."""


OURS = (Plan, PlanChannelsLast, Calls)
PEERS = (Torch, TorchChannelsLast, OnnxRuntime, OpenVino, Ncnn)


# --------------------------------------------------------------------------- layer by layer


class Profile:
    """The best time of each layer, of a runner that computes them one by one."""

    def __init__(self, runner, x):
        self.runner, self.x = runner, x
        self.best = {layer.name: math.inf for layer in runner.network.layers[1:]}

    def run(self):
        """Compute the network once."""
        start = time.perf_counter()
        for layer, _ in self.runner.walk(self.x):
            end = time.perf_counter()
            self.best[layer.name] = min(self.best[layer.name], end - start)
            start = time.perf_counter()

    def seconds(self):
        """The best times by the layers' names."""
        return self.best


class OnnxProfile:
    """What ONNX Runtime's own profiler says; layers that it merged are with the first of them."""

    def __init__(self, case):
        import onnxruntime as ort

        self.names = {layer.name for layer in case.network.layers}
        self.x, self.folder = case.x, tempfile.TemporaryDirectory()
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = case.threads, 1
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(self.folder.name, "profile"))
        self.session = ort.InferenceSession(
            onnx_model(case.network, case.batch), options, providers=["CPUExecutionProvider"]
        )

    def run(self):
        """Compute the network once."""
        self.session.run(None, {"x": self.x})

    def seconds(self):
        """The best times by the layers' names; changes of layout are called "reorder"."""
        events = json.loads(Path(self.session.end_profiling()).read_text())
        self.folder.cleanup()
        runs = {}
        for event in events:
            name, _, end = event["name"].rpartition("_kernel_")
            if event.get("cat") == "Node" and end == "time":
                runs.setdefault(name, []).append(event["dur"] * 1e-6)
        best = {}
        for name, durations in runs.items():
            layer = self._layer(name)
            best[layer] = best.get(layer, 0.0) + min(durations)
        return best

    def _layer(self, node):
        """The layer of a node that may have been renamed, and merged with its activation."""
        name = node.removeprefix("fused ").removesuffix("_nchwc")
        if name not in self.names:
            name = name.rpartition(".")[0]
        return name if name in self.names else "reorder"


def _profiles(case, contenders, seconds, rounds):
    """The best time of each layer by contender, everyone in turn."""
    profiles = {contender.name: contender.profile(case) for contender in contenders}
    profiles = {name: profile for name, profile in profiles.items() if profile}
    spent = dict.fromkeys(profiles, 0.0)
    for _ in range(rounds):
        for name, profile in profiles.items():
            if spent[name] > seconds:
                continue
            measure.settle()
            start = time.perf_counter()
            profile.run()  # brings the weights into the caches
            profile.run()
            spent[name] += time.perf_counter() - start
    return {name: profile.seconds() for name, profile in profiles.items()}


# ------------------------------------------------------------------------------- the figures


def costs(network):
    """What a network costs for one image, whole and layer by layer, in counts and bytes."""
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    return {
        "network": network.name,
        "parameters": network.parameters,
        "dense_parameters": sum(layer.parameters for layer in dense),
        "multiply_adds": network.multiply_adds,
        "activation_bytes": 4 * network.activations,
        "peak_activation_bytes": 4 * network.peak_activations,
        "layers": [
            {
                "name": layer.name,
                "operation": layer.says(),
                "shape": layer.shape,
                "parameters": layer.parameters,
                "multiply_adds": layer.multiply_adds,
                # A concatenation is where its branches are, a vector where its image is.
                "activation_bytes": 0
                if isinstance(layer, Concat | Flatten)
                else 4 * math.prod(layer.shape),
            }
            for layer in network.layers[1:]
        ],
    }


def figures(network, batch, threads, contenders, seconds, rounds, progress):
    """Measure one network: its costs, everyone's times, and the times of its layers.

    Parameters
    ----------
    network : Network
        What to compute.
    batch, threads : int
        Number of images, and of threads for everyone.
    contenders : sequence of Contender
        Who takes part; the first gives the result that the others are compared with.
    seconds, rounds, progress
        As for `fastconv._bench.measure.measure`.

    Returns
    -------
    dict
        What `report` takes, and what goes into the JSON file.
    """
    case = Case(network, batch, threads)
    measured = measure.measure(case, contenders, seconds, rounds, progress)
    progress("layer by layer")
    taking_part = [c for c in contenders if c.name in measured.timings]
    return costs(network) | {
        "batch": batch,
        "threads": threads,
        "isa": fastconv.show_runtime(mode="dicts")["isa"],
        "peak_gflops": measured.roof.gflops,
        "ours": [c.name for c in taking_part if c.ours],
        "best": {name: timing.best for name, timing in measured.timings.items()},
        "median": {name: timing.median for name, timing in measured.timings.items()},
        "error": {name: timing.error for name, timing in measured.timings.items()},
        "refusals": measured.refusals,
        "layer_seconds": _profiles(case, taking_part, seconds, rounds),
    }
