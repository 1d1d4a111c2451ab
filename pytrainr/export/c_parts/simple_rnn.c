/* h = f(x W + h R + b) */
static void simple_rnn(const recurrent *l, real *s, const real *before, real *after, int t)
{
    (void)t;
    add_product(s, before, l->recurrent_kernel, l->units, l->units);
    activate(s, l->units, l->activation);
    memcpy(after, s, sizeof(real) * l->units);
}
