/* y = a + b */
static void add(const real *a, const real *b, real *y, int count)
{
    for (int k = 0; k < count; k++) y[k] = a[k] + b[k];
}
