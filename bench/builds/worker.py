"""The process of one build: it makes the arrays, calls fastconv, and answers with digests."""

import contextlib
import copy
import hashlib
import math
import os
import pickle
import re
import signal
import sys
import warnings
from dataclasses import dataclass

import numpy as np

from builds import times
from builds.arrays import Array
from builds.cases import draw_case, names
from builds.draw import Alias

PASSES = {"conv_transpose": "backward_data", "conv_backward_data": "backward_data",
          "conv_backward_weight": "backward_weight"}  # fmt: skip


# What may differ after all, where the parent says so.
ANY_SCRATCH = "AB_ANY_SCRATCH" in os.environ
ANY_NAN = "AB_ANY_NAN" in os.environ


@dataclass(frozen=True)
class Answer:
    """What a build did with a case: nothing in it may differ between two builds.

    Attributes
    ----------
    arguments, results : bytes
        Digests of the arguments after the call, and of all that it returned or raised.
    error : str
        Type and text of what the call raised; empty without an error.
    method : str
        The algorithm that computed it, where the function has a choice.
    """

    arguments: bytes
    results: bytes
    error: str = ""
    method: str = ""


def serve():
    """Answer requests from the standard input until it ends, which Ctrl-C leaves to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed must not come between the answers
    sys.set_int_max_str_digits(0)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            name, *arguments = pickle.load(sys.stdin.buffer)
            for answer in REQUESTS[name](*arguments):
                pickle.dump(answer, answers)
                answers.flush()


def _identify():
    """Where this build is, what it runs on, and the public functions that no case calls."""
    import fastconv

    runtime = fastconv.show_runtime(mode="dicts")
    yield {
        "path": os.path.dirname(fastconv.__file__),
        "about": f"fastconv {fastconv.__version__}, {runtime['isa']}, {runtime['num_threads']} "
                 f"threads, Python {sys.version.split()[0]}, NumPy {np.__version__}",
        "not called": sorted(set(fastconv.__all__) - names()),
    }  # fmt: skip


def _digests(seed, indices):
    for index in indices:
        case = draw_case(seed, index)
        arguments, results, error, method = compute(case, _digest)
        yield Answer(_digest(arguments), _digest(results), error, method)


def _values(seed, index):
    """The results of one case themselves."""
    arguments, results, _, method = compute(draw_case(seed, index), _keep)
    yield {"method": method, "results": results, "arguments": _keep(arguments)}


REQUESTS = {
    "identify": _identify,
    "digests": _digests,
    "values": _values,
    "layers": times.layers,
    "prepare": times.prepare,
    "time": times.sample,
}


# ------------------------------------------------------------------------------ one case


def compute(case, keep):
    """Make the call of a case.

    Parameters
    ----------
    case : Case
        What to call.
    keep : callable
        Applied to each result at once, before a further call can overwrite it.

    Returns
    -------
    tuple
        The arguments, as the call left them; the results, warnings among them; the error's text;
        the algorithm's name.
    """
    import fastconv

    arguments = _make(case.arguments)
    results, error, method = [], "", case.method
    with warnings.catch_warnings(record=True) as caught, contextlib.ExitStack() as stack:
        warnings.simplefilter("always")
        for name, value in case.around.items():
            stack.enter_context(getattr(fastconv, name)(value))
        if case.function == "settings":
            return arguments, _change_settings(fastconv, case.then, keep), "", ""
        for _ in range(case.repeat):
            value, error = _attempt(case, arguments)
            if case.function == "plan_conv" and not error:
                method = value.method
                results.append(_run_plan(value, case.then, keep))
            elif case.then and not error:
                results.append(_run_calls(value, case.then, keep))
            else:
                results.append(keep(value))
        if method == "auto" and not error:
            method = _chosen(fastconv, case, arguments, value)
    results.append([f"{w.category.__name__}: {w.message}" for w in caught])
    return arguments, results, error, method


def _make(described):
    """Arguments with the arrays that are described."""
    made = {name: value.make() if isinstance(value, Array) else value
            for name, value in described.items()}  # fmt: skip
    return {name: made[value.name] if isinstance(value, Alias) else value
            for name, value in made.items()}  # fmt: skip


def _attempt(case, arguments):
    import fastconv

    values = list(arguments.values())[: case.positional]
    named = {name: value for place, (name, value) in enumerate(arguments.items())
             if place >= case.positional}  # fmt: skip
    if not hasattr(fastconv, case.function):
        return "absent", "absent"  # a build from before it
    return _call(getattr(fastconv, case.function), *values, **named)


def _call(function, *arguments, **named):
    """The result and an empty text, or the error's text twice."""
    try:
        return function(*arguments, **named), ""
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        text = re.sub(r"0x[0-9a-f]{6,}", "0x...", text)  # an address
        if ANY_SCRATCH:
            text = re.sub(r"needs \d+ bytes of workspace", "needs ... bytes of workspace", text)
        return text, text


