/* One element type's way out: bias, residual and activation. Included once per type, after
 * lanes_type.h. */

/* exp(-y) and expm1(-y) for y >= 0, correct to a few units in the last place down to the
 * smallest denormal; NaN passes through.
 *
 * -y = n ln 2 + r with |r| <= ln(2)/2; the Taylor series gives q = expm1(r), and
 * exp = 2^n q + 2^n, expm1 = 2^n q + (2^n - 1). 2^n is applied as two factors, since it may
 * itself be too small for a normal number. Written here because no C library offers vectors of
 * exponentials portably. */
FC_INLINE void NAME(exp_minus)(vec y, vec *exp, vec *expm1)
{
#if BITS == 32
    enum { terms = 8, mantissa = 23, bias = 127 };
    const REAL limit = 110, magic = 0x1.8p23f, ln2_high = 0x1.62e4p-1f,
               ln2_low = 0x1.7f7d1cp-20f;
#else
    enum { terms = 14, mantissa = 52, bias = 1023 };
    const REAL limit = 760, magic = 0x1.8p52, ln2_high = 0x1.62e42fefa3800p-1,
               ln2_low = 0x1.ef35793c76730p-45;
#endif
    const vec x = -NAME(select)(y > limit, limit + (vec){0}, y);
    const vec shifted = x * (REAL)1.4426950408889634 + magic;
    const vec n = shifted - magic;
    const ivec whole = (ivec)shifted - (ivec)(magic + (vec){0});
    const vec r = (x - n * ln2_high) - n * ln2_low;
    REAL inverse = 1; /* 1 / k!, folded by the compiler */
    FC_UNROLL for (int k = 2; k <= terms; k++) inverse /= k;
    vec q = inverse + (vec){0};
    FC_UNROLL for (int k = terms; k > 1; k--) {
        inverse *= k;
        q = q * r + inverse;
    }
    q *= r;
    const ivec half = whole >> 1;
    const vec first = (vec)((half + bias) << mantissa);
    const vec second = (vec)((whole - half + bias) << mantissa);
    *exp = (q + 1) * first * second;
    *expm1 = q * first * second + (first * second - 1);
}

FC_INLINE vec NAME(sigmoid)(vec v)
{
    vec t, unused;
    const vec magnitude = NAME(select)(v < 0, -v, v);
    NAME(exp_minus)(magnitude, &t, &unused);
    return NAME(select)(v < 0, t, 1 + (vec){0}) / (1 + t);
}

FC_INLINE vec NAME(tanh)(vec v)
{
    vec unused, m;
    const vec magnitude = NAME(select)(v < 0, -v, v);
    NAME(exp_minus)(magnitude + magnitude, &unused, &m);
    const vec t = -m / (2 + m);
    return NAME(select)(v < 0, -t, t);
}

FC_INLINE vec NAME(activate)(vec v, const fc_activation activation, vec lo, vec hi)
{
    switch (activation) {
    case FC_CLIP: return NAME(clip)(v, lo, hi);
    case FC_LEAKY_RELU: return NAME(select)(v < 0, v * lo, v);
    case FC_SIGMOID: return NAME(sigmoid)(v);
    case FC_TANH: return NAME(tanh)(v);
    case FC_SILU: return v * NAME(sigmoid)(v);
    default: return v;
    }
}

FC_INLINE void NAME(store)(ptrdiff_t nr, ptrdiff_t nc, const REAL *acc, ptrdiff_t acc_r, REAL *y,
                           ptrdiff_t y_r, const REAL *bias, ptrdiff_t bias_r, ptrdiff_t bias_c,
                           const REAL *residual, ptrdiff_t res_r, const fc_epilogue *epilogue,
                           const fc_activation activation)
{
    const vec lo = (REAL)epilogue->lo + (vec){0}, hi = (REAL)epilogue->hi + (vec){0};
    for (ptrdiff_t r = 0; r < nr; r++, acc += acc_r, y += y_r) {
        const vec addend = (bias && !bias_c ? bias[r * bias_r] : 0) + (vec){0};
        ptrdiff_t c = 0;
        for (; c + LANES <= nc; c += LANES) {
            vec v = NAME(load)(acc + c);
            if (bias) v += bias_c ? NAME(load)(bias + c) : addend;
            if (residual) v += NAME(load)(residual + r * res_r + c);
            NAME(save)(y + c, NAME(activate)(v, activation, lo, hi));
        }
        if (c < nc) {
            const ptrdiff_t n = nc - c;
            vec v = NAME(load_first)(acc + c, n);
            if (bias) v += bias_c ? NAME(load_first)(bias + c, n) : addend;
            if (residual) v += NAME(load_first)(residual + r * res_r + c, n);
            NAME(save_first)(y + c, NAME(activate)(v, activation, lo, hi), n);
        }
    }
}

static void NAME(store_any)(ptrdiff_t nr, ptrdiff_t nc, const void *acc, ptrdiff_t acc_r, void *y,
                            ptrdiff_t y_r, const void *bias, ptrdiff_t bias_r, ptrdiff_t bias_c,
                            const void *residual, ptrdiff_t res_r, const fc_epilogue *epilogue)
{
#define CASE(activation)                                                                       \
    case activation:                                                                           \
        NAME(store)(nr, nc, acc, acc_r, y, y_r, bias, bias_r, bias_c, residual, res_r,         \
                    epilogue, activation);                                                     \
        break;
    switch (epilogue->activation) {
    CASE(FC_IDENTITY)
    CASE(FC_CLIP)
    CASE(FC_LEAKY_RELU)
    CASE(FC_SIGMOID)
    CASE(FC_TANH)
    CASE(FC_SILU)
    case FC_REQUANTIZE: break; /* of integers alone */
    }
#undef CASE
}

static void NAME(fill_store)(fc_kernels *k) { k->store = NAME(store_any); }
