#define BITS uint32_t
#define MANTISSA 23
#define BIAS 127
#define ROUNDER 0x1.8p23f           /* in a sum with it the last place is 1 */
#define LN2_HIGH 0x1.62e4p-1f       /* with few enough bits that whole multiples are exact */
#define LN2_LOW 0x1.7f7d1cp-20f
#define LOG2E 1.44269504f
#define LOWEST -104                 /* e^x is 0 below */
#define HIGHEST 89                  /* and infinite above */

/* e^r - 1 for |r| <= ln 2 / 2: the polynomial r + r^2 / 2 + ... that is nearest, to 2e-8 of itself */
INLINE real polynomial(real r)
{
    real s = r * r;
    return r + s * ((0.5f + r * 0.166665487f) + s * ((0.0416668542f + r * 0.00836604082f) + s * 0.00138982267f));
}
