/* a window has an entry where its step `entry` has */
static void pass_presence(const real *present, real *y_present, int count, int strides, int entry)
{
    for (int t = 0; t < count; t++) y_present[t] = present[t * strides + entry];
}
