/* One element type's row kernels. Included once per type with REAL and BITS set. */
#define NAME(base) FC_NAME(BITS, base)

static void NAME(gather)(ptrdiff_t n, const void *src_, ptrdiff_t step, void *dst_)
{
    const REAL *restrict src = src_;
    REAL *restrict dst = dst_;
    if (step == 1)
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = src[i];
    else if (step == 2) /* a constant step lets the compiler load vectors and shuffle */
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = src[2 * i];
    else
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = src[i * step];
}

static void NAME(add)(ptrdiff_t n, const void *src_, void *dst_)
{
    const REAL *restrict src = src_;
    REAL *restrict dst = dst_;
    for (ptrdiff_t i = 0; i < n; i++) dst[i] += src[i];
}

static void NAME(triad)(ptrdiff_t n, double s, const void *b_, const void *c_, void *a_)
{
    const REAL *restrict b = b_, *restrict c = c_;
    REAL *restrict a = a_;
    for (ptrdiff_t i = 0; i < n; i++) a[i] = b[i] + (REAL)s * c[i];
}

static void NAME(fill_rows)(fc_kernels *k)
{
    k->gather = NAME(gather);
    k->add = NAME(add);
    k->triad = NAME(triad);
}

#undef NAME
