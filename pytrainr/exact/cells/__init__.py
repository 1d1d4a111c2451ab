"""The cells: one file each, with the equations of one time step and, under them, their derivatives.

A cell is a NamedTuple of its options as compiled code reads them (its class needs a name of its own: Numba knows types
by name), and in the same file

    forward(cell, weights, tape, t)                 fills ``tape.hidden[t + 1]`` from ``tape.gates[t]`` = x·W (+ b)
    backward(cell, weights, transposed, tape, t)    takes ``tape.d_y[t]``; fills ``tape.delta[t]`` and what goes back to
                                                    step t − 1
    add_gradient(cell, gradient, weights, tape)     the weights' gradient, over all time steps at once

and the layer that drives it, a ``Recurrent``. A new cell is a file like these and one line in ``layers.LAYERS``.
"""
