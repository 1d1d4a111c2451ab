/* out (columns) = out + x (rows) w; w has `width` columns, of which these are the first. Four rows at once: out is read
   and written less, and few sums wait for each other. */
INLINE void add_rows(real *restrict out, const real *restrict x, const real *restrict w, int rows, int columns,
                     int width)
{
    const int fours = rows - rows % 4;
    for (int i = 0; i < fours; i += 4)
        for (int k = 0; k < columns; k++) {
            const real *v = w + i * width + k;
            out[k] += (x[i] * v[0] + x[i + 1] * v[width]) + (x[i + 2] * v[2 * width] + x[i + 3] * v[3 * width]);
        }
    for (int i = fours; i < rows; i++)
        for (int k = 0; k < columns; k++) out[k] += x[i] * w[i * width + k];
}

/* out (columns) = x (rows) times w (rows, columns) */
INLINE void product(real *restrict out, const real *restrict x, const real *restrict w, int rows, int columns)
{
    for (int k = 0; k < columns; k++) out[k] = 0;
    add_rows(out, x, w, rows, columns, columns);
}
