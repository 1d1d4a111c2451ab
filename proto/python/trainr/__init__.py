"""The messages and services of trainr.v1, generated from proto/trainr by `make proto`."""
