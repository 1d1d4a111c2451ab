/* exp, logistic and tanh: in R's arithmetic the C library's, whose bits R has, unless -DPYTRAINR_FAST is given; likewise
   where sums are not rounded as they stand (-ffast-math). Else without branches, so that compilers compute several at
   once, to 3 units in the last place: e^x = 2^n e^r, n whole and |r| <= ln 2 / 2. NaN stays NaN. */
#if (R_ARITHMETIC && !defined PYTRAINR_FAST) || defined __FAST_MATH__ || defined __ASSOCIATIVE_MATH__ \
    || FLT_EVAL_METHOD != 0
INLINE real exponential(real x)
{
    return EXP(x);
}

INLINE real logistic(real x)
{
    return 1 / (1 + EXP(-x));
}

INLINE real hyperbolic_tangent(real x)
{
    return TANH_(x);
}
#else
INLINE real nearest(real x)
{
    return (x + ROUNDER) - ROUNDER;
}

/* 2^n for whole n above -BIAS, at BIAS + 1 infinity: n becomes the exponent's bits. */
INLINE real power_of_2(real n)
{
    real sum = n + (ROUNDER + BIAS), power;
    BITS bits;
    memcpy(&bits, &sum, sizeof bits);
    bits <<= MANTISSA;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* e^r - 1, where x = n ln 2 + r */
INLINE real rest(real x, real n)
{
    return polynomial((x - n * LN2_HIGH) - n * LN2_LOW);
}

INLINE real exponential(real x)
{
    real t = x < LOWEST ? LOWEST : x > HIGHEST ? HIGHEST : x;
    real n = nearest(t * LOG2E), half = nearest(n / 2);
    return (1 + rest(t, n)) * power_of_2(half) * power_of_2(n - half);
}

/* 1 / (1 + e^-x) */
INLINE real logistic(real x)
{
    real t = x < -HIGHEST ? HIGHEST : x > HIGHEST - 2 ? 2 - HIGHEST : -x;
    real n = nearest(t * LOG2E);
    return 1 / (1 + power_of_2(n) * (1 + rest(t, n)));
}

/* (e^2x - 1) / (e^2x + 1) */
INLINE real hyperbolic_tangent(real x)
{
    real t = x < -22 ? -44 : x > 22 ? 44 : x + x;
    real n = nearest(t * LOG2E), power = power_of_2(n);
    real e = power * rest(t, n) + (power - 1);
    return e / (e + 2);
}
#endif
