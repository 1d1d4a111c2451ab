"""A trained network where there is no pytrainr: a C file, an ONNX graph, a PyTorch module. One file a target."""
