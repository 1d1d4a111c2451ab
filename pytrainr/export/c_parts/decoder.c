/* A cell with steps of its own, over what is found in the sequence and what came out at the step before:
   x_t = [sum over j of a_j k_j, y_(t-1)],  a = softmax(e),  h_t = cell(x_t, h_(t-1)),  y_t = f(h_t V + c);
   e_j = v . tanh(k_j K + h_(t-1) Q), or k_j . h_(t-1); without attention x_t has the last k_j that is there. What is fed
   back, `fed`, is y_(t-1), or with embeddings the number of the likeliest token, whose row is read. */
enum { NOTHING, ADDITIVE, DOT };

typedef struct {
    int attention, steps, width, units, outputs, output_activation;
    const real *query, *key, *score, *output_kernel, *output_bias, *embeddings;
    real *encoder, *encoder_present, *keys, *share, *output, *fed;
} decoder;

/* What attention finds for h_(t-1), in the place of what step t reads. */
INLINE void find(const decoder *d, const recurrent *l, int t)
{
    int steps = d->steps, width = d->width, last = steps - 1;
    real *x = l->x + t * l->width, *h = l->hidden + t * l->outputs, query[WIDEST];
    switch (d->attention) {
    case ADDITIVE:
        product(query, h, d->query, l->outputs, d->units);
        additive_scores(d->share + t * steps, query, d->keys, d->score, d->units, steps);
        look(x, d->share + t * steps, d->encoder, width, width, steps, d->encoder_present);
        break;
    case DOT:
        product_scores(d->share + t * steps, h, d->encoder, width, width, steps, 1);
        look(x, d->share + t * steps, d->encoder, width, width, steps, d->encoder_present);
        break;
    default:
        while (d->encoder_present && last > 0 && d->encoder_present[last] == 0) last--;
        memcpy(x, d->encoder + last * width, sizeof(real) * width);
    }
}

INLINE int highest(const real *values, int n)
{
    int best = 0;
    for (int k = 1; k < n; k++)
        if (values[k] > values[best]) best = k;
    return best;
}

/* y_(t-1) or its token's row, as the last numbers of what step t reads */
INLINE void feed(const decoder *d, const recurrent *l, int t)
{
    int count = l->width - d->width;
    real *x = l->x + t * l->width + d->width;
    if (d->embeddings)
        memcpy(x, d->embeddings + (int)d->fed[t] * count, sizeof(real) * count);
    else
        memcpy(x, d->fed + t * count, sizeof(real) * count);
}

/* y_t, and what the next step is fed */
INLINE void put_out(const decoder *d, const recurrent *l, int t)
{
    int n = d->outputs;
    real *y = d->output + t * n;
    dense(l->hidden + (t + 1) * l->outputs, y, 1, l->outputs, n, d->output_kernel, d->output_bias, d->output_activation);
    if (d->embeddings)
        d->fed[t + 1] = highest(y, n);
    else if (d->fed)
        memcpy(d->fed + (t + 1) * n, y, sizeof(real) * n);
}

INLINE void decode(const decoder *d, const recurrent *l, cell_step step)
{
    if (d->attention == ADDITIVE) dense(d->encoder, d->keys, d->steps, d->width, d->units, d->key, 0, LINEAR);
    for (int t = 0; t < l->steps; t++) {
        find(d, l, t);
        if (d->fed) feed(d, l, t);
        drive_step(l, step, t);
        if (d->output) put_out(d, l, t);
    }
}
