/* A recurrent layer: hidden (steps + 1, outputs) and cell (steps + 1, cells) begin with the state before. */
typedef struct {
    int steps, width, units, outputs, cells, gates, activation, output_activation;
    real leak;
    const real *kernel, *recurrent_kernel, *bias, *recurrent_bias, *peephole, *projection, *projection_bias;
    real *x, *hidden, *cell, *present;
} recurrent;

/* Drive a cell over all steps; where there is no entry the state is held. */
INLINE void drive(const recurrent *l, void (*step)(const recurrent *, real *, const real *, real *, int))
{
    int n = l->outputs, cells = l->cells, wide = l->gates * l->units;
    for (int t = 0; t < l->steps; t++) {
        const real *before = l->hidden + t * n;
        real *after = l->hidden + (t + 1) * n, s[WIDEST];
        if (l->present && l->present[t] == 0) {
            memcpy(after, before, sizeof(real) * n);
            if (cells) memcpy(l->cell + (t + 1) * cells, l->cell + t * cells, sizeof(real) * cells);
            continue;
        }
        product(s, l->x + t * l->width, l->kernel, l->width, wide);
        for (int k = 0; k < wide && l->bias; k++) s[k] += l->bias[k];
        step(l, s, before, after, t);
    }
}
