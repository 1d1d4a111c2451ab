/* R's bias: recycled down the columns of the matrix of all `total` samples, of which this is number `row`. */
static void add_bias(double *s, const double *bias, int units, int row, int total)
{
    int place = row % units, ahead = total % units;
    for (int k = 0; k < units; k++) {
        s[k] += bias[place];
        place += ahead;
        if (place >= units) place -= units;
    }
}

static void logistic(double *s, int n)
{
    for (int k = 0; k < n; k++) s[k] = 1.0 / (1.0 + exp(-s[k]));
}

static void hyperbolic_tangent(double *s, int n)
{
    for (int k = 0; k < n; k++) s[k] = tanh(s[k]);
}

static void gompertz(double *s, int n)
{
    for (int k = 0; k < n; k++) s[k] = exp(-exp(-s[k]));
}

/* One layer: h is its state, of `units`; the weights of all gates stand side by side. */
typedef struct {
    int inputs, units;
    const double *time, *recurrent, *bias;
} layer;
