/* y_t = sum over j of a_tj x_j,  a_t = softmax(e_t);  e_tj = g x_t . x_j, or v . tanh(x_t Q + x_j K) where there is v */
typedef struct {
    int steps, width, units, causal;
    const real *scale, *query, *key, *score;
    real *x, *y, *present, *queries, *keys, *share;
} attention_layer;

INLINE void attention(const attention_layer *l)
{
    int width = l->width, units = l->units;
    if (l->score) {
        dense(l->x, l->queries, l->steps, width, units, l->query, 0, LINEAR);
        dense(l->x, l->keys, l->steps, width, units, l->key, 0, LINEAR);
    }
    for (int t = 0; t < l->steps; t++) {
        int keys = l->causal ? t + 1 : l->steps;
        real *e = l->share + t * l->steps;
        if (l->score)
            additive_scores(e, l->queries + t * units, l->keys, l->score, units, keys);
        else
            product_scores(e, l->x + t * width, l->x, width, width, keys, l->scale ? l->scale[0] : 1);
        look(l->y + t * width, e, l->x, width, width, keys, l->present);
    }
}
