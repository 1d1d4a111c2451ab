/* A controller, an LSTM or tanh, whose state h says what the heads do with the memory M (slots, width): each looks at the
   slots by a weighting w, read heads come first.
   [k, beta, g, s, gamma] of each head, then [e, a] of each write head = f(h H + b);
   c = softmax(beta k . M_i / (|k| |M_i| + eps));  q = g c + (1 - g) w;  v_i = sum over j of s_j q_(i-j);  w = v^gamma / sum;
   M = M prod(1 - w e') + sum(w a');  read = M' w.  hidden is [h, reads], cell is [c of an LSTM, M, w, 1 once begun]. */
#define SMALL ((real)1e-8)
#define SMALLEST ((real)1e-16)

struct turing {
    int slots, width, reads, writes, shifts, lstm;
    const real *head_kernel, *head_bias, *initial_memory, *initial_weighting;
};

INLINE real softplus(real x)
{
    return (x > 0 ? x : 0) + LOG1P(exponential(x > 0 ? -x : x));
}

INLINE real dot(const real *a, const real *b, int n)
{
    real sum = 0;
    for (int j = 0; j < n; j++) sum += a[j] * b[j];
    return sum;
}

/* The memory and the weightings before the first step, in the cell state from M on. */
INLINE void begin_memory(const struct turing *n, real *memory)
{
    int heads = n->reads + n->writes;
    real *w = memory + n->slots * n->width;
    memcpy(memory, n->initial_memory, sizeof(real) * n->slots * n->width);
    memcpy(w, n->initial_weighting, sizeof(real) * heads * n->slots);
    for (int head = 0; head < heads; head++) activate(w + head * n->slots, n->slots, SOFTMAX);
}

/* h of the controller, from its gates */
INLINE void control(const recurrent *l, real *s, real *h, int t)
{
    int n = l->units;
    real *f = s, *i = s + n, *g = s + 2 * n, *o = s + 3 * n, *c = l->cell + t * l->cells, *next = c + l->cells;
    if (!l->own->lstm) {
        activate(s, n, TANH);
        memcpy(h, s, sizeof(real) * n);
        return;
    }
    activate(s, 2 * n, LOGISTIC);
    activate(g, n, TANH);
    activate(o, n, LOGISTIC);
    for (int k = 0; k < n; k++) next[k] = f[k] * c[k] + i[k] * g[k];
    memcpy(h, next, sizeof(real) * n);
    activate(h, n, TANH);
    for (int k = 0; k < n; k++) h[k] *= o[k];
}

/* w of a head, from what it is to do, the memory and w of before */
INLINE void address(const struct turing *n, real *w, real *head, const real *memory, const real *before)
{
    int slots = n->slots, width = n->width, span = 2 * n->shifts + 1;
    real *key = head, *shift = head + width + 2, size = SQRT(dot(key, key, width)), kept[WIDEST];
    real strength = softplus(head[width]), gate = logistic(head[width + 1]), sharpness = 1 + softplus(shift[span]);
    activate(shift, span, SOFTMAX);
    for (int i = 0; i < slots; i++) {
        const real *slot = memory + i * width;
        kept[i] = strength * (dot(key, slot, width) / (size * SQRT(dot(slot, slot, width)) + SMALL));
    }
    activate(kept, slots, SOFTMAX);
    for (int i = 0; i < slots; i++) kept[i] = gate * kept[i] + (1 - gate) * before[i];
    for (int i = 0; i < slots; i++) {
        real shifted = 0;
        for (int j = -n->shifts; j <= n->shifts; j++)
            shifted += shift[n->shifts + j] * kept[(i - j + slots) % slots];
        w[i] = sharpness * LOG(shifted + SMALLEST);
    }
    activate(w, slots, SOFTMAX);
}

/* All write heads erase, then all add; `head` has e and a of each, w their weightings. */
INLINE void write_memory(const struct turing *n, real *memory, real *head, const real *w)
{
    int slots = n->slots, width = n->width;
    for (int k = 0; k < n->writes; k++) {
        real *erase = head + k * 2 * width;
        activate(erase, width, LOGISTIC);
        activate(erase + width, width, TANH);
        for (int i = 0; i < slots; i++)
            for (int j = 0; j < width; j++) memory[i * width + j] *= 1 - w[k * slots + i] * erase[j];
    }
    for (int k = 0; k < n->writes; k++) {
        const real *more = head + k * 2 * width + width;
        for (int i = 0; i < slots; i++)
            for (int j = 0; j < width; j++) memory[i * width + j] += w[k * slots + i] * more[j];
    }
}

INLINE void ntm(const recurrent *l, real *s, const real *before, real *after, int t)
{
    const struct turing *n = l->own;
    int units = l->units, slots = n->slots, width = n->width, heads = n->reads + n->writes, wide = l->gates * units;
    int each = width + 4 + 2 * n->shifts, parameters = heads * each + n->writes * 2 * width;
    int read = n->lstm ? l->outputs : n->reads * width, all = slots * width, own = n->lstm ? units : 0;
    real *memory = l->cell + t * l->cells + own, *next = memory + l->cells, head[WIDEST];
    if (memory[all + heads * slots] == 0) begin_memory(n, memory);
    add_rows(s, before + l->outputs - read, l->recurrent_kernel, read, wide, wide);
    control(l, s, after, t);
    product(head, after, n->head_kernel, units, parameters);
    for (int k = 0; k < parameters && n->head_bias; k++) head[k] += n->head_bias[k];
    for (int k = 0; k < heads; k++)
        address(n, next + all + k * slots, head + k * each, memory, memory + all + k * slots);
    memcpy(next, memory, sizeof(real) * all);
    write_memory(n, next, head + heads * each, next + all + n->reads * slots);
    for (int k = 0; k < n->reads; k++) product(after + units + k * width, next + all + k * slots, next, slots, width);
    next[all + heads * slots] = 1;
}
