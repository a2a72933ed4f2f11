"""Threads: how many, and the one parallel loop. The only user of OpenMP.

`work` is what a call costs in floating-point operations, or in elements touched times eight
where memory rules. It decides two things: small work stays on the calling thread, and long
work returns to Python between pieces, so that Ctrl-C is heard.
"""
import contextlib
import contextvars
import operator
import os

from libc.stdlib cimport free

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.long cimport PyLong_AsLongAndOverflow
from cython.parallel cimport prange

from fastconv._core.messages import shown
from fastconv._core.scratch import keep_for

cdef extern from *:
    """
    #ifdef _OPENMP
    #define FC_OPENMP 1
    #else
    #define FC_OPENMP 0
    #endif
    """
    const bint FC_OPENMP

cdef enum:
    MOST_THREADS = 1024  # that a call may ask for

HAS_OPENMP = bool(FC_OPENMP)

# a team that never spins
cdef bint PASSIVE = os.environ.get("OMP_WAIT_POLICY", "").strip().lower() == "passive"

# A team of threads that waits for work by spinning, which GCC's runtime lets it do for some
# milliseconds, takes up work in a microsecond; one that has gone to sleep, in thirty.
cdef double SMALL = 2.0e6     # not worth a team that spins
cdef double ASLEEP = 6.0e6    # nor, below this, one that sleeps
cdef double SPINS = 3e-3      # seconds that a team spins, at least
cdef double QUICK_WORK = 2.0e4   # operations that take no longer than giving the interpreter up
cdef double SIGNAL_WORK = 4.0e9  # between two looks for Ctrl-C: at 8 GFLOP/s, a slow case, 0.5 s
cdef double LATE = 2e-4       # seconds that a team may take longer than one thread would
cdef double SHORTEST_PAUSE = 1e-2, LONGEST_PAUSE = 1.0  # seconds without a team after that
cdef double crowded_until = 0.0, pause = 0.0  # on the clock of `seconds`; the last such pause
cdef int default_threads = 0  # 0: not asked for yet
cdef bint forked = False
cdef list rehearsed = None    # loops of a rehearsal, or None

override = contextvars.ContextVar("fastconv.num_threads", default=0)


def _after_fork_in_child():
    # libgomp's threads do not survive a fork, and a parallel region in the child would wait
    # for them for ever: the child computes on its one thread and never enters the runtime.
    global forked
    forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


cdef bint has_forked() noexcept:
    """Whether this process is a child of one that used this package."""
    return forked


def as_thread_count(name, value):
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a positive integer, not {shown(value)}")
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a positive integer, not {shown(value)}") from None
    if not 1 <= count <= MOST_THREADS:
        raise ValueError(f"{name} must be from 1 to {MOST_THREADS}, not {shown(value)}")
    return count


def _initial_threads():
    from fastconv._core.cores import granted_cores

    text = os.environ.get("FASTCONV_NUM_THREADS", "").strip()
    if text:
        try:
            return as_thread_count("FASTCONV_NUM_THREADS", int(text))
        except ValueError:
            raise ValueError(
                f"FASTCONV_NUM_THREADS must be an integer from 1 to {MOST_THREADS}, not "
                f"{shown(text)}"
            ) from None
    # OpenMP's own variable may be a list, one entry a nesting level; what OpenMP would not
    # understand it ignores, and so does this.
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if text.isdecimal() and 1 <= int(text) <= MOST_THREADS:
        return int(text)
    return granted_cores()


@cython.binding(True)  # it is public: its signature can be read
def set_num_threads(num_threads):
    """Set how many threads a call may use from now on.

    Parameters
    ----------
    num_threads : int
        From 1 to 1024.

    Raises
    ------
    TypeError
        If `num_threads` is not an integer.
    ValueError
        If it is out of range.

    See Also
    --------
    num_threads : The same within a ``with`` block.

    Examples
    --------
    >>> import fastconv
    >>> before = fastconv.get_num_threads()
    >>> fastconv.set_num_threads(1)
    >>> fastconv.get_num_threads()
    1
    >>> fastconv.set_num_threads(before)
    """
    global default_threads
    default_threads = as_thread_count("set_num_threads: num_threads", num_threads)


