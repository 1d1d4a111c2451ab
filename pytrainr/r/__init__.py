"""R's arithmetic: what R's ``rnn`` 1.9.1 computes, operation by operation, quirks kept.

One file per cell with its forward and, under it, its backward pass; ``layers`` holds what they share, ``output`` the
output layer, ``update`` the update rules, ``epoch`` the compiled loop over groups, ``network`` what the trainer sees.
"""
