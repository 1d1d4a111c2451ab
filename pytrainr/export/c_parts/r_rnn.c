/* h = f(x W + h R + b) */
INLINE void step_of(const layer *l, double *h, double *cell, const double *x, int row, int total)
{
    double s[WIDEST];
    (void)cell;
    product(s, x, l->time, l->inputs, l->units);
    add_product(s, h, l->recurrent, l->units, l->units);
    if (l->bias) add_bias(s, l->bias, l->units, row, total);
    activate(s, l->units, SIGMOID);
    for (int k = 0; k < l->units; k++) h[k] = s[k];
}
