"""Choose the instruction set, once, and hand out its table of kernels.

This module is compiled for the baseline and is the only one that imports the others: a
module built for wider instructions may execute one as soon as it is loaded.
"""
import importlib
import os

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from *:
    """
    _Static_assert(FC_TYPES == 10, "TYPES in dispatch.pxd says otherwise");
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    /* The builtins ask CPUID and XGETBV: the processor has the instructions and the
     * operating system saves the registers. */
    #include <cpuid.h>
    #if defined(__linux__)
    #include <sys/syscall.h>
    #include <unistd.h>
    #endif
    /* Tiles of bytes and of bfloat16, their state saved by the system, which grants them to
     * processes that ask: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA). Threads and
     * children inherit the permission. */
    static int fc_cpu_has_amx(void)
    {
        unsigned a, b, c, d, low, high;
        if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (~d & (1u << 22 | 1u << 24 | 1u << 25)))
            return 0;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        (void)high;
        if (~low & (1u << 17 | 1u << 18)) return 0;
    #if defined(__linux__) && defined(SYS_arch_prctl)
        return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
    #else
        return 0;
    #endif
    }
    static int fc_is_amd(void)
    {
        __builtin_cpu_init();
        return __builtin_cpu_is("amd");
    }
    /* AMD's leaf of optimisation hints: bit 2 of units of 256 bits, bit 3 of 512. Zen 4 has the
     * former, and vectors of 64 bytes take two turns. */
    static int fc_halves_vectors(void)
    {
        unsigned a, b, c, d;
        if (!fc_is_amd() || !__get_cpuid(0x8000001A, &a, &b, &c, &d)) return 0;
        return (a & (1u << 2)) && !(a & (1u << 3));
    }
    static int fc_cpu_has(int level)
    {
        __builtin_cpu_init();
        if (level == 1)
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
                && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")
                && __builtin_cpu_supports("f16c");
    #ifdef FC_EMULATE_AVX512
        if (level >= 2) return fc_cpu_has(1);
    #endif
        if (level == 2)
            return fc_cpu_has(1) && __builtin_cpu_supports("avx512f")
                && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
                && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
        if (level == 3) return fc_cpu_has(2) && __builtin_cpu_supports("avx512vnni");
        if (level == 4) return fc_cpu_has(3) && __builtin_cpu_supports("avx512bf16");
        if (level == 5) return fc_cpu_has(4) && fc_cpu_has_amx();
        return 1;
    }
    #else
    static int fc_cpu_has(int level) { return level == 0; }
    static int fc_is_amd(void) { return 0; }
    static int fc_halves_vectors(void) { return 0; }
    #endif
    """
    int fc_is_amd()
    int fc_halves_vectors()
    int fc_cpu_has(int level)
    const char *FC_BUILT_LEVELS  # from meson.build

# From the narrowest to the widest; the order is the rank that FASTCONV_MAX_ISA caps.
# Those beyond avx512 have its kernels, and each some in place of them besides those of the one
# before: of bytes, of bfloat16, and of tiles of both.
LEVELS = ("baseline", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "avx512_amx")

cdef fc_table *chosen = NULL
cdef str level = None          # in use, once it is chosen


def built():
    """The names of the levels that this build holds."""
    return FC_BUILT_LEVELS.decode().split()


def available():
    """The names of the levels that this build holds and this processor runs."""
    return [name for name in built() if fc_cpu_has(LEVELS.index(name))]


cdef fc_table *kernels() except NULL:
    """The table of the chosen level; the first call chooses."""
    global chosen, level
    cdef fc_table *table
    cdef fc_matrix matrix
    if chosen == NULL:
        names = available()
        name = names[len(names) - 1]
        cap = os.environ.get("FASTCONV_MAX_ISA", "").strip().lower()
        if cap:
            if cap not in LEVELS:
                raise ValueError(
                    f"FASTCONV_MAX_ISA={cap!r} is not an instruction-set level; "
                    f"the levels are {', '.join(LEVELS)}"
                )
            if cap not in names:
                raise ValueError(
                    f"FASTCONV_MAX_ISA={cap!r} is not available on this machine, "
                    f"which has {', '.join(names)}"
                )
            name = cap
        module = importlib.import_module(f"fastconv._kernels._kernels_{name.split('_')[0]}")
        table = <fc_table *>PyCapsule_GetPointer(module.offered, b"fastconv.kernels")
        if name.endswith(("_bf16", "_amx")):
            module = importlib.import_module(f"fastconv._kernels._kernels_{name}")
            matrix = (<fc_matrix *>PyCapsule_GetPointer(module.offered, b"fastconv.matrix"))[0]
            if name.endswith("_bf16") and not fc_is_amd():  # it takes two cycles for a vector
                matrix.products /= 2
            table.matrix = matrix
        level, chosen = name, table
    return chosen


def isa():
    """The name of the instruction-set level in use."""
    kernels()
    return level


def vector_bytes():
    """The vector length of the level in use, in bytes."""
    return kernels().vector_bytes


def halves_vectors():
    """Whether this processor takes vectors of 64 bytes in two halves, one after the other."""
    return kernels().vector_bytes == 64 and bool(fc_halves_vectors())
