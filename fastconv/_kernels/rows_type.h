/* One element type's row kernels. Included once per type with REAL, UINT (of its size), FABS
 * and BITS set. */
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

static void NAME(add_magnitudes)(ptrdiff_t n, const void *src_, void *dst_)
{
    const REAL *restrict src = src_;
    REAL *restrict dst = dst_;
    for (ptrdiff_t i = 0; i < n; i++) dst[i] += FABS(src[i]);
}

/* Without their signs the bits of floating-point numbers are ordered like integers: infinity comes
 * after every number, and every NaN after infinity. */
static UINT NAME(magnitude_bits)(REAL value)
{
    UINT bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & (UINT)~(UINT)0 >> 1;
}

static double NAME(largest)(ptrdiff_t n, const void *x_, double least_)
{
    const REAL *restrict x = x_;
    REAL least = (REAL)least_;
    UINT most = NAME(magnitude_bits)(least);
    for (ptrdiff_t i = 0; i < n; i++) {
        const UINT bits = NAME(magnitude_bits)(x[i]);
        most = bits > most ? bits : most;
    }
    memcpy(&least, &most, sizeof most);
    return least;
}

static int NAME(all_finite)(ptrdiff_t n, const void *x_)
{
    const REAL *restrict x = x_;
    const UINT infinite = NAME(magnitude_bits)((REAL)INFINITY);
    UINT found = 0;
    for (ptrdiff_t i = 0; i < n; i++) found |= NAME(magnitude_bits)(x[i]) >= infinite;
    return !found;
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
    k->add_magnitudes = NAME(add_magnitudes);
    k->largest = NAME(largest);
    k->all_finite = NAME(all_finite);
    k->triad = NAME(triad);
}

#undef NAME
