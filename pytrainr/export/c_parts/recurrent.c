/* A recurrent layer: hidden (steps + 1, outputs) and cell (steps + 1, cells) begin with the state before. */
typedef struct {
    int steps, width, units, outputs, cells, gates, activation, output_activation;
    real leak;
    const real *kernel, *recurrent_kernel, *bias, *recurrent_bias, *peephole, *projection, *projection_bias;
    const struct turing *own; /* what an ntm has beside */
    real *x, *hidden, *cell, *present;
} recurrent;

/* A cell's equations: from s, x W + b, and the state before to the state after step t. */
typedef void (*cell_step)(const recurrent *l, real *s, const real *before, real *after, int t);

/* One step of a cell; where there is no entry the state is held. */
INLINE void drive_step(const recurrent *l, cell_step step, int t)
{
    int n = l->outputs, cells = l->cells, wide = l->gates * l->units;
    const real *before = l->hidden + t * n;
    real *after = l->hidden + (t + 1) * n, s[WIDEST];
    if (l->present && l->present[t] == 0) {
        memcpy(after, before, sizeof(real) * n);
        if (cells) memcpy(l->cell + (t + 1) * cells, l->cell + t * cells, sizeof(real) * cells);
        return;
    }
    product(s, l->x + t * l->width, l->kernel, l->width, wide);
    for (int k = 0; k < wide && l->bias; k++) s[k] += l->bias[k];
    step(l, s, before, after, t);
}

INLINE void drive(const recurrent *l, cell_step step)
{
    for (int t = 0; t < l->steps; t++) drive_step(l, step, t);
}
