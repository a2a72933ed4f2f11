"""The same loop for work that gives the interpreter up by itself: on threads of Python's."""
from _thread import allocate_lock, start_new_thread

from fastconv._core.room cimport can_have
from fastconv._core.threads cimport has_forked

cdef size_t THREAD_BYTES = 64 << 20  # of a thread of Python: its stack and first allocations


cdef int python_parallel_for(object function, Py_ssize_t tasks, int threads) except -1:
    """Call function(task) for every task in range(tasks), on threads of Python's.

    That is for work which gives the interpreter up by itself, but is not ours: the transforms of
    SciPy. Such tasks take milliseconds, so Ctrl-C is heard between them.
    """
    threads = <int>min(<Py_ssize_t>threads, tasks)
    # the C library ends the process where a new thread finds no memory for its own variables
    if threads <= 1 or has_forked() or not can_have(threads * THREAD_BYTES):
        for task in range(tasks):
            function(task)
        return 0
    todo = iter(range(tasks))
    lock, idle = allocate_lock(), allocate_lock()
    errors = []
    running, waiting = 0, False

    def work():
        nonlocal running
        while True:
            with lock:
                task = None if errors else next(todo, None)
                if task is None:
                    return
                running += 1
            try:
                function(task)
            except BaseException as error:
                errors.append(error)
            finally:
                with lock:
                    running -= 1
                    if running == 0 and waiting:
                        idle.release()

    # Not `threading.Thread`, whose start waits for ever for a thread that memory does not suffice
    # for. Here tasks are waited for, and a thread that never came to be has taken none.
    for _ in range(threads - 1):
        try:
            start_new_thread(work, ())
        except (RuntimeError, MemoryError):  # go on with those there are
            break
    work()
    idle.acquire()
    with lock:
        waiting = running > 0
    while waiting:
        try:
            idle.acquire()
            waiting = False
        except BaseException as error:  # Ctrl-C: the others end their tasks first
            errors.append(error)
    if errors:
        raise errors[0]
    return 0


def call_in_parallel(function, Py_ssize_t tasks, int threads):
    """`python_parallel_for` for modules that are not compiled."""
    python_parallel_for(function, tasks, threads)
