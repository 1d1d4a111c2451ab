enum { LINEAR, LOGISTIC, TANH, GOMPERTZ, RELU, SOFTMAX };

/* y = f(y) for a vector */
static void activate(real *y, int n, int activation)
{
    real highest, sum = 0;
    switch (activation) {
    case LOGISTIC:
        for (int k = 0; k < n; k++) y[k] = 1 / (1 + EXP(-y[k]));
        break;
    case TANH:
        for (int k = 0; k < n; k++) y[k] = TANH_(y[k]);
        break;
    case GOMPERTZ:
        for (int k = 0; k < n; k++) y[k] = EXP(-EXP(-y[k]));
        break;
    case RELU:
        for (int k = 0; k < n; k++) y[k] = y[k] < 0 ? 0 : y[k];
        break;
    case SOFTMAX:
        highest = y[0];
        for (int k = 1; k < n; k++) highest = y[k] > highest ? y[k] : highest;
        for (int k = 0; k < n; k++) sum += y[k] = EXP(y[k] - highest);
        for (int k = 0; k < n; k++) y[k] /= sum;
        break;
    default:
        break;
    }
}
