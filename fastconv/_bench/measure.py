"""The clock: every contender in turn, round after round, so that drift favours none."""

import itertools
import statistics
import time
from dataclasses import dataclass, field

import numpy as np

from fastconv._bench.peaks import Roof

# Who takes this many times as long as the fastest is out of the race after two calls.
_HOPELESS = 20


@dataclass
class Timing:
    """What one contender did on one case: the times of its samples, round by round."""

    error: float
    rounds: list[list[float]] = field(default_factory=list)

    @property
    def best(self):
        """Seconds of the fastest sample."""
        return min(map(min, self.rounds))

    @property
    def median(self):
        """Seconds of the median sample."""
        return statistics.median(itertools.chain.from_iterable(self.rounds))


@dataclass
class Measurement:
    """A case, the timings by contender, the reasons of those without one, and the roof."""

    case: object
    roof: Roof
    timings: dict[str, Timing] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)


def settle(limit=0.25):
    """Wait until this process is at rest.

    The worker threads of several runtimes spin for a while after a call, in wait for the next,
    and would take a core from the contender that follows.
    """
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        wall, cpu = time.perf_counter(), time.process_time()
        time.sleep(0.002)
        if time.process_time() - cpu < 0.2 * (time.perf_counter() - wall):
            return


def _sample(call, number):
    loop = itertools.repeat(None, number)
    start = time.perf_counter()
    for _ in loop:
        call()
    return (time.perf_counter() - start) / number


def _burst(call, seconds, number):
    """Sample `call` for `seconds`, at least once, after one call that warms the caches."""
    settle()
    if _sample(call, 1) >= seconds:
        return [_sample(call, 1)]
    samples, end = [], time.perf_counter() + seconds
    while not samples or time.perf_counter() < end:
        samples.append(_sample(call, number))
    return samples


def _reason(error):
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:100]}" if text else type(error).__name__


def measure(case, contenders, seconds=0.4, rounds=5, progress=lambda name: None):
    """Time every contender on `case`.

    Parameters
    ----------
    case : Case
        What to compute.
    contenders : sequence of Contender
        Who takes part. The first that can gives the result that the others are
        compared with.
    seconds : float
        Time for each contender, over all rounds; a contender whose single call takes longer is
        still called twice a round, in at most two rounds. Who is hopelessly slow is called twice
        in all.
    rounds : int
        How often everyone's turn comes.
    progress : callable
        Called with a contender's name before it is prepared and at each of its turns.

    Returns
    -------
    Measurement
        The samples, with the machine's limits measured in between.
    """
    kind = np.result_type(case.dtype, np.float32).name  # bytes are compared with the peak of that
    result = Measurement(case, Roof(kind, case.threads))
    calls, singles, expected = {}, {}, None
    for contender in contenders:
        if reason := contender.refuses(case):
            result.refusals[contender.name] = reason
            continue
        progress(contender.name)
        try:
            call, fetch = contender.prepare(case)
            actual = fetch(call())
        except Exception as error:
            # A peer may fail in any way it likes; that is its result. Ours may only refuse.
            if contender.ours and not isinstance(error, ValueError):
                raise
            result.refusals[contender.name] = _reason(error)
            continue
        if expected is None:
            expected = actual
        if actual.shape != expected.shape:
            result.refusals[contender.name] = f"WRONG: shape {actual.shape}"
            continue
        # no window may reach an element
        largest = case.largest or np.max(np.abs(expected)) or 1.0
        apart = float(np.max(np.abs(actual - expected)) / largest)
        if not apart <= case.tolerance:
            result.refusals[contender.name] = f"WRONG: error {apart:.1e} of the largest value"
            continue
        # Samples of at least 0.1 ms, so that the clock itself does not count.
        single = min(_sample(call, 1) for _ in range(2))
        singles[contender.name] = single
        calls[contender.name] = call, min(1000, max(1, int(1e-4 / max(single, 1e-7))))
        result.timings[contender.name] = Timing(apart)

    for name, single in singles.items():
        if single > _HOPELESS * min(singles.values()):
            result.timings[name].rounds.append([single])
            del calls[name]
    for turn in range(rounds):
        for name, (call, number) in calls.items():
            timing = result.timings[name]
            if turn >= 2 and sum(map(sum, timing.rounds)) * number > seconds:
                continue
            progress(name)
            timing.rounds.append(_burst(call, seconds / rounds, number))
        settle()
        result.roof.sample(case)
    return result