@cython.binding(True)
def get_num_threads():
    """Return how many threads a call may use.

    The first of: the enclosing ``with num_threads(n)``, `set_num_threads`, the environment
    variables ``FASTCONV_NUM_THREADS`` and ``OMP_NUM_THREADS``, the physical cores granted to the
    process. Small calls use one thread whatever this says, and so does a forked child.

    Returns
    -------
    int
        The number of threads.

    See Also
    --------
    set_num_threads, num_threads

    Examples
    --------
    >>> import fastconv
    >>> fastconv.get_num_threads() >= 1
    True
    """
    global default_threads
    cdef int n = override.get()
    if n:
        return n
    if default_threads == 0:
        default_threads = _initial_threads()
    return default_threads


@contextlib.contextmanager
@cython.binding(True)
def num_threads(n):
    """Set the number of threads within a ``with`` block.

    Parameters
    ----------
    n : int
        From 1 to 1024. It holds for this thread (or task) of the program only.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If it is out of range.

    See Also
    --------
    set_num_threads : The same for the whole program.

    Examples
    --------
    >>> import fastconv
    >>> with fastconv.num_threads(1):
    ...     fastconv.get_num_threads()
    1
    """
    token = override.set(as_thread_count("num_threads: n", n))
    try:
        yield
    finally:
        override.reset(token)


cdef object plain_threads(str function, num_threads):
    """num_threads as a plain integer, or None. Its own code runs before arrays are looked at."""
    if num_threads is None or type(num_threads) is int:
        return num_threads
    return as_thread_count(f"{function}: num_threads", num_threads)


cdef int thread_count(str function, num_threads) except -1:
    """num_threads as `as_thread_count` has it, at once where it is a plain integer in range."""
    cdef int overflow = 0
    cdef long n
    if type(num_threads) is int:
        n = PyLong_AsLongAndOverflow(num_threads, &overflow)
        if 1 <= n <= MOST_THREADS:
            return <int>n
    return as_thread_count(f"{function}: num_threads", num_threads)


cdef int threads_for(str function, object num_threads, double work) except -1:
    """Threads for one call: its own argument or the default, one where the work is small."""
    cdef int n
    if num_threads is not None:
        n = thread_count(function, num_threads)
    elif default_threads == 0 or work >= SMALL:
        n = get_num_threads()
    if forked or not FC_OPENMP or work < SMALL or n == 1:
        return 1
    return n if is_awake() or work >= ASLEEP else 1


cdef int team_of(int n) noexcept:
    """n, or 1 where no such team can be had: libgomp, unasked, would end the process."""
    if n <= 1 or forked or rehearsed is not None:
        return 1
    if seconds() < crowded_until or (n > last_team() and not can_start(n - 1)):
        return 1
    set_last_team(n)
    return n


cdef void note_call(double taken, double worked, int threads) noexcept:
    """Learn whether a team pays: `worked` is processor time of the caller's share.

    All threads take tasks until there are none, so on its own the caller would have taken no more
    than `threads` times that. A call that takes longer waited for processors: others are busy. Then
    one thread is faster, for a while that doubles each time.
    """
    global crowded_until, pause
    if taken > threads * worked + LATE:
        pause = min(max(2 * pause, SHORTEST_PAUSE), LONGEST_PAUSE)
        crowded_until = seconds() + pause
    else:
        pause /= 2


cdef bint is_awake() noexcept:
    """Whether this thread called shortly before, so that its team spins, or is worth waking."""
    cdef double now = seconds()
    cdef bint found = now - last_call < SPINS and not PASSIVE
    set_last_call(now)
    return found


cdef bint is_long(double work) noexcept:
    """Whether a call may be interrupted before its end."""
    return work > SIGNAL_WORK


