/* z, r = logistic(x W + h R + b);  g = tanh(x W + (h r) R + b);  h = (1 - z) h + z g */
INLINE void columns_of(double *out, const double *h, const double *recurrent, int units, int first, int count)
{
    double sum[WIDEST];
    for (int k = 0; k < count; k++) sum[k] = 0;
    for (int i = 0; i < units; i++)
        for (int k = 0; k < count; k++) sum[k] += h[i] * recurrent[i * 3 * units + first + k];
    for (int k = 0; k < count; k++) out[k] += sum[k];
}

INLINE void step_of(const layer *l, double *h, double *cell, const double *x, int row, int total)
{
    int units = l->units;
    double s[WIDEST], reset[WIDEST], *z = s, *r = s + units, *g = s + 2 * units;
    (void)cell;
    product(s, x, l->time, l->inputs, 3 * units);
    columns_of(z, h, l->recurrent, units, 0, 2 * units);
    if (l->bias) {
        add_bias(z, l->bias, units, row, total);
        add_bias(r, l->bias + units, units, row, total);
    }
    activate(s, 2 * units, LOGISTIC);
    for (int k = 0; k < units; k++) reset[k] = h[k] * r[k];
    columns_of(g, reset, l->recurrent, units, 2 * units, units);
    if (l->bias) add_bias(g, l->bias + 2 * units, units, row, total);
    activate(g, units, TANH);
    for (int k = 0; k < units; k++) h[k] = (1.0 - z[k]) * h[k] + z[k] * g[k];
}
