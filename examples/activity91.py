"""The lecture's Activity 9.1 for rnn, gru and lstm: error per epoch, and actual against predicted, as pictures.

python examples/activity91.py        (needs matplotlib: pip install 'pytrainr[plots]')
"""

import numpy as np

from pytrainr import epoch_annealing, plots, predictr, set_seed, trainr

X = np.r_[1:61, 101:161].reshape((15, 4, 2), order="F") / 261  # filled column-major, as R's array() does
Y = np.r_[201:261].reshape((15, 4, 1), order="F") / 261

models = {}
for network_type in ("rnn", "gru", "lstm"):
    set_seed(7)
    models[network_type] = trainr(
        Y,
        X,
        learningrate=0.1,
        hidden_dim=30,
        network_type=network_type,
        numepochs=100,
        epoch_function=epoch_annealing,
    )
    print(f"{network_type:4}  mean error {models[network_type].mean_error[-1]:.6f} after 100 epochs")

plots.history(models, "activity91_error.png", "Activity 9.1: mean error per epoch")
fits = {name: predictr(model, X) * 261 for name, model in models.items()}
plots.fit(Y * 261, fits, "activity91_fit.png", "Activity 9.1: actual against predicted")
print("plots: activity91_error.png, activity91_fit.png")
