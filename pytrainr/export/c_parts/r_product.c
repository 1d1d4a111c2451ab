/* out (columns) = x (rows) times w (rows, columns); each sum begins at 0 and adds in the order of the rows. */
INLINE void product(real *restrict out, const real *restrict x, const real *restrict w, int rows, int columns)
{
    for (int k = 0; k < columns; k++) out[k] = 0;
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < columns; k++) out[k] += x[i] * w[i * columns + k];
}

/* out = out + x w, the product summed by itself and added once. */
INLINE void add_product(real *restrict out, const real *restrict x, const real *restrict w, int rows, int columns)
{
    real sum[WIDEST];
    product(sum, x, w, rows, columns);
    for (int k = 0; k < columns; k++) out[k] += sum[k];
}
