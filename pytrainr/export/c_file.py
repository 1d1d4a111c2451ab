"""``model.to_c(path)``: the network as one file of C99 that needs nothing but the C library, and allocates nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pytrainr.export.c_r import r_network
from pytrainr.export.c_text import identifier, part, words_of
from pytrainr.r_list import RList
from pytrainr.storage import write_atomically

__all__ = ["c_source", "to_c"]


def to_c(model: RList, path: str | os.PathLike[str], name: str | None = None) -> None:
    """Write the network as C; see :meth:`pytrainr.Model.to_c`."""
    write_atomically(path, [c_source(model, Path(path).stem if name is None else name).encode()])


def c_source(model: RList, name: str) -> str:
    """The text of the file, whose functions begin with ``name``; with "network_" before it where C cannot have it, or
    the file has something of that name."""
    if model.exact:
        from pytrainr.export.c_rows import exact_network

        defined, body = exact_network(model)
        functions, hurry = _EXACT, "-O3 -march=native"
    else:
        defined, body = r_network(model)
        body = "typedef double real;\n\n" + body
        functions, hurry = _R, "-O3 -march=native -DPYTRAINR_FAST"
    steps: Any = defined["STEPS"]
    kind = "_WHOLE" if steps else "_STREAM"
    texts = {"_STREAM": (_STREAM, _STREAM_MAIN), "_WHOLE": (_WHOLE, _WHOLE_MAIN)}
    interface, main = texts[kind]
    defined["ACCEPTED"] = f'"{_accepted(defined)}"'
    defined["LONGEST_LINE"] = 64 + 32 * int(defined["INPUTS"])
    lines = "".join(f"#define {key} {value}\n" for key, value in defined.items())
    text = "\n".join(
        [
            _HEAD.replace("DESCRIPTION", _description(model)).replace("USE", interface).replace("HURRY", hurry),
            "".join(f"#include <{name}.h>\n" for name in ("float", "math", "stdint", "string")),
            f"#define NETWORK NAME\n{lines}",
            body,
            functions,
            part("main") + main + "#endif\n",
        ]
    )
    name = identifier(name, words_of(text))
    upper = name.upper()
    return text.replace("NAME_MAIN", f"{upper}_MAIN").replace("NAME", name).replace("FILE", name)


def _description(model: RList) -> str:
    if model.exact and model.get("layers") is not None:
        from pytrainr.exact.layer_list import summary_of
        from pytrainr.exact.network import architecture_of

        return summary_of(architecture_of(model)).replace("─", "-").replace("\n", "\n   ")
    dims = "-".join(map(str, model.synapse_dim))
    arithmetic = "exact" if model.exact else "R's arithmetic"
    return f"{model.network_type} {dims}, {arithmetic}"


def _accepted(defined: dict[str, Any]) -> str:
    if defined.get("TOKENS"):
        return f"whole numbers from 0 to {defined['TOKENS'] - 1}"
    return "finite numbers" + (", or NA for a step without entry" if defined.get("MASKED") else "")


_HEAD = """\
/* A network trained and written by pytrainr:

   DESCRIPTION

USE
   As a program that reads CSV from the standard input and writes predictions:
       cc -std=c99 -O2 -ffp-contract=off -DPYTRAINR_MAIN FILE.c -lm -o FILE && ./FILE < X.csv
   Faster, with other last bits: HURRY instead of -std=c99 -O2 -ffp-contract=off.
   As part of another one leave out -DPYTRAINR_MAIN. Nothing is allocated; each NAME holds one sequence, and different
   ones may be used by different threads at once. */
"""

_STREAM = """\
   void NAME_reset(NAME *n)                            the next step is the first of a sequence
   int NAME_step(NAME *n, const double *x, double *y)  the output y of the next step x
   int NAME_predict(NAME *n, const double *x, int samples, int steps, double *y)
       samples sequences of so many steps each, x (samples, steps, inputs), one after another in memory; y (samples,
       NAME_output_steps(steps), outputs). What n held is forgotten.
   They return 0, or 1 where a number of x is none that the network takes: y and n are then as they were for a step.
"""

_WHOLE = """\
   int NAME_predict(NAME *n, const double *x, int samples, int steps, double *y)
       samples sequences of STEPS steps each, x (samples, steps, inputs), one after another in memory; y (samples,
       NAME_output_steps(steps), outputs). Returns 0, or 1 where a number of x is none that the network takes, or the
       number of steps is another. The network needs the whole sequence: it does not go step by step.
"""

_R = """\
typedef struct {
    double state[STATE];
} NAME;

void NAME_reset(NAME *n)
{
    memset(n->state, 0, sizeof n->state);
}

#if !STEPS
int NAME_step(NAME *n, const double *x, double *y)
{
    return run_step(n->state, x, y, 0, 1);
}
#endif

