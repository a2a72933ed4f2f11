"""Select: the ordered registry of algorithms, the automatic choice, and `explain`.

Automatic choice looks at one image's geometry, the pass, the precision and the workspace
allowed; never at the batch size or the number of threads, so that a result never depends on
them.
"""

from fastconv._algorithms import (
    cropped,
    depthwise,
    direct,
    fft,
    im2col,
    inner_product,
    matrix_unit,
    sliding,
    swapped,
    winograd,
)
from fastconv._algorithms.record import PASSES, Algorithm
from fastconv._call.calibration import calibrated
from fastconv._call.explanation import Explanation, heading
from fastconv._call.squeezed import squeezed
from fastconv._core.machine import peak_flops
from fastconv._core.messages import shown
from fastconv._core.precision import TIERS, precision_in_force
from fastconv._desc.arguments import as_workspace
from fastconv._fallback import guarded
from fastconv.runtime import precision_for


def with_sums(algorithm):
    """The algorithm, with direct sums for the values that it refuses."""
    return guarded(algorithm, direct.ALGORITHM, sliding.ALGORITHM)


def priced(algorithm):
    """The algorithm at measured prices, with rows that are as long as can be."""
    return squeezed(calibrated(algorithm))


UNCALIBRATED: tuple[Algorithm, ...] = (
    depthwise.ALGORITHM, direct.ALGORITHM, with_sums(winograd.ALGORITHM),
    with_sums(matrix_unit.BF16X3), with_sums(matrix_unit.BF16), im2col.ALGORITHM,
    with_sums(fft.ALGORITHM), with_sums(inner_product.ALGORITHM),
    with_sums(swapped.swapped((depthwise.ALGORITHM, direct.ALGORITHM))),
    with_sums(cropped.cropped(tuple(map(priced, (
        depthwise.ALGORITHM, direct.ALGORITHM, im2col.ALGORITHM,
        inner_product.ALGORITHM))))),  # which refuses nothing if all taps are met
    sliding.ALGORITHM,
)
ALGORITHMS = tuple(map(priced, UNCALIBRATED))

# A default must not cost factors: where direct sums would take more than so many times as long as
# the fastest of the next tier, a tier that nobody has asked for gives way to that.
PATIENCE = 8.0

MOST_CHOICES = 64  # that a description keeps of each pass

_BY_NAME = {algorithm.name: algorithm for algorithm in ALGORITHMS}


def verdict(algorithm, desc, which, precision, max_workspace, rounds=False):
    """Why `algorithm` cannot serve, or None; workspace is that of one thread.

    rounds: whether integers may be rounded, because what comes out is checked and rounded back.
    """
    if which not in algorithm.passes:
        return f"has no {which} pass"
    if desc.exact and not rounds and algorithm.tier != "highest":
        return f"keeps the {algorithm.tier!r} promise only, but integers must not be rounded"
    if TIERS.index(algorithm.tier) > TIERS.index(precision):
        return f"keeps the {algorithm.tier!r} promise only, but precision={precision!r} is asked"
    reason = algorithm.supports(desc, which)
    if reason is None and max_workspace is not None:
        needed = algorithm.workspace(desc, which, 1)
        if needed > max_workspace:
            reason = f"needs {needed} bytes of workspace, more than max_workspace={max_workspace}"
    return reason


def efficiency(desc, cost):
    """The estimated fraction of the multiply-add peak."""
    return desc.flops() / (cost.seconds * peak_flops(desc.itemsize))


def choose(desc, which, method, precision, max_workspace):
    """The algorithm for one pass of one description; the description keeps it."""
    tier = precision_for(desc.function, precision, desc.itemsize)
    default = precision is None and precision_in_force() is None
    max_workspace = as_workspace(desc.function, max_workspace)
    if not isinstance(method, str):
        raise TypeError(f"{desc.function}: method must be a name, not {shown(method)}")
    key = (method, None if default else tier, max_workspace)
    # Looked up by brackets, which take no lock in a build without the interpreter lock: a process
    # that is forked while a thread holds one would wait for it for ever.
    try:
        return desc.kept["choices", which][key]
    except KeyError:
        choices = desc.kept.setdefault(("choices", which), {})
    if method == "auto":
        chosen = _fastest(desc, which, tier, max_workspace)
        if default and tier == "highest":
            chosen = _impatient(desc, which, max_workspace, chosen)
    else:
        if method not in _BY_NAME:
            names = ", ".join(map(repr, ("auto", *_BY_NAME)))
            raise ValueError(f"{desc.function}: method={shown(method)} is not one of {names}")
        chosen = _BY_NAME[method]
        reason = verdict(chosen, desc, which, tier, max_workspace)
        if reason is not None:
            raise ValueError(f"{desc.function}: method={shown(method)} {reason}")
    if len(choices) >= MOST_CHOICES:  # each call may name another limit
        choices.clear()
    choices[key] = chosen
    return chosen


