"""The tests that matter on other processors, run as compiled for them: `make portable`."""
