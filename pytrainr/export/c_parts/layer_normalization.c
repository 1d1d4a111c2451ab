/* y = gamma (x - mean) / sqrt(variance + epsilon) + beta at every step */
INLINE void layer_normalization(const real *x, real *y, int steps, int width, real epsilon, const real *gamma,
                                const real *beta)
{
    for (int t = 0; t < steps; t++, x += width, y += width) {
        real mean = 0, variance = 0, factor;
        for (int k = 0; k < width; k++) mean += x[k];
        mean /= width;
        for (int k = 0; k < width; k++) y[k] = x[k] - mean;
        for (int k = 0; k < width; k++) variance += y[k] * y[k];
        factor = 1 / SQRT(variance / width + epsilon);
        for (int k = 0; k < width; k++) {
            y[k] *= factor;
            if (gamma) y[k] *= gamma[k];
            if (beta) y[k] += beta[k];
        }
    }
}
