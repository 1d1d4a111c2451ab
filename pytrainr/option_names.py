"""One registry of option names: those of the product's other calls, and those that users bring along from elsewhere.

R keeps every further argument on the model, so a name that means something to its user, but not to this call, would
train without a word. For each such name the registry says what to write instead; other names are the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from pytrainr.argument_errors import ArgumentTypeError, Code, Setting, Value, wrong_type

__all__ = ["foreign_name", "normal_name"]

_CALLED = {
    "learningrate": "lr eta eta0 learn_rate step_size stepsize learning_rate_init",
    "learningrate_decay": "lr_decay learning_rate_decay",
    "hidden_dim": "units num_units n_units rnn_units hidden hidden_size hidden_sizes hidden_units n_hidden num_hidden "
    "hidden_layer_sizes hidden_nodes nodes neurons n_neurons",
    "network_type": "cell cell_type rnn_type unit_type model_type architecture",
    "numepochs": "epochs epoch n_epochs nepochs num_epochs max_epochs max_iter maxit n_iter iterations stepmax",
    "sigmoid": "activation activation_function act_fct nonlinearity transfer_function",
    "use_bias": "bias with_bias fit_intercept",
    "batch_size": "batch mini_batch minibatch mini_batch_size minibatch_size",
    "update_rule": "optimizer optimiser optimizer_type solver",
    "clipping": "clip clipvalue clip_value gradient_clip gradient_clipping grad_clip",
    "model": "warm_start initial_model pretrained",
}
"""Arguments of ``trainr``, and what they are called elsewhere."""

_CALLED_WITH_EXACT = {
    "loss": "loss_fn loss_type criterion objective cost_function err_fct",
    "output": "output_activation output_act linear_output out_activation",
    "l2": "weight_decay l2_reg l2_regularization kernel_regularizer",
    "dropout": "dropout_rate dropout_prob drop_rate p_dropout keep_prob",
    "clip_norm": "clipnorm max_grad_norm grad_norm max_norm gradient_clip_norm",
    "init": "kernel_initializer initializer weight_init init_weights",
    "validation": "validation_data validation_split validation_fraction val_data val_split eval_set test_size",
    "sample_weight": "sample_weights case_weights case_weight",
    "class_weight": "class_weights",
    "metrics": "metric eval_metric",
    "patience": "early_stopping early_stop early_stopping_rounds n_iter_no_change restore_best_weights",
}
"""Options that come with ``exact=True``, and what they are called elsewhere."""


class _Advice(NamedTuple):
    """Names, and what to say to who gives one: a template and its terms, see ``argument_errors``."""

    names: str
    template: str
    terms: Mapping[str, Any] = {}


_ADVICE = (
    _Advice(
        "seed random_state random_seed rng_seed set_seed",
        "draws come from a stream of random numbers: {seed}",
        {
            "seed": Code(
                "pytrainr.set_seed(1) before the call, or rng=pytrainr.RRandom(1)", "set.seed(1) before the call"
            )
        },
    ),
    _Advice(
        "num_layers n_layers hidden_layers",
        "{dims} has a number for each hidden layer",
        {"dims": Setting("hidden_dim", (16, 8))},
    ),
    _Advice(
        "decay",
        "the learning rate is multiplied by learningrate_decay after each epoch; weight decay is {l2} with {exact}",
        {"l2": "l2", "exact": Setting("exact", True)},
    ),
    _Advice(
        "callbacks callback on_epoch_end schedule lr_schedule scheduler lr_scheduler learningrate_schedule",
        "functions of the model that are called after each epoch are given as epoch_function",
    ),
    _Advice("epoch_model_function", "it is not used any more: epoch_function returns the model"),
    _Advice(
        "verbose trace silent quiet",
        "what is printed after each epoch comes from epoch_print: {quiet} is silent",
        {"quiet": Code("epoch_function=pytrainr.epoch_annealing", "epoch_function = epoch_annealing")},
    ),
    _Advice("shuffle", "samples are drawn into groups at random in every epoch, as in R"),
    _Advice(
        "n_jobs num_threads n_threads nthread num_workers n_cores",
        "{threads} says how many processors are used",
        {"threads": Code("pytrainr.set_threads", "the server's operator")},
    ),
    _Advice("device gpu cuda use_gpu", "training runs on the processor"),
    _Advice(
        "input_shape input_size n_features output_size num_classes n_classes",
        "the sizes follow from X and Y: (samples, time, variables)",
    ),
    _Advice(
        "return_sequences", "with {exact} a Y of one time step trains many-to-one", {"exact": Setting("exact", True)}
    ),
    _Advice(
        "lookback look_back window_size delay horizon every_step seq_len sequence_length timesteps time_steps",
        "the time steps are the second dimension of X; {windows} cuts a series into samples",
        {"windows": Code("pytrainr.series.windows", "pytrainr train --lookback, from the shell,")},
    ),
    _Advice("normalize normalise standardize standardise", "X and Y are taken as they are: scale them before"),
    _Advice("formula", "X and Y are arrays of (samples, time, variables), there is no formula"),
    _Advice("seeds grid progress halving", "it belongs to trainr_many"),
    _Advice("job_id model_id ttl_seconds", "it belongs to train_async of a server's client"),
    _Advice("connection address token", "it belongs to a server's client"),
    _Advice("real_output state return_state", "it belongs to predictr"),
)
"""What is not called otherwise, but done otherwise."""


def normal_name(name: str) -> str:
    """The name as it would be in small letters with ``_`` between the words."""
    return name.lower().replace(".", "_").replace("-", "_")


def foreign_name(name: str, call: str = "trainr") -> ArgumentTypeError | None:
    """What to write instead of the argument ``name`` of ``trainr`` or ``predictr``; None where it is the user's own."""
    advice = _registry().get(normal_name(name))
    if advice and call != "trainr":
        advice = _Advice(name, "it has no effect there")
    if advice is None:
        return None
    template = f"{{given}} is no argument of {call}: {advice.template}"
    return wrong_type(name, template, given=Value(name), **advice.terms)


@cache
def _registry() -> dict[str, _Advice]:
    with_exact = {"exact": Setting("exact", True)}
    every = [
        *(_Advice(names, f"it is called {name}") for name, names in _CALLED.items()),
        *(
            _Advice(names, f"it is called {name} and comes with {{exact}}", with_exact)
            for name, names in _CALLED_WITH_EXACT.items()
        ),
        *_ADVICE,
    ]
    return {name: advice for advice in every for name in advice.names.split()}
