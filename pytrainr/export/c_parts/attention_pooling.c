/* y = sum over j of a_j x_j,  a = softmax(e);  e_j = v . tanh(x_j K + b), or v . x_j where there is no K */
typedef struct {
    int steps, width, units;
    const real *key, *bias, *score;
    real *x, *y, *present, *keys, *share;
} attention_pooling_layer;

INLINE void attention_pooling(const attention_pooling_layer *l)
{
    if (l->key) dense(l->x, l->keys, l->steps, l->width, l->units, l->key, l->bias, TANH);
    product_scores(l->share, l->score, l->keys, l->units, l->units, l->steps, 1);
    look(l->y, l->share, l->x, l->width, l->width, l->steps, l->present);
}
