"""SciPy's transforms, never in the middle of a fork.

pocketfft keeps its plans behind a mutex. If a process forks while one of its threads holds that,
nobody ever releases it in the child, whose first transform would wait for ever. So a fork waits for
the transforms under way, which take milliseconds, and those to come wait for the fork.
"""
import os
import threading
import time

from fastconv._core.room import need_scipy

need_scipy()  # which the transforms load

from scipy import fft  # noqa: E402

PATIENCE = 5.0  # seconds that a fork waits, at most

_changed = threading.Condition()
_under_way = 0
_forking = 0


def rfftn(x, **options):
    """`scipy.fft.rfftn`."""
    return _apart(fft.rfftn, x, options)


def irfftn(x, **options):
    """`scipy.fft.irfftn`."""
    return _apart(fft.irfftn, x, options)


def along(name, x, **options):
    """A transform along one axis: `scipy.fft.fft`, `ifft`, `rfft` or `irfft`."""
    return _apart(getattr(fft, name), x, options)


def _apart(transform, x, options):
    global _under_way
    changed = _changed
    with changed:
        while _forking:
            changed.wait()
        _under_way += 1
    try:
        return transform(x, **options)
    finally:
        with changed:
            _under_way -= 1
            changed.notify_all()


def _before_fork():
    global _forking
    end = time.monotonic() + PATIENCE
    with _changed:
        _forking += 1
        while _under_way and time.monotonic() < end:
            _changed.wait(PATIENCE)


def _after_fork_in_parent():
    global _forking
    with _changed:
        _forking -= 1
        _changed.notify_all()


def _after_fork_in_child():
    global _changed, _under_way, _forking
    _changed, _under_way, _forking = threading.Condition(), 0, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent,
                        after_in_child=_after_fork_in_child)
