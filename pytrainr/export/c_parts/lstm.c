/* f, i, o = logistic(x W + h R + b [+ c p]);  g = tanh(x W + h R + b);  c = f c + i g;  h = o tanh(c) [P] */
INLINE void lstm(const recurrent *l, real *s, const real *before, real *after, int t)
{
    int n = l->units;
    real m[WIDEST], *f = s, *i = s + n, *g = s + 2 * n, *o = s + 3 * n, *c = l->cell + t * n, *next = c + n;
    const real *p = l->peephole;
    add_rows(s, before, l->recurrent_kernel, l->outputs, 4 * n, 4 * n);
    for (int k = 0; k < n && p; k++) {
        f[k] += c[k] * p[k];
        i[k] += c[k] * p[n + k];
    }
    activate(s, 2 * n, LOGISTIC);
    activate(g, n, TANH);
    for (int k = 0; k < n; k++) next[k] = f[k] * c[k] + i[k] * g[k];
    for (int k = 0; k < n && p; k++) o[k] += next[k] * p[2 * n + k];
    activate(o, n, LOGISTIC);
    memcpy(m, next, sizeof(real) * n);
    activate(m, n, TANH);
    for (int k = 0; k < n; k++) m[k] *= o[k];
    if (l->projection)
        product(after, m, l->projection, n, l->outputs);
    else
        memcpy(after, m, sizeof(real) * n);
}
