/* y_t = f(sum over taps of x_{t strides + tap dilation - before} W_tap + b); steps beyond the ends are 0, or what
   `past` has of the steps before the first; `after` are those before what comes next. */
typedef struct {
    int steps, count, width, filters, taps, strides, dilation, before, activation;
    const real *kernel, *bias;
    real *x, *y, *past, *after;
} conv1d_layer;

INLINE void conv1d(const conv1d_layer *l)
{
    int width = l->width, filters = l->filters;
    for (int t = 0; t < l->count; t++) {
        real *y = l->y + t * filters;
        for (int k = 0; k < filters; k++) y[k] = l->bias ? l->bias[k] : 0;
        for (int tap = 0; tap < l->taps; tap++) {
            int step = t * l->strides + tap * l->dilation - l->before;
            const real *x = 0;
            if (step >= 0 && step < l->steps) x = l->x + step * width;
            if (step < 0 && l->past) x = l->past + (step + l->before) * width;
            if (x) add_rows(y, x, l->kernel + tap * width * filters, width, filters, filters);
        }
        activate(y, filters, l->activation);
    }
    for (int j = 0; j < l->before && l->after; j++) {
        int step = l->steps - l->before + j;
        const real *x = step >= 0 ? l->x + step * width : l->past + (j + l->steps) * width;
        memcpy(l->after + j * width, x, sizeof(real) * width);
    }
}
