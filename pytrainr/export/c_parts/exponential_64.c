#define BITS uint64_t
#define MANTISSA 52
#define BIAS 1023
#define ROUNDER 0x1.8p52            /* in a sum with it the last place is 1 */
#define LN2_HIGH 0x1.62e42fefap-1   /* with few enough bits that whole multiples are exact */
#define LN2_LOW 0x1.cf79abc9e3b3ap-40
#define LOG2E 1.4426950408889634
#define LOWEST -746                 /* e^x is 0 below */
#define HIGHEST 710                 /* and infinite above */

/* e^r - 1 for |r| <= ln 2 / 2: the polynomial r + r^2 / 2 + ... that is nearest, to 3e-17 of itself */
INLINE real polynomial(real r)
{
    real s = r * r, q = s * s;
    return r + s * ((0.5 + r * 0.166666666666666018) + s * (0.04166666666662000179 + r * 0.008333333333388417369)
                    + q * ((0.001388888892049863719 + r * 0.0001984126970924909849)
                           + s * (0.00002480151636276243648 + r * 0.000002755742517455655463)
                           + q * (2.762222055550431430e-7 + r * 2.504586611280582589e-8)));
}