cdef int parallel_for(task_function run, void *context, Py_ssize_t tasks, int threads,
                      double work) except -1:
    """Call run(context, task, thread) for every task in range(tasks), without the GIL where that
    takes some time.

    Each thread has a range of its own, from call to call the same, so that it finds in its
    caches what it left there; one that has finished helps the others.
    """
    cdef Py_ssize_t piece = tasks, start = 0, stop, task
    cdef Py_ssize_t *next = NULL
    cdef double began, worked
    cdef int part, finished
    if rehearsed is not None:
        rehearse(run, context, tasks, threads)
        return 0
    if is_long(work):
        piece = max(threads, <Py_ssize_t>(tasks * (SIGNAL_WORK * threads / work)))
    threads = team_of(<int>min(<Py_ssize_t>threads, tasks))
    if threads <= 1 and work < QUICK_WORK:
        for task in range(tasks):
            run(context, task, 0)
        return 0
    while start < tasks:
        stop = min(tasks, start + piece)
        if threads <= 1:
            with nogil:
                for task in range(start, stop):
                    run(context, task, 0)
        else:
            next = make_ranges(start, stop, threads)
            if next == NULL:
                raise MemoryError("cannot allocate the counters of a team of threads")
            finished = 0
            began, worked = seconds(), thread_seconds()
            with nogil:
                for part in prange(threads, schedule="static", chunksize=1, num_threads=threads):
                    run_and_steal(run, context, next, part, threads, thread_number())
                    if part == 0:
                        since_then(&worked)
                    check_in(&finished, threads)
            note_call(seconds() - began, worked, threads)
            free(next)
        start = stop
        if start < tasks:
            PyErr_CheckSignals()
    return 0


@contextlib.contextmanager
def rehearsal(processors):
    """Loops cut as for the threads that calls ask for, but run by the caller alone, task by task.

    Yields a list to which every `parallel_for` of this process adds (threads, seconds of each
    task): what a machine of so many processors would have to share out. Results are the usual ones.
    """
    global rehearsed
    if rehearsed is not None:
        raise RuntimeError("a rehearsal is going on")
    rehearsed = []
    keep_for(processors)
    try:
        yield rehearsed
    finally:
        rehearsed = None
        keep_for(os.cpu_count() or 1)


cdef int rehearse(task_function run, void *context, Py_ssize_t tasks, int threads) except -1:
    cdef list taken = []
    cdef double began
    cdef Py_ssize_t task
    for task in range(tasks):
        began = seconds()
        with nogil:
            run(context, task, 0)
        taken.append(seconds() - began)
    rehearsed.append((threads, taken))
    return 0


cdef Slices slices(Py_ssize_t tasks, double work, int threads) noexcept:
    """All tasks, in slices between which Ctrl-C is heard: for loops that are a `prange`.

    ``s = slices(tasks, work, threads)`` and ``while next_slice(&s):`` around a ``prange(s.start,
    s.stop, num_threads=s.threads)``, with a number of threads from `threads_for`.
    """
    cdef Slices s
    s.tasks = s.size = tasks
    s.start = s.stop = 0
    if is_long(work):
        s.size = max(threads, <Py_ssize_t>(tasks * (SIGNAL_WORK * threads / work)))
    s.threads = team_of(<int>max(1, min(<Py_ssize_t>threads, tasks)))
    return s


cdef bint next_slice(Slices *s) except -1:
    """Move to the next slice; False where there is none."""
    if s.stop >= s.tasks:
        return False
    if s.stop > 0:
        PyErr_CheckSignals()
    s.start = s.stop
    s.stop = min(s.tasks, s.start + s.size)
    return True


cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define thread_number() omp_get_thread_num()
    #define team_size() omp_get_num_threads()
    #define seconds() omp_get_wtime()
    #else
    #define thread_number() 0
    #define team_size() 1
    #define seconds() 0.0
    #endif
    static _Thread_local double last_call = -1.0;  /* of this thread, for which it had a team */
    #define set_last_call(now) (last_call = (now))

    #include <stdlib.h>
    static _Thread_local int team = 1;  /* of this thread's last call: its threads are waiting */
    #define last_team() team
    #define set_last_team(n) (team = (n))

    #if defined(_OPENMP) && defined(__unix__)
    #include <pthread.h>
    static void *wait_for(void *mutex)
    {
        pthread_mutex_lock(mutex);
        pthread_mutex_unlock(mutex);
        return NULL;
    }
    /* Whether so many threads can exist at once, tried. Their stacks stay in the C library's
     * cache, and the team that is started next gets them from there. */
    static int can_start(int n)
    {
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        pthread_t *thread = malloc(n * sizeof(pthread_t));
        int started = 0;
        if (!thread) return 0;
        pthread_mutex_lock(&mutex);
        while (started < n && !pthread_create(&thread[started], NULL, wait_for, &mutex)) started++;
        pthread_mutex_unlock(&mutex);
        for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
        free(thread);
        return started == n;
    }
    #else
    #define can_start(n) 1
    #endif

    /* The next task of each range and its end, some lines of the cache apart. */
    #define RANGE_STEP (128 / sizeof(Py_ssize_t))
    typedef void (*fc_task)(void *context, Py_ssize_t task, int thread);
    static Py_ssize_t *make_ranges(Py_ssize_t start, Py_ssize_t stop, int threads)
    {
        Py_ssize_t *next = malloc(threads * RANGE_STEP * sizeof(Py_ssize_t));
        if (next)
            for (int t = 0; t < threads; t++) {
                next[t * RANGE_STEP] = start + (stop - start) * t / threads;
                next[t * RANGE_STEP + 1] = start + (stop - start) * (t + 1) / threads;
            }
        return next;
    }
    /* Wait for the rest of the team, and let others have the processor meanwhile, perhaps one of
     * the team: libgomp's own barrier, which comes next, would spin for milliseconds. */
    #if defined(__unix__) || defined(__APPLE__)
    #include <sched.h>
    #define let_others_run() sched_yield()
    #else
    #define let_others_run() ((void)0)
    #endif
    static void check_in(int *finished, int threads)
    {
        enum { SPINS = 2000 };  /* some ten microseconds */
        /* a smaller team, as OMP_DYNAMIC and nested regions have it, takes several parts each */
        if (team_size() != threads) return;
        __atomic_add_fetch(finished, 1, __ATOMIC_RELEASE);
        for (int i = 0; __atomic_load_n(finished, __ATOMIC_ACQUIRE) < threads; i++)
            if (i >= SPINS) let_others_run();
    #if defined(__x86_64__) || defined(__i386__)
            else __builtin_ia32_pause();
    #endif
    }
    /* Processor time of this thread; from a moment to now. */
    #if defined(__unix__) || defined(__APPLE__)
    #include <time.h>
    static double thread_seconds(void)
    {
        struct timespec t;
        return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) ? 0.0 : t.tv_sec + 1e-9 * t.tv_nsec;
    }
    #else
    #define thread_seconds() seconds()
    #endif
    #define since_then(p) (*(p) = thread_seconds() - *(p))

    /* All of range number `own`, then what others have left. */
    static void run_and_steal(fc_task run, void *context, Py_ssize_t *next, int own, int threads,
                        int thread)
    {
        for (int t = 0; t < threads; t++) {
            Py_ssize_t *of = next + (own + t) % threads * RANGE_STEP, task;
            while ((task = __atomic_fetch_add(of, 1, __ATOMIC_RELAXED)) < of[1])
                run(context, task, thread);
        }
    }
    """
    int thread_number() noexcept nogil
    double seconds() noexcept
    double last_call
    void set_last_call(double now) noexcept
    int last_team() noexcept
    void set_last_team(int n) noexcept
    bint can_start(int n) noexcept
    void check_in(int *finished, int threads) noexcept nogil
    double thread_seconds() noexcept
    void since_then(double *since) noexcept nogil
    Py_ssize_t *make_ranges(Py_ssize_t start, Py_ssize_t stop, int threads) noexcept nogil
    void run_and_steal(task_function run, void *context, Py_ssize_t *next, int own, int threads,
                       int thread) noexcept nogil
