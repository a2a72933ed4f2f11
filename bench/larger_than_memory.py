"""Filter a scan that is larger than the memory that the process may have, through `fastconv.dask`.

Makes a raw file of random uint16 elements, limits the process's own memory (``RLIMIT_DATA``; files
that are mapped do not count), and computes, from the file to Zarr stores beside it, a Gaussian and
a bank of filters of 9 x 9 taps. A crop of each is compared, bit for bit, with the same filter of
that crop in memory. Beside it, with ``--peers``: the same filters in smaller size by dask_image and
by `dask.array.map_overlap` around SciPy, with the peak of the memory that each takes.

    python -P bench/larger_than_memory.py FOLDER --size 40000 --chunks 1000 --memory 1024
    python -P bench/larger_than_memory.py FOLDER --size 12000 --chunks 2000 --peers

Linux only, since it asks /proc for its memory. Needs ``fastconv[dask]`` and zarr; peers need
dask-image.
"""

import argparse
import math
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import dask.array as da
import numpy as np

import fastconv
from fastconv import dask as lazy

SIGMA = 2.0
CROP = 700         # elements along a side of what is compared
MEGABYTE = 1 << 20


def taps(filters, size=9):
    """Filters that add up to at most 1 in magnitude, so that results fit uint16."""
    bank = np.random.default_rng(1).random((filters, 1, size, size)).astype(np.float32)
    return bank / bank.sum((1, 2, 3), keepdims=True)


def make_scan(path, size, dtype):
    """A raw file of random whole numbers, written strip by strip."""
    scan = np.memmap(path, dtype, "w+", shape=(size, size))
    rng = np.random.default_rng(0)
    for start in range(0, size, 1000):
        strip = scan[start:start + 1000]
        strip[:] = rng.integers(0, 256 if dtype == np.uint8 else 1 << 16, strip.shape)
    scan.flush()


