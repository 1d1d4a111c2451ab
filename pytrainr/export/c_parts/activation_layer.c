/* y = f(x) at every step */
INLINE void activation_layer(const real *x, real *y, int steps, int width, int activation)
{
    memmove(y, x, sizeof(real) * steps * width);
    for (int t = 0; t < steps; t++) activate(y + t * width, width, activation);
}