def _fastest(desc, which, tier, max_workspace, rounds=False):
    """The algorithm with the shortest estimate; there is always one that serves."""
    fit = [a for a in ALGORITHMS if verdict(a, desc, which, tier, max_workspace, rounds) is None]
    return min(fit, key=lambda algorithm: algorithm.cost(desc, which).seconds)


def of_any_cut(desc, which, chosen, max_workspace):
    """The name of the algorithm, or of the fastest whose results do not depend on the cut.

    Those of integers do not depend on anything, as long as none is rounded.
    """
    def fits(algorithm):
        return algorithm.any_cut or (desc.exact and algorithm.tier == "highest")

    if fits(chosen):
        return chosen.name
    fit = [a for a in ALGORITHMS
           if fits(a) and verdict(a, desc, which, "highest", max_workspace) is None]
    return min(fit, key=lambda algorithm: algorithm.cost(desc, which).seconds).name


def _impatient(desc, which, max_workspace, strict):
    """The fastest of the next tier where `strict` would take more than `PATIENCE` times as long."""
    # other padding repeats elements, which the bound of `_parts.rounds_back` does not count
    rounds = desc.geometry["padding_mode"] == 0
    fast = _fastest(desc, which, "high", max_workspace, rounds)
    return fast if _times(desc, which, strict, fast) > PATIENCE else strict


def _times(desc, which, slow, fast):
    """How many times as long as one algorithm another is estimated to take."""
    return slow.cost(desc, which).seconds / max(fast.cost(desc, which).seconds, 1e-12)


def explanation(asked, desc, which, precision, max_workspace, method, threads, seconds):
    """The rows of `explain`: of the description that was asked for, and the one that is computed.

    `seconds` maps an algorithm to its measured time, or is None.
    """
    max_workspace = as_workspace(desc.function, max_workspace)
    chosen = choose(desc, which, method, precision, max_workspace)
    tier = precision_for(desc.function, precision, desc.itemsize)
    gave_way = method == "auto" and TIERS.index(chosen.tier) > TIERS.index(tier)
    rows = []
    for algorithm in ALGORITHMS:
        reason = verdict(algorithm, desc, which, tier, max_workspace)
        if algorithm is chosen:
            reason = None
        # an algorithm may have nothing to say of what it does not support
        fits = which in algorithm.passes and algorithm.supports(desc, which) is None
        cost = algorithm.cost(desc, which) if fits else None
        rows.append({
            "method": algorithm.name,
            "verdict": "chosen" if algorithm is chosen else
                       "can serve" if reason is None else "refused",
            "reason": reason,
            "flops": desc.flops(desc.batch),
            "workspace_bytes": algorithm.workspace(desc, which, threads) if fits else 0,
            "tier": algorithm.tier,
            "estimated_efficiency": efficiency(desc, cost) if fits else 0.0,
            "estimated_seconds": cost.seconds * desc.batch if fits and desc.flops() else None,
            "cost": cost,
            "seconds": seconds(method if algorithm is chosen else algorithm.name)
                       if seconds and reason is None else None,
        })
    given_up = None
    if gave_way:
        strict = _fastest(desc, which, tier, max_workspace)
        given_up = strict, _times(desc, which, strict, chosen)
    permitted = None
    if tier == "highest" and not (gave_way or desc.exact) and method == "auto":
        fast = _fastest(desc, which, "high", max_workspace).name
        permitted = next(row for row in rows if row["method"] == fast)
    return Explanation(heading(asked, which, desc.dtype, tier, rows, given_up, permitted), rows)


__all__ = ["ALGORITHMS", "PASSES", "Explanation", "choose", "explanation", "verdict"]
