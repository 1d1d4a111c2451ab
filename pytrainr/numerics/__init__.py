"""The arithmetic under the cells: compiler policy, matrix products, elementwise functions."""
