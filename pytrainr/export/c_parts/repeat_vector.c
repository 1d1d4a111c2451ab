/* y = x at every step */
static void repeat_vector(const real *x, real *y, int count, int width)
{
    for (int t = 0; t < count; t++) memcpy(y + t * width, x, sizeof(real) * width);
}
