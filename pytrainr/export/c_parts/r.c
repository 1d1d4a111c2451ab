/* R's bias: recycled down the columns of the matrix of all `total` samples, of which this is number `row`. */
INLINE void add_bias(double *s, const double *bias, int units, int row, int total)
{
    int place = row % units, ahead = total % units;
    for (int k = 0; k < units; k++) {
        s[k] += bias[place];
        place += ahead;
        if (place >= units) place -= units;
    }
}

/* One layer: h is its state, of `units`; the weights of all gates stand side by side. */
typedef struct {
    int inputs, units;
    const double *time, *recurrent, *bias;
} layer;
