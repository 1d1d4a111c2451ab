/* y_t = [.., sum over j of a_tj x_j V_h, ..] O + b over the heads h,  a_t = softmax(e_t),  e_tj = g x_t Q_h . x_j K_h; the
   matrices of all heads stand side by side: queries and keys are of `width_of_keys` numbers for all of them. */
typedef struct {
    int steps, width, heads, causal, width_of_keys, width_of_values;
    real scale;
    const real *query, *query_bias, *key, *key_bias, *value, *value_bias, *output, *output_bias;
    real *x, *y, *present, *queries, *keys, *values, *seen, *share;
} multi_head_attention_layer;

INLINE void multi_head_attention(const multi_head_attention_layer *l)
{
    int steps = l->steps, n = l->width_of_keys, m = l->width_of_values, heads = l->heads;
    dense(l->x, l->queries, steps, l->width, n, l->query, l->query_bias, LINEAR);
    dense(l->x, l->keys, steps, l->width, n, l->key, l->key_bias, LINEAR);
    dense(l->x, l->values, steps, l->width, m, l->value, l->value_bias, LINEAR);
    for (int h = 0; h < heads; h++)
        for (int t = 0; t < steps; t++) {
            int first = h * (n / heads), seen = h * (m / heads), keys = l->causal ? t + 1 : steps;
            real *e = l->share + (h * steps + t) * steps;
            product_scores(e, l->queries + t * n + first, l->keys + first, n, n / heads, keys, l->scale);
            look(l->seen + t * m + seen, e, l->values + seen, m, m / heads, keys, l->present);
        }
    dense(l->seen, l->y, steps, m, l->width, l->output, l->output_bias, LINEAR);
}
