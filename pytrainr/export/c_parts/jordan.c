/* h = f(x W + y R + b);  y = out(h V + c) */
INLINE void jordan(const recurrent *l, real *s, const real *before, real *after, int t)
{
    (void)t;
    add_rows(s, before, l->recurrent_kernel, l->outputs, l->units, l->units);
    activate(s, l->units, l->activation);
    product(after, s, l->projection, l->units, l->outputs);
    for (int k = 0; k < l->outputs && l->projection_bias; k++) after[k] += l->projection_bias[k];
    activate(after, l->outputs, l->output_activation);
}
