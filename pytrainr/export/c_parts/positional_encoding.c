/* y_t = x_t + p_t,  p_2i = sin(t / wavelength^(2i / width)),  p_2i+1 = cos of the same; t goes on from position[0] */
static void positional_encoding(const real *x, real *y, real *position, int steps, int width, double wavelength)
{
    for (int t = 0; t < steps; t++)
        for (int k = 0; k < width; k++) {
            double angle = (position[0] + t) * exp(-log(wavelength) * (k - k % 2) / width);
            y[t * width + k] = x[t * width + k] + (real)(k % 2 ? cos(angle) : sin(angle));
        }
    position[1] = position[0] + steps;
}
