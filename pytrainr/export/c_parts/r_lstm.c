/* f, i, o = logistic(x W + h R + b);  g = tanh(x W + h R + b);  cell = f cell + i g;  h = o tanh(cell) */
INLINE void step_of(const layer *l, double *h, double *cell, const double *x, int row, int total)
{
    int units = l->units;
    double s[WIDEST], *f = s, *i = s + units, *g = s + 2 * units, *o = s + 3 * units;
    product(s, x, l->time, l->inputs, 4 * units);
    add_product(s, h, l->recurrent, units, 4 * units);
    for (int gate = 0; gate < 4 && l->bias; gate++) add_bias(s + gate * units, l->bias + gate * units, units, row, total);
    activate(s, 2 * units, LOGISTIC);
    activate(g, units, TANH);
    activate(o, units, LOGISTIC);
    for (int k = 0; k < units; k++) h[k] = cell[k] = f[k] * cell[k] + i[k] * g[k];
    activate(h, units, TANH);
    for (int k = 0; k < units; k++) h[k] *= o[k];
}
