/* y = row x of the matrix; with mask_zero token 0 is no entry */
static void embedding(const real *x, real *y, real *y_present, int steps, int width, const real *embeddings)
{
    for (int t = 0; t < steps; t++, y += width) {
        memcpy(y, embeddings + (int)x[t] * width, sizeof(real) * width);
        if (y_present) y_present[t] = x[t] > 0;
    }
}