int NAME_output_steps(int steps)
{
    return STEPS ? OUTPUT_STEPS : steps;
}

int NAME_predict(NAME *n, const double *x, int samples, int steps, double *y)
{
    int run = STEPS ? RUN_STEPS : steps, first = run - NAME_output_steps(steps);
    double out[OUTPUTS];
    if (STEPS && steps != STEPS) return 1;
    for (int s = 0; s < samples; s++) {
        NAME_reset(n);
        for (int t = 0; t < run; t++, x += t <= steps ? INPUTS : 0) {
            if (run_step(n->state, t < steps ? x : 0, out, s, samples)) return 1;
            if (t < first) continue;
            memcpy(y, out, sizeof out);
            y += OUTPUTS;
        }
    }
    return 0;
}
"""

_EXACT = """\
typedef struct {
    real memory[STATE];
} NAME;

void NAME_reset(NAME *n)
{
    clear(n->memory);
}

#if !STEPS
int NAME_step(NAME *n, const double *x, double *y)
{
    if (read_step(n->memory, x, 0)) return 1;
    run(n->memory);
    write_step(y, n->memory, 0);
    if (PRESENT >= 0 && n->memory[PRESENT] == 0)
        for (int k = 0; k < OUTPUTS; k++) y[k] = NAN;
    return 0;
}
#endif

int NAME_output_steps(int steps)
{
    return STEPS ? OUTPUT_STEPS : LAST_ONLY ? 1 : steps;
}

int NAME_predict(NAME *n, const double *x, int samples, int steps, double *y)
{
#if STEPS
    if (steps != STEPS) return 1;
    for (int s = 0; s < samples; s++) {
        clear(n->memory);
        for (int t = 0; t < STEPS; t++, x += INPUTS)
            if (read_step(n->memory, x, t)) return 1;
        for (int k = STEPS * INPUTS; k < RUN_STEPS * INPUTS; k++) n->memory[INPUT + k] = 0;
        for (int t = STEPS; t < RUN_STEPS && PRESENT >= 0; t++) n->memory[PRESENT + t] = 1;
        run(n->memory);
        for (int t = 0; t < OUTPUT_STEPS; t++, y += OUTPUTS) {
            write_step(y, n->memory, t);
            if (PRESENT >= 0 && OUTPUT_STEPS == RUN_STEPS && n->memory[PRESENT + t] == 0)
                for (int k = 0; k < OUTPUTS; k++) y[k] = NAN;
        }
    }
#else
    for (int s = 0; s < samples; s++) {
        NAME_reset(n);
        for (int t = 0; t < steps; t++, x += INPUTS) {
            double out[OUTPUTS];
            if (read_step(n->memory, x, 0)) return 1;
            run(n->memory);
            write_step(out, n->memory, 0);
            if (PRESENT >= 0 && !LAST_ONLY && n->memory[PRESENT] == 0)
                for (int k = 0; k < OUTPUTS; k++) out[k] = NAN;
            if (LAST_ONLY && t + 1 < steps) continue;
            memcpy(y, out, sizeof out);
            y += OUTPUTS;
        }
    }
#endif
    return 0;
}
"""

_STREAM_MAIN = """\

int main(void)
{
    double x[INPUTS], y[OUTPUTS];
    int found, steps = 0;
    NAME_reset(&network);
    do {
        found = read_row(x);
        if (found > 0) {
            if (NAME_step(&network, x, y)) refuse();
            steps++;
            if (NAME_output_steps(2) == 2) write_rows(y, 1);
        } else {
            if (steps && NAME_output_steps(2) == 1) write_rows(y, 1);
            if (steps && found == 0 && NAME_output_steps(2) == 2) printf("\\n");
            NAME_reset(&network);
            steps = 0;
        }
    } while (found >= 0);
    return 0;
}
"""

_WHOLE_MAIN = """\

int main(void)
{
    static double x[STEPS * INPUTS], y[OUTPUT_STEPS * OUTPUTS];
    double row[INPUTS];
    int found, steps = 0;
    do {
        found = read_row(row);
        if (found > 0) {
            if (steps < STEPS) memcpy(x + steps * INPUTS, row, sizeof row);
            steps++;
        } else if (steps) {
            if (steps != STEPS) {
                fprintf(stderr, "line %ld: a sequence should have %d rows, this one has %d\\n", line_number, STEPS,
                        steps);
                return 1;
            }
            if (NAME_predict(&network, x, 1, STEPS, y)) refuse();
            write_rows(y, OUTPUT_STEPS);
            if (found == 0 && OUTPUT_STEPS > 1) printf("\\n");
            steps = 0;
        }
    } while (found >= 0);
    return 0;
}
"""