def own_memory():
    """Bytes of the process's own memory that are resident: files that are mapped do not count."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon in /proc/self/status")


class Watched:
    """Seconds, processor seconds, and the peak of the process's own memory while it is open.

    before: bytes that the process had before it computed anything.
    """

    def __init__(self, before):
        self.before = before

    def __enter__(self):
        self.peak = own_memory()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        self._clocks = time.perf_counter(), time.process_time()
        return self

    def _watch(self):
        while not self._ended.wait(0.002):
            self.peak = max(self.peak, own_memory())

    def __exit__(self, *exception):
        self.seconds = time.perf_counter() - self._clocks[0]
        self.processor_seconds = time.process_time() - self._clocks[1]
        self._ended.set()
        self._thread.join()

    @property
    def more(self):
        return (self.peak - self.before) / MEGABYTE


def at_scale(folder, size, chunks, filters):
    """The two filters of the whole scan, and their crops."""
    scan = np.memmap(folder / "scan.raw", np.uint16, "r", shape=(size, size))
    image = lazy.from_memmap(scan, chunks=(chunks, chunks))
    layer = np.memmap(folder / "scan.raw", np.uint16, "r", shape=(1, size, size))
    layer = lazy.from_memmap(layer, chunks=(1, chunks, chunks))
    bank, before = taps(filters), own_memory()
    jobs = {
        "gaussian_filter": (
            image, lambda x, package: package.ndimage.gaussian_filter(x, SIGMA),
            4 * math.ceil(SIGMA)),
        f"bank of {filters} 9x9": (
            layer, lambda x, package: package.conv2d(x, bank, padding=4, method="direct",
                                                     out_dtype=np.uint16, casting="round"), 4),
    }
    blocks = math.ceil(size / chunks) ** 2
    for number, (name, (source, job, halo)) in enumerate(jobs.items()):
        store = folder / f"result{number}.zarr"
        with Watched(before) as run:
            job(source, lazy).to_zarr(store, overwrite=True)
        result = da.from_zarr(store)
        y = x = size // 2 - chunks // 2 - CROP // 2     # across the borders of chunks
        crop = scan[y - halo:y + CROP + halo, x - halo:x + CROP + halo]
        inner = slice(halo, halo + CROP)
        crop = np.asarray(crop).reshape(source.shape[:-2] + crop.shape)
        expected = job(crop, fastconv)[..., inner, inner]
        same = np.array_equal(result[..., y:y + CROP, x:x + CROP].compute(), expected)
        print(f"{name}: {run.seconds:.0f} s, {run.processor_seconds / blocks * 1e3:.1f} ms of "
              f"processor time a chunk, {run.more:.0f} MB, crop "
              f"{'has the same bits' if same else 'DIFFERS'}", flush=True)


def filters_of_peers(image, which):
    """By name, the lazy result of one filter by one contender."""
    from dask_image import ndfilters
    from scipy import ndimage

    weights = taps(1)[0, 0].astype(np.float64)
    for name, arguments, halo in (("gaussian_filter", (SIGMA,), 4 * math.ceil(SIGMA)),
                                  ("uniform_filter", (9,), 4), ("maximum_filter", (9,), 4),
                                  ("laplace", (), 1), ("correlate", (weights,), 4)):
        if which == "overlap":
            function = getattr(ndimage, name)
            yield name, da.map_overlap(lambda block, f=function, a=arguments: f(block, *a), image,
                                       depth=halo, boundary="reflect", dtype=image.dtype)
        else:
            package = lazy.ndimage if which == "fastconv" else ndfilters
            yield name, getattr(package, name)(image, *arguments)


def one_contender(folder, size, chunks, which, dtype):
    """Seconds and memory of every filter by one contender, into a file."""
    scan = np.memmap(folder / "scan.raw", dtype, "r", shape=(size, size))
    out = np.memmap(folder / "result.raw", dtype, "w+", shape=(size, size))
    image = lazy.from_memmap(scan, chunks=(chunks, chunks))
    before = own_memory()
    for name, result in filters_of_peers(image, which):
        best = math.inf
        for _ in range(2):
            with Watched(before) as run:
                result.store(out, lock=False)
            best = min(best, run.seconds)
        print(name, best, run.more, int(np.asarray(out[::97, ::89]).astype(np.float64).sum()))


def against_peers(folder, size, chunks, dtype):
    """Each contender in processes of its own, in turns."""
    rows = {}
    for _ in range(2):
        for which in ("fastconv", "dask_image", "overlap"):
            lines = subprocess.run(
                [sys.executable, "-P", __file__, str(folder), "--size", str(size), "--chunks",
                 str(chunks), "--dtype", dtype, "--contender", which],
                check=True, capture_output=True, text=True).stdout.splitlines()
            for line in lines:
                name, seconds, memory, total = line.split()
                old = rows.setdefault(name, {}).get(which, (math.inf, 0, None))
                rows[name][which] = (min(old[0], float(seconds)), max(old[1], float(memory)), total)
    ratios = {"dask_image": [], "overlap": []}
    for name, row in rows.items():
        ours = row["fastconv"]
        text = f"{name:16} {dtype:8} {ours[0]:6.2f} s {ours[1]:4.0f} MB"
        for which, all_ratios in ratios.items():
            seconds, memory, total = row[which]
            all_ratios.append(seconds / ours[0])
            same = "" if total == ours[2] else ", other results"
            text += f" | {which} {seconds:6.2f} s {memory:4.0f} MB, {all_ratios[-1]:.1f}x{same}"
        print(text)
    for which, values in ratios.items():
        print(f"geometric mean against {which}: {math.exp(np.log(values).mean()):.2f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=40_000)
    parser.add_argument("--chunks", type=int, default=1000)
    parser.add_argument("--filters", type=int, default=4, help="of the bank")
    parser.add_argument("--memory", type=int, default=1024, help="MB that the process may have")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--dtype", default="uint16", help="of the comparison with peers")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    options = parser.parse_args()
    dask.config.set(scheduler="threads", num_workers=len(os.sched_getaffinity(0)))
    if options.contender:
        one_contender(options.folder, options.size, options.chunks, options.contender,
                      np.dtype(options.dtype))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.peers:
        make_scan(options.folder / "scan.raw", options.size, np.dtype(options.dtype))
        against_peers(options.folder, options.size, options.chunks, options.dtype)
        return
    make_scan(options.folder / "scan.raw", options.size, np.uint16)
    limit = options.memory * MEGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    at_scale(options.folder, options.size, options.chunks, options.filters)


if __name__ == "__main__":
    main()
