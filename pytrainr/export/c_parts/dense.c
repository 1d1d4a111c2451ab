/* y = f(x W + b) at every step */
INLINE void dense(const real *x, real *y, int steps, int width, int units, const real *kernel, const real *bias,
                  int activation)
{
    for (int t = 0; t < steps; t++, x += width, y += units) {
        product(y, x, kernel, width, units);
        for (int k = 0; k < units && bias; k++) y[k] += bias[k];
        activate(y, units, activation);
    }
}
