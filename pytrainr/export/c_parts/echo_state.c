/* h = h + a (tanh(x W + h R + b) - h) */
INLINE void echo_state(const recurrent *l, real *s, const real *before, real *after, int t)
{
    (void)t;
    add_rows(s, before, l->recurrent_kernel, l->units, l->units, l->units);
    activate(s, l->units, TANH);
    for (int k = 0; k < l->units; k++) after[k] = before[k] + l->leak * (s[k] - before[k]);
}
