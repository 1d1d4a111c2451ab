/* y_t = the largest, or the mean, of each variable over the steps of window t that have an entry; 0 where none has */
static void pooling(const real *x, real *y, const real *present, int steps, int count, int width, int span,
                    int strides, int before, int mean)
{
    for (int t = 0; t < count; t++, y += width) {
        int first = t * strides - before, end = first + span, found = 0;
        for (int k = 0; k < width; k++) y[k] = 0;
        for (int s = first > 0 ? first : 0; s < end && s < steps; s++) {
            if (present && !(present[s] > 0)) continue;
            for (int k = 0; k < width; k++) {
                real value = x[s * width + k];
                if (mean)
                    y[k] += value;
                else if (!found || value > y[k])
                    y[k] = value;
            }
            found++;
        }
        for (int k = 0; k < width && mean && found; k++) y[k] /= found;
    }
}
