"""The machine: what all other figures are to be read against. First in the alphabet on purpose."""

import fastconv
from fastconv._bench import peaks

_RUNTIME = fastconv.show_runtime(mode="dicts")


class Machine:
    """Instruction set and threads are parameters, so that every report shows them."""

    param_names = ("isa", "threads")
    params = ([_RUNTIME["isa"]], sorted({1, _RUNTIME["num_threads"]}))

    def track_vector_bits(self, isa, threads):
        return 8 * _RUNTIME["vector_bytes"]

    def track_float32_peak(self, isa, threads):
        return peaks.fma_gflops("float32", threads, 0.2)

    def track_float64_peak(self, isa, threads):
        return peaks.fma_gflops("float64", threads, 0.2)

    def track_memory_bandwidth(self, isa, threads):
        return peaks.triad_gbs(threads, 0.5)

    track_vector_bits.unit = "bits"
    track_float32_peak.unit = track_float64_peak.unit = "GFLOP/s"
    track_memory_bandwidth.unit = "GB/s"
