"""The layers, one file each; ``layer.py`` says what one is, ``pytrainr.layers`` lists them."""
