/* z, r = logistic(x W + h R + b);  g = tanh(x W + (h r) R + b);  h = h + z (g - h) */
static void gru(const recurrent *l, real *s, const real *before, real *after, int t)
{
    int n = l->units;
    real reset[WIDEST], *r = s + n, *g = s + 2 * n;
    (void)t;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2 * n; k++) s[k] += before[i] * l->recurrent_kernel[i * 3 * n + k];
    activate(s, 2 * n, LOGISTIC);
    for (int k = 0; k < n; k++) reset[k] = before[k] * r[k];
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) g[k] += reset[i] * l->recurrent_kernel[i * 3 * n + 2 * n + k];
    activate(g, n, TANH);
    for (int k = 0; k < n; k++) after[k] = before[k] + s[k] * (g[k] - before[k]);
}
