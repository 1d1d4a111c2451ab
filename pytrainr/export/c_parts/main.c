#ifdef PYTRAINR_MAIN
/* Reads rows of numbers from the standard input, a row for each time step, its INPUTS numbers between commas,
   semicolons, tabs or spaces; an empty line begins another sequence; a first line that is no numbers is a header. Writes
   the outputs likewise. */
#include <stdio.h>
#include <stdlib.h>

static NETWORK network;
static long line_number;

/* 1: a row of numbers; 0: an empty line; -1: the end. */
static int read_row(double *row)
{
    char text[LONGEST_LINE], *place, *end;
    while (fgets(text, sizeof text, stdin)) {
        int count = 0;
        line_number++;
        if (!strchr(text, '\n') && !feof(stdin)) {
            fprintf(stderr, "line %ld is too long\n", line_number);
            exit(1);
        }
        for (place = text;; place = end) {
            double value;
            place += strspn(place, ",; \t\r\n\"");
            if (!*place) break;
            value = strtod(place, &end);
            if (end == place && !strncmp(place, "NA", 2)) {
                value = NAN;
                end = place + 2;
            }
            if (end == place) break;
            if (count < INPUTS) row[count] = value;
            count++;
        }
        if (*place && line_number == 1) continue;
        if (*place || (count && count != INPUTS)) {
            fprintf(stderr, "line %ld should have %d numbers, it has %d%s\n", line_number, INPUTS, count,
                    *place ? " and then something else" : "");
            exit(1);
        }
        return count > 0;
    }
    return -1;
}

static void write_rows(const double *y, int steps)
{
    for (int t = 0; t < steps; t++)
        for (int k = 0; k < OUTPUTS; k++) printf("%.17g%s", y[t * OUTPUTS + k], k + 1 < OUTPUTS ? "," : "\n");
}

static void refuse(void)
{
    fprintf(stderr, "line %ld: the network takes %s\n", line_number, ACCEPTED);
    exit(1);
}
