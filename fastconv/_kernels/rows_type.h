/* One element type's row kernels. Included once per type with REAL and BITS set. */
#define NAME(base) FC_PASTE(base, BITS)

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

static void NAME(divide)(ptrdiff_t n, const void *acc_, const void *divisor_,
                         ptrdiff_t divisor_step, void *y_)
{
    const REAL *restrict acc = acc_, *restrict divisor = divisor_;
    REAL *restrict y = y_;
    if (divisor_step)
        for (ptrdiff_t i = 0; i < n; i++) y[i] = acc[i] / divisor[i];
    else {
        const REAL d = divisor[0];
        for (ptrdiff_t i = 0; i < n; i++) y[i] = acc[i] / d;
    }
}

static void NAME(triad)(ptrdiff_t n, double s, const void *b_, const void *c_, void *a_)
{
    const REAL *restrict b = b_, *restrict c = c_;
    REAL *restrict a = a_;
    for (ptrdiff_t i = 0; i < n; i++) a[i] = b[i] + (REAL)s * c[i];
}

/* b replaces a where it is greater, or NaN: an a that is NaN stays. */
FC_INLINE REAL NAME(max)(REAL a, REAL b) { return (b > a) | (b != b) ? b : a; }
FC_INLINE REAL NAME(min)(REAL a, REAL b) { return (b < a) | (b != b) ? b : a; }
FC_INLINE REAL NAME(sum)(REAL a, REAL b) { return a + b; }

#define FOLD(op)                                                                               \
    static void FC_PASTE3(op, fold, BITS)(ptrdiff_t n, const void *row_, void *acc_)            \
    {                                                                                          \
        const REAL *restrict row = row_;                                                       \
        REAL *restrict acc = acc_;                                                             \
        for (ptrdiff_t i = 0; i < n; i++) acc[i] = NAME(op)(acc[i], row[i]);                   \
    }
FOLD(max)
FOLD(min)
#undef FOLD

/* The common windows (2 or 3 wide, stride 1 or 2) are instantiated with constants, for
 * which the compiler keeps the running value in registers and de-interleaves by shuffles. */
#define SLIDE(op)                                                                              \
    FC_INLINE void FC_PASTE3(op, window, BITS)(ptrdiff_t n, const ptrdiff_t k,                  \
                                              const ptrdiff_t stride, const ptrdiff_t dilation,\
                                              const REAL *restrict row, REAL *restrict out)    \
    {                                                                                          \
        for (ptrdiff_t i = 0; i < n; i++) {                                                    \
            REAL value = row[i * stride];                                                      \
            for (ptrdiff_t j = 1; j < k; j++)                                                  \
                value = NAME(op)(value, row[i * stride + j * dilation]);                       \
            out[i] = value;                                                                    \
        }                                                                                      \
    }                                                                                          \
    static void FC_PASTE3(op, slide, BITS)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride,          \
                                          ptrdiff_t dilation, const void *row_, void *out_)    \
    {                                                                                          \
        const REAL *restrict row = row_;                                                       \
        REAL *restrict out = out_;                                                             \
        if (dilation == 1 && stride == 2 && k == 2)                                            \
            FC_PASTE3(op, window, BITS)(n, 2, 2, 1, row, out);                                  \
        else if (dilation == 1 && stride == 2 && k == 3)                                       \
            FC_PASTE3(op, window, BITS)(n, 3, 2, 1, row, out);                                  \
        else if (dilation == 1 && stride == 1 && k == 2)                                       \
            FC_PASTE3(op, window, BITS)(n, 2, 1, 1, row, out);                                  \
        else if (dilation == 1 && stride == 1 && k == 3)                                       \
            FC_PASTE3(op, window, BITS)(n, 3, 1, 1, row, out);                                  \
        else if (stride == 1) {                                                                \
            for (ptrdiff_t i = 0; i < n; i++) out[i] = row[i];                                 \
            for (ptrdiff_t j = 1; j < k; j++)                                                  \
                for (ptrdiff_t i = 0; i < n; i++)                                              \
                    out[i] = NAME(op)(out[i], row[i + j * dilation]);                          \
        } else                                                                                 \
            FC_PASTE3(op, window, BITS)(n, k, stride, dilation, row, out);                      \
    }
SLIDE(max)
SLIDE(min)
SLIDE(sum)
#undef SLIDE

static void NAME(fill_rows)(fc_kernels *k)
{
    k->gather = NAME(gather);
    k->add = NAME(add);
    k->divide = NAME(divide);
    k->triad = NAME(triad);
    k->max_fold = NAME(max_fold);
    k->min_fold = NAME(min_fold);
    k->max_slide = NAME(max_slide);
    k->min_slide = NAME(min_slide);
    k->sum_slide = NAME(sum_slide);
}

#undef NAME
