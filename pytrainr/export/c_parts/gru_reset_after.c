/* p = h R + c;  z, r = logistic(x W + b + p);  g = tanh(x W + b + r p);  h = h + z (g - h) */
INLINE void gru_reset_after(const recurrent *l, real *s, const real *before, real *after, int t)
{
    int n = l->units;
    real p[WIDEST], *r = s + n, *g = s + 2 * n;
    (void)t;
    product(p, before, l->recurrent_kernel, n, 3 * n);
    for (int k = 0; k < 3 * n && l->recurrent_bias; k++) p[k] += l->recurrent_bias[k];
    for (int k = 0; k < 2 * n; k++) s[k] += p[k];
    activate(s, 2 * n, LOGISTIC);
    for (int k = 0; k < n; k++) g[k] += r[k] * p[2 * n + k];
    activate(g, n, TANH);
    for (int k = 0; k < n; k++) after[k] = before[k] + s[k] * (g[k] - before[k]);
}
