/* A cell that takes as many steps over each entry as it thinks it needs, `most` at the most; the last input of a step is 1
   at the first of them, else 0:
   s_n = cell([x_t, 1 or 0], s_(n-1)),  p_n = logistic(h_n . w + b);  N = the first n with p_1 + ... + p_n >= 1 - ENOUGH;
   s_t = sum over n of pi_n s_n,  pi_n = p_n, pi_N = 1 - p_1 - ... - p_(N-1).
   Of hidden and cell the places t (most + 1) + n hold s_n, the next place 0 is s_t. */
#define ENOUGH ((real)0.01)

typedef struct {
    int steps, most;
    const real *halting_kernel, *halting_bias;
    real *outer, *outer_present, *result;
} adaptive_computation;

/* p_n, how sure the cell is that it has finished */
INLINE real sureness(const adaptive_computation *a, const real *h, int outputs)
{
    real score = 0;
    for (int k = 0; k < outputs; k++) score += a->halting_kernel[k] * h[k];
    return logistic(score + a->halting_bias[0]);
}

INLINE void add_share(real *state, const real *s, int n, real share)
{
    for (int k = 0; k < n; k++) state[k] += share * s[k];
}

/* From s_(t-1) in the place `begin` to s_t, `h` and `c`, by as many steps of the cell as it takes. */
INLINE void ponder(const adaptive_computation *a, const recurrent *l, cell_step step, int t, int begin, real *h, real *c)
{
    int width = l->width - 1, outputs = l->outputs, cells = l->cells, finished = 0;
    real sum = 0;
    for (int n = 0; !finished; n++) {
        int place = begin + n;
        real *x = l->x + place * l->width, p, share;
        memcpy(x, a->outer + t * width, sizeof(real) * width);
        x[width] = n == 0;
        drive_step(l, step, place);
        p = sureness(a, l->hidden + (place + 1) * outputs, outputs);
        finished = sum + p >= 1 - ENOUGH || n + 1 == a->most;
        share = finished ? 1 - sum : p;
        add_share(h, l->hidden + (place + 1) * outputs, outputs, share);
        if (cells) add_share(c, l->cell + (place + 1) * cells, cells, share);
        sum += p;
    }
}

/* Where there is no entry the state is held. */
INLINE void adapt(const adaptive_computation *a, const recurrent *l, cell_step step)
{
    int outputs = l->outputs, cells = l->cells;
    for (int t = 0; t < a->steps; t++) {
        int begin = t * (a->most + 1), end = begin + a->most + 1;
        int there = !a->outer_present || a->outer_present[t] != 0;
        real *h = l->hidden + end * outputs, *c = cells ? l->cell + end * cells : 0;
        for (int k = 0; k < outputs; k++) h[k] = there ? 0 : l->hidden[begin * outputs + k];
        for (int k = 0; k < cells; k++) c[k] = there ? 0 : l->cell[begin * cells + k];
        if (there) ponder(a, l, step, t, begin, h, c);
        memcpy(a->result + t * outputs, h, sizeof(real) * outputs);
    }
}
