/* the steps in the opposite order */
static void reverse(const real *x, real *y, const real *present, real *y_present, int steps, int width)
{
    for (int t = 0; t < steps; t++) {
        memcpy(y + t * width, x + (steps - 1 - t) * width, sizeof(real) * width);
        if (y_present) y_present[t] = present[steps - 1 - t];
    }
}
