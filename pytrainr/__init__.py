"""pytrainr: R's rnn package in Python, to the bit."""
