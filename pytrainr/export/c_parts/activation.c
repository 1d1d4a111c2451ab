enum { LINEAR, LOGISTIC, TANH, GOMPERTZ, RELU, SOFTMAX };

/* y = f(y) for a vector */
INLINE void activate(real *y, int n, int activation)
{
    real highest, sum = 0;
    switch (activation) {
    case LOGISTIC:
        TOGETHER for (int k = 0; k < n; k++) y[k] = logistic(y[k]);
        break;
    case TANH:
        TOGETHER for (int k = 0; k < n; k++) y[k] = hyperbolic_tangent(y[k]);
        break;
    case GOMPERTZ:
        for (int k = 0; k < n; k++) y[k] = exponential(-exponential(-y[k]));
        break;
    case RELU:
        for (int k = 0; k < n; k++) y[k] = y[k] < 0 ? 0 : y[k];
        break;
    case SOFTMAX:
        highest = y[0];
        for (int k = 1; k < n; k++) highest = y[k] > highest ? y[k] : highest;
        for (int k = 0; k < n; k++) sum += y[k] = exponential(y[k] - highest);
        for (int k = 0; k < n; k++) y[k] /= sum;
        break;
    default:
        break;
    }
}
