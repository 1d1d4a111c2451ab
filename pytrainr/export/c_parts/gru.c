/* z, r = logistic(x W + h R + b);  g = tanh(x W + (h r) R + b);  h = h + z (g - h) */
INLINE void gru(const recurrent *l, real *s, const real *before, real *after, int t)
{
    int n = l->units;
    real reset[WIDEST], *r = s + n, *g = s + 2 * n;
    (void)t;
    add_rows(s, before, l->recurrent_kernel, n, 2 * n, 3 * n);
    activate(s, 2 * n, LOGISTIC);
    for (int k = 0; k < n; k++) reset[k] = before[k] * r[k];
    add_rows(g, reset, l->recurrent_kernel + 2 * n, n, n, 3 * n);
    activate(g, n, TANH);
    for (int k = 0; k < n; k++) after[k] = before[k] + s[k] * (g[k] - before[k]);
}
