/* y = a and b side by side */
static void join(const real *a, const real *b, real *y, int steps, int left, int right)
{
    for (int t = 0; t < steps; t++, y += left + right) {
        memcpy(y, a + t * left, sizeof(real) * left);
        memcpy(y + left, b + t * right, sizeof(real) * right);
    }
}
