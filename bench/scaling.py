"""What more processors would gain, on paper: python scaling.py --help.

A rehearsal runs a layer on one thread, cut as for many, and times each task. From these come the
time that a team would take, with its way of sharing tasks out; beside it stand the time that memory
takes for what must move, and that of starting the team:

    time(threads) = max(beside + sum of loops (last thread to end + start), bytes / bandwidth)

Nothing is measured on more than one processor, so this shows where tasks run out, not how fast a
machine is.
"""

import argparse
import math
import time

import numpy as np

import fastconv
from fastconv._bench import peaks
from fastconv._core import threads
from fastconv.testing.shapes import CONV_SHAPES, PERFORMANCE_LAYERS

START_SECONDS = 1.5e-6  # of a team, for each doubling: measured for two threads that spin
SOCKET_GBS = 250.0  # of eight channels of DDR5-4800, four fifths of 307
ROUNDS = 9


def last_to_end(tasks, threads):
    """When a team ends: each thread has a range of its own, and helps the next ones after it."""
    threads = min(threads, len(tasks))
    ranges = [
        list(range(len(tasks) * t // threads, len(tasks) * (t + 1) // threads))
        for t in range(threads)
    ]
    clock = [0.0] * threads
    idle = set()
    while len(idle) < threads:
        thread = min((t for t in range(threads) if t not in idle), key=clock.__getitem__)
        for step in range(threads):
            todo = ranges[(thread + step) % threads]
            if todo:
                clock[thread] += tasks[todo.pop(0)]
                break
        else:
            idle.add(thread)
    return max(clock)


class Rehearsal:
    """One layer, planned, of batch 1, cut as for some threads."""

    def __init__(self, shape, threads):
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal(shape.input_shape()).astype(np.float32)
        weight = rng.standard_normal(shape.weight_shape).astype(np.float32)
        self.threads = threads
        self.plan = fastconv.plan_conv(self.x.shape, weight, num_threads=threads, **shape.kwargs())
        self.out = self.plan(self.x)
        self.bytes = self.x.nbytes + weight.nbytes + self.out.nbytes
        self.loops, self.beside = None, math.inf

    def run(self):
        """Once more: the least time of each task counts, and of what is done beside them."""
        with threads.rehearsal(self.threads) as loops:
            self.plan(self.x, out=self.out)  # other runs may have taken the scratch memory
            loops.clear()
            began = time.perf_counter()
            self.plan(self.x, out=self.out)
            whole = time.perf_counter() - began
        found = [taken for _, taken in loops]
        self.beside = min(self.beside, max(whole - sum(map(sum, found)), 0.0))
        if self.loops is None or list(map(len, found)) != list(map(len, self.loops)):
            self.loops = found
        self.loops = [list(map(min, *pair)) for pair in zip(found, self.loops, strict=True)]

    @property
    def work(self):
        """Seconds of all tasks, one after the other."""
        return self.beside + sum(map(sum, self.loops))

    @property
    def tasks(self):
        """Of the longest loop."""
        return len(max(self.loops, key=sum, default=[]))

    def starts(self):
        """Seconds that teams take to begin and to end."""
        teams = [min(self.threads, len(tasks)) for tasks in self.loops]
        return sum(START_SECONDS * math.log2(team) for team in teams if team > 1)

    def compute(self):
        """Seconds until the last thread has ended, but for the starts."""
        return self.beside + sum(last_to_end(tasks, self.threads) for tasks in self.loops)

    def memory(self, bandwidth, socket_cores):
        """Seconds that memory takes, at the gigabytes a second that one thread gets."""
        sockets = -(-self.threads // socket_cores)
        return self.bytes / min(self.threads * bandwidth, sockets * SOCKET_GBS) / 1e9


def row_of(name, counts, bandwidth, socket_cores):
    """Cells of the table for one layer."""
    runs = [Rehearsal(CONV_SHAPES[name], n) for n in counts]
    for _ in range(ROUNDS):
        for run in runs:
            run.run()
    one, last = runs[0], runs[-1]
    parts = [(run.compute(), run.starts(), run.memory(bandwidth, socket_cores)) for run in runs]
    seconds = [max(compute + start, memory) for compute, start, memory in parts]
    compute, start, memory = parts[-1]
    even = (last.work - last.beside) / last.threads
    bound = max(("memory", memory), ("start", start), ("beside", last.beside), ("work", even),
                ("tasks", compute - last.beside - even), key=lambda pair: pair[1])[0]  # fmt: skip
    return [name, last.plan.method, f"{seconds[0] * 1e6:.0f}us",
            *(f"{seconds[0] / s:.1f}" for s in seconds[1:]),
            f"{last.tasks / last.threads:.1f}", f"{last.work / one.work:.2f}", bound]  # fmt: skip


def main():
    """Print, or write, a table of layers by threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", help="names or their beginnings, comma-separated")
    parser.add_argument("--threads", default="1,2,4,8,16,32,64")
    parser.add_argument("--socket-cores", type=int, default=32, help="cores of one socket")
    parser.add_argument("--rst", help="write the table there")
    options = parser.parse_args()
    counts = [int(n) for n in options.threads.split(",")]
    names = [
        name
        for name in (CONV_SHAPES if options.layers else PERFORMANCE_LAYERS)
        if not options.layers or name.startswith(tuple(options.layers.split(",")))
    ]
    bandwidth = peaks.triad_gbs(1)
    header = ["layer", "method", "1 thread", *map(str, counts[1:]), "tasks a thread", "work",
              "bound"]  # fmt: skip
    print(*header, sep="  ")
    rows = []
    for name in names:
        rows.append(row_of(name, counts, bandwidth, options.socket_cores))
        print(*rows[-1], sep="  ", flush=True)
    if options.rst:
        with open(options.rst, "w") as file:
            print(".. Made by `python scaling.py --rst` in bench/.\n", file=file)
            print(".. csv-table:: Speed-up on paper, float32, batch 1, planned", file=file)
            print("   :header: " + ", ".join(f'"{h}"' for h in header) + "\n", file=file)
            for row in rows:
                print("   " + ", ".join(f'"{cell}"' for cell in row), file=file)


if __name__ == "__main__":
    main()
