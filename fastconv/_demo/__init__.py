"""The demonstration: real pictures through fastconv, from data inside scikit-learn's wheel.

`photo` filters a photograph and compares with SciPy, `lenet` trains LeNet-5 on handwritten digits,
`figure` draws what they did.
"""

import contextlib
import functools
import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np

import fastconv

_NEEDS = {"sklearn": "scikit-learn", "PIL": "pillow", "matplotlib": "matplotlib", "tqdm": "tqdm"}
_GOAL = 0.98


def run(output=".", seed=0, as_json=False):
    """Run the demonstration; return 0, or 1 where the network misses its accuracy.

    Parameters
    ----------
    output : path-like
        Directory for the figure, made where it is missing.
    seed : int
        Seed of the split, of the initial weights and of the augmentation.
    as_json : bool, default False
        Print the figures as JSON; the words go to the error stream.
    """
    missing = [name for module, name in _NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        print(
            f'fastconv demo needs {", ".join(missing)}: pip install "fastconv[demo]"',
            file=sys.stderr,
        )
        return 2
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        figures = _perform(Path(output), seed)
    if as_json:
        print(json.dumps(figures, indent=2))
    if figures["accuracy"] < _GOAL:
        print(f"fastconv demo: the accuracy is below {_GOAL:.0%} (seed {seed})", file=sys.stderr)
        return 1
    return 0


def _perform(output, seed):
    """Filter, train and draw, and tell of it; return the figures."""
    from tqdm import tqdm

    from fastconv._demo import figure, lenet, photo

    output.mkdir(parents=True, exist_ok=True)
    path = output / "fastconv-demo.png"
    progress = functools.partial(tqdm, disable=None, dynamic_ncols=True, leave=False)
    start = time.perf_counter()

    picture = photo.photograph()
    print(
        f"fastconv {fastconv.__version__}, {fastconv.get_num_threads()} threads\n\n"
        f"Filtering a photograph of {picture.shape[2]} x {picture.shape[1]} pixels; "
        "the same 2-D kernels in SciPy"
    )
    results = photo.filters(picture)
    for result in progress(results, desc="filters"):
        photo.run(result)
    print("\n".join(photo.table(results)))
    print(
        "faster: than the faster of the two, which have one thread; "
        "error: of the largest value, against float64\n"
    )

    rng = np.random.default_rng(seed)
    data = lenet.digits(rng)
    print(
        f"Training LeNet-5 on {len(data.train)} digits, {len(data.test)} held out: "
        "every convolution and pooling, forward and backward, by fastconv"
    )
    net, history = lenet.train(data, rng, progress)
    accuracy = history.test_accuracy[-1]
    wrong = round((1 - accuracy) * len(data.test))
    print(
        f"accuracy {accuracy:.2%} on the held-out fifth ({wrong} wrong of {len(data.test)}), "
        f"{len(history.test_accuracy)} epochs in {history.seconds:.1f} s\n"
    )

    figure.draw(path, picture, results, net, history, data.test[0])
    print(f"Figure: {path.resolve()} (all in {time.perf_counter() - start:.0f} s)")
    return {
        "fastconv": fastconv.__version__,
        "filters": [{"filter": r.label, "seconds": r.seconds, "error": r.error} for r in results],
        "accuracy": accuracy,
        "training_seconds": history.seconds,
        "figure": str(path.resolve()),
    }
