/* e_j = g q . k_j, of so many keys of `width` numbers, `apart` numbers from one to the next */
INLINE void product_scores(real *e, const real *q, const real *k, int apart, int width, int keys, real g)
{
    for (int j = 0; j < keys; j++, k += apart) {
        e[j] = 0;
        for (int i = 0; i < width; i++) e[j] += q[i] * k[i];
        e[j] *= g;
    }
}

/* e_j = v . tanh(q + k_j) */
INLINE void additive_scores(real *e, const real *q, const real *k, const real *v, int units, int keys)
{
    real bent[WIDEST];
    for (int j = 0; j < keys; j++, k += units) {
        for (int i = 0; i < units; i++) bent[i] = q[i] + k[i];
        activate(bent, units, TANH);
        product_scores(e + j, v, bent, units, units, 1, 1);
    }
}

/* a = softmax(e) over the steps that have an entry, in the place of e;  y = sum over j of a_j x_j, or 0 where there is
   none to look at; x_j are `width` numbers, `apart` from one to the next. */
INLINE void look(real *y, real *e, const real *x, int apart, int width, int steps, const real *present)
{
    for (int j = 0; j < steps; j++)
        if (present && present[j] == 0) e[j] = (real)-1e30;
    activate(e, steps, SOFTMAX);
    for (int j = 0; j < steps; j++)
        if (present && present[j] == 0) e[j] = 0;
    for (int k = 0; k < width; k++) y[k] = 0;
    add_rows(y, e, x, steps, width, apart);
}