def _run_calls(made, calls, keep):
    """The results of a plan for a quantised layer, or of chunks that a stream takes."""
    results = [keep(repr(made))]
    for described in calls:
        arguments = _make(dict(enumerate(described)))
        results.append(keep(_call(getattr(made, "push", made), *arguments.values())[0]))
    if hasattr(made, "finish"):
        results.append(keep(_call(made.finish)[0]))
    return results


def _run_plan(plan, calls, keep):
    """What a plan says of itself, and the results of its calls and of one of its copy."""
    about = [plan.method, plan.output_shape, plan.flops, repr(plan)]
    if not ANY_SCRATCH:
        about.append(plan.workspace_bytes)
    results = [keep(value) for value in about]
    for described in calls:
        arguments = _make(dict(enumerate(described)))
        results.append(keep(_call(plan, *arguments.values())[0]))
    again = pickle.loads(pickle.dumps(plan))
    results.append(keep(_call(again, arguments[0])[0]))
    return results


def _change_settings(fastconv, calls, keep):
    """The results of setting functions, one after the other; everything is restored."""
    threads, results = fastconv.get_num_threads(), []
    for name, arguments in calls:
        value, error = _call(getattr(fastconv, name), *arguments)
        if not error and hasattr(value, "__enter__"):
            value = _call(value.__enter__)[0]
        results.append(keep(value))
        results.append((fastconv.get_num_threads(), fastconv.get_precision()))
    fastconv.set_num_threads(threads)
    fastconv.set_precision(None)
    return results


def _chosen(fastconv, case, arguments, result):
    """The algorithm that the automatic choice took for a convolution, if `explain` knows."""
    base = re.sub(r"\dd", "", case.function)
    shape = {
        "conv": lambda a: (np.shape(a["x"]), np.shape(a["weight"])),
        "conv_backward_data": lambda a: (a["input_shape"], np.shape(a["weight"])),
        "conv_backward_weight": lambda a: (np.shape(a["x"]), a["weight_shape"]),
        "conv_transpose": lambda a: (result.shape, np.shape(a["weight"])),
    }.get(base)
    if shape is None:
        return "auto"
    taken = ("stride", "padding", "dilation", "groups", "padding_mode", "data_format", "flip",
             "precision", "max_workspace")  # fmt: skip
    named = {name: arguments[name] for name in taken if name in arguments}
    named |= {"which": PASSES.get(base, "forward"), "dtype": result.dtype}
    rows, error = _call(lambda: fastconv.explain(*shape(arguments), **named))
    return "auto" if error else next(r["method"] for r in rows if r["verdict"] == "chosen")


# ------------------------------------------------------------------------------ digests


def _keep(value):
    """A copy that can be sent: arrays stay arrays, whatever is unknown becomes text."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(map(_keep, value))
    if type(value) is dict:
        return {name: _keep(item) for name, item in value.items()}
    known = isinstance(value, (str, bytes, int, float, complex, np.generic, type(None)))
    return copy.copy(value) if known else str(value)


def _digest(value):
    """A digest of everything that can be seen of a result."""
    hashed = hashlib.blake2b(digest_size=16)
    _feed(hashed, value)
    return hashed.digest()


def _plain_nans(value):
    """A copy in which all NaNs are the same one, without a sign."""
    value = value.copy()
    parts = (value.real, value.imag) if value.dtype.kind == "c" else (value,)
    for part in parts:
        part[np.isnan(part)] = np.nan
    return value


def _feed(hashed, value):
    if isinstance(value, np.ndarray):
        flags = value.flags
        about = value.dtype.str, value.shape, flags.c_contiguous, flags.f_contiguous
        hashed.update(repr(about).encode())
        if value.dtype.kind in "OUSM" or value.dtype.char in "gG":  # long doubles have padding
            hashed.update(repr(value.tolist()).encode())
        else:
            if ANY_NAN and value.dtype.kind in "fc":
                value = _plain_nans(value)
            hashed.update(value.tobytes())
        return
    if isinstance(value, (list, tuple)):
        if type(value) not in (list, tuple):  # what `explain` returns prints as a table
            hashed.update(str(value).encode())
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for name, item in value.items():
            hashed.update(f"{name!r}:".encode())
            _feed(hashed, item)
    else:
        text = value.hex() if type(value) is float and math.isfinite(value) else repr(value)
        hashed.update(f"{type(value).__name__} {text};".encode())
