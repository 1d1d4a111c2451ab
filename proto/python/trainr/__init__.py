"""The wire of pytrainr: the generated stubs in `trainr.v1`, and `trainr.wire` between them and NumPy."""
