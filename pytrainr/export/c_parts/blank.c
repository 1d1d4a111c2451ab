/* y = x, or 0 where there is no entry */
static void blank(const real *x, real *y, const real *present, int steps, int width)
{
    for (int t = 0; t < steps; t++)
        for (int k = 0; k < width; k++) y[t * width + k] = present[t] > 0 ? x[t * width + k] : 0;
}
