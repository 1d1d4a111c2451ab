/* h = f(x W + h R + b) */
INLINE void simple_rnn(const recurrent *l, real *s, const real *before, real *after, int t)
{
    (void)t;
    add_rows(s, before, l->recurrent_kernel, l->units, l->units, l->units);
    activate(s, l->units, l->activation);
    memcpy(after, s, sizeof(real) * l->units);
}
