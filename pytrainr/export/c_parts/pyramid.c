/* y = several steps side by side, 0 after the end; there is an entry where any of them has one */
static void pyramid(const real *x, real *y, const real *present, real *y_present, int steps, int width, int size)
{
    int count = (steps + size - 1) / size;
    for (int k = 0; k < count * size * width; k++) y[k] = k < steps * width ? x[k] : 0;
    for (int t = 0; t < count && y_present; t++) {
        y_present[t] = 0;
        for (int s = t * size; s < (t + 1) * size && s < steps; s++)
            if (present[s] > 0) y_present[t] = 1;
    }
}
