"""One run of ``trainr``, advanced slice by slice: what ``trainr`` and the server both drive.

An epoch is cut into slices of about half a second, between which Python looks at signals, other threads' wishes and
checkpoints. A compiled call runs a slice's groups; the cutting changes no bit.
"""

from __future__ import annotations

import json
import math
import operator
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import Place, Setting, wrong_type, wrong_value
from pytrainr.groups import Groups, draw_groups
from pytrainr.loss_functions import loss_L1
from pytrainr.memory import check_memory
from pytrainr.model import Model
from pytrainr.model_checks import (
    COUNTED,
    FIXED,
    OPTION_FIELDS,
    check_error,
    check_fixed,
    check_model,
    check_training_fields,
)
from pytrainr.network import description_of, direct_operations, few, layout_of, network_of, training_bytes
from pytrainr.numerics.long_double import column_means
from pytrainr.parameters import Flat
from pytrainr.preparation import new_model, retrained_model
from pytrainr.r.bits import note_difference
from pytrainr.r.epoch import Batch
from pytrainr.r_list import TRAINING_SIZED
from pytrainr.r_random import RRandom, stream_of
from pytrainr.schedules import Schedule, schedule_named
from pytrainr.storage import can_be_packed, packed, unpacked

__all__ = ["CheckpointError", "DivergedError", "Stopped", "Training"]

_SLICE_SECONDS = 0.5
_SLICE_BYTES = 64e6
_MISSING: Any = object()
_PESSIMISTIC_SPEED = 5e8  # floating-point operations a second, before anything has been measured


class DivergedError(ValueError):
    """The error of an epoch is NaN. ``epoch`` says which (from 1); ``model`` is the last one that was finite."""

    def __init__(self, message: str, epoch: int, model: Model) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.model = model


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or not of this training. What it was to be restored to is not to be used."""


class Stopped(Exception):  # noqa: N818 - not an error
    """``stop`` was called; the training stands between two groups and can be checkpointed or advanced again."""


class _Whole(NamedTuple):
    """What there was after a whole epoch: its number, the fields but ``error``, the flat vectors."""

    epoch: int
    fields: dict[str, Any]
    state: dict[str, Flat]
    known: bool = True
    """False where a checkpoint that an older version wrote within an epoch does not have it: then these are of that
    moment."""


class Training:
    """A training under way: ``advance`` it until it is ``finished``, then take its ``result``.

    Parameters are those of ``trainr``. ``epoch`` counts the whole epochs done, ``numepochs`` those to do.
    """

    def __init__(
        self,
        Y: Any,
        X: Any,
        model: Model | None = None,
        *,
        rng: RRandom | None = None,
        keep_store: bool = False,
        begin: bool = True,
        **options: Any,
    ) -> None:
        self.keep_store = arguments.flag(keep_store, "keep_store")
        self.rng = stream_of(rng)
        options["exact"] = arguments.flag(options.get("exact", False), "exact")
        self.validation: Any = None
        self.metrics: Any = None
        self._initial_state: Any = None
        described = model if isinstance(model, Model) else options  # what else it is, is refused below
        if options["exact"] or (isinstance(model, Model) and model.exact):
            Y, X = self._hold_out(Y, X, options, described.get("loss"))
        if model is None:
            self.model, self.X, self.Y = new_model(Y, X, **options)
        else:
            self.model, self.X, self.Y = retrained_model(model, Y, X, keep_store=self.keep_store, **options)
        if self.keep_store and self.model.exact:
            raise wrong_value(
                "keep_store",
                "{place} belongs to R's arithmetic; predictr(model, X, {hidden}) has the states",
                hidden=Setting("hidden", True),
            )
        if not self.model.exact:
            note_difference()
        self.numepochs: int = self.model.numepochs
        if self.model.exact:
            self.model.validated = self.validation is not None
        self.epoch = 0
        self._stop = np.zeros(1, dtype=np.uint8)
        self._groups: Groups | None = None
        self._done = 0  # groups of this epoch
        self._speed = 0.0  # samples a second
        self._is_new = model is None
        if begin:
            self.begin()

    def memory_bytes(self, *, checkpoints: bool = False) -> float:
        """About how much memory it will take beyond X and Y, at the most; ``checkpoints``: with those of a server."""
        return training_bytes(self.model, self.samples, keep_store=self.keep_store, checkpoints=checkpoints)

    def direct_operations(self) -> float:
        """About how many floating point operations it takes in steps that nothing can interrupt."""
        return direct_operations(self.model, self.samples)

    def check_memory(self, *, checkpoints: bool = False) -> None:
        """Raise :class:`NotEnoughMemoryError` where that is more than there is."""
        what = f"training on {self.samples} samples for {self.numepochs} epochs with hidden_dim "
        check_memory(self.memory_bytes(checkpoints=checkpoints), what + few(self.model.hidden_dim))

    def begin(self) -> None:
        """Take the memory and draw the initial weights; only with ``begin=False``, else it is done already."""
        self.check_memory()
        self._make_network()
        self.network.compile_ahead(self.model)
        self.state: dict[str, Flat] = {"weights": self.network.layout.zeros()}
        if self._is_new:
            self.state["weights"] = self.network.initial_weights(self.rng)
            self.network.layout.attach(self.model, self.state["weights"])
        self._make_slots()
        self._collect()
        check_training_fields(self.model, self.samples)
        self.model.error = np.zeros((self.samples, self.numepochs), order="F")
        self.model.current_epoch = 0
        for name in ("stop_training", "best_epoch_kept", "held_out_error"):  # of an earlier training
            self.model.pop(name)
        if self.validation is not None:
            self.validation.begin(self.model)
        if self.model.exact:
            self._begin_exact()
        if self.keep_store:
            self._make_store()
        self.model.sort()
        self._whole = self._snapshot()

    def _hold_out(self, Y: Any, X: Any, options: dict[str, Any], loss: Any) -> tuple[Any, Any]:
        """Put the samples for validation aside; those that remain."""
        validation = options.pop("validation", None)
        self._initial_state = options.pop("initial_state", None)
        if validation is not None:
            from pytrainr.exact.validation import held_out

            self.validation, Y, X, options["mask"] = held_out(validation, Y, X, options.get("mask"), loss)
            options["sample_weight"] = self.validation.take_weights(options.get("sample_weight"))
            self._initial_state = self.validation.take_states(self._initial_state)
        elif options.get("patience") is not None:
            raise wrong_value("patience", "{place} needs validation: the data whose loss it waits for")
        return Y, X

    def _begin_exact(self) -> None:
        """What comes with ``exact=True`` beside the network: metrics, and the states before the first step."""
        from pytrainr.exact.entries import check_label_steps
        from pytrainr.exact.losses import takes_labels
        from pytrainr.exact.metrics import Metrics
        from pytrainr.exact.prediction import check_stateful, checked_states

        network: Any = self.network
        if self._initial_state is not None:
            check_stateful(self.model, "initial_state")
            if network.takes_whole_epochs or self.X.shape[1] != self.model.time_dim:
                raise wrong_value("initial_state", "{place} belongs to training by gradient on whole sequences")
            self._initial_state = checked_states(network, self._initial_state, self.samples, "initial_state")
            network.initial_states = self._initial_state
            if self.validation is not None and self.validation.states is not None:
                held = self.validation.states
                self.validation.states = checked_states(network, held, len(held), "initial_state")
            # so that a group's samples are rows of X, as they are of the states
            self.X, self.Y = (np.ascontiguousarray(array, dtype=network.dtype) for array in (self.X, self.Y))
        if takes_labels(self.model.loss):
            blank = self.model.get("blank") or 0
            check_label_steps(self.Y, Place("Y"), blank, network.output_lengths(self.X))
            if self.validation is not None:
                self.validation.check_label_steps(self.model, network)
        self.metrics = Metrics(self.model, self.X, self.Y, self.validation)

    # where it stands ----------------------------------------------------------------------------------------------

    @property
    def samples(self) -> int:
        """How many samples are trained on."""
        return self.X.shape[0]

    @property
    def finished(self) -> bool:
        """Whether every epoch is done."""
        return self.epoch >= self.numepochs

    @property
    def progress(self) -> float:
        """How much of the current epoch is done, 0 to 1."""
        return 0.0 if self._groups is None else float(self._groups.starts[self._done]) / self.samples

    # running ------------------------------------------------------------------------------------------------------

    def advance(self, seconds: float = _SLICE_SECONDS) -> bool:
        """Train for about ``seconds``, at most to the end of the epoch; whether an epoch was completed.

        At an epoch's end the epoch functions have been called. Raises :class:`Stopped` after :meth:`stop`,
        :class:`DivergedError` where the epoch's mean error is NaN.
        """
        if self.finished:
            return False
        if self._groups is None:
            self._begin_epoch()
        groups = self._groups
        assert groups is not None
        deadline = time.monotonic() + seconds
        while self._done < groups.starts.size - 1:
            self._run_slice(groups, max(deadline - time.monotonic(), 0.0))
            if self._stop[0]:
                self._stop[0] = 0
                raise Stopped
            if time.monotonic() >= deadline and self._done < groups.starts.size - 1:
                return False
        self._end_epoch()
        return True

    def stop(self) -> None:
        """Ask a running ``advance`` to return, from any thread: it raises :class:`Stopped` after the current group."""
        self._stop[0] = 1

    def result(self) -> Model:
        """The trained model."""
        if self.finished and self.keep_store:
            self._keep_best_store()
        if self.validation is not None:
            self.validation.finish(self.model, self.network, self.state)
        if self.metrics is not None:
            self.metrics.finish(self.model)
        return self.model

    @property
    def has_whole_epoch(self) -> bool:
        """Whether there is one that :meth:`last_whole_epoch` is the model of."""
        return self._whole.epoch > 0 and self._whole.known

    def last_whole_epoch(self) -> Model:
        """The model as it was after the last whole epoch, sharing nothing with the training: after an interruption."""
        epoch, fields, state, _ = self._whole
        model = Model(fields).copy()
        self.network.layout.attach(model, state["weights"].copy())
        for suffix, layout in self.network.slots.items():
            if suffix in state:  # an epoch function may have chosen another rule since
                layout.attach(model, state[suffix].copy(), suffix)
        model.error = np.asfortranarray(self.model.error[:, :epoch])
        model.current_epoch = epoch
        for field in self._histories():
            model[field] = model[field][:epoch]
        return model

    def _histories(self) -> list[str]:
        """The fields beside ``error`` that have a number for each epoch."""
        histories = [] if self.validation is None else ["validation_loss"]
        return histories if self.metrics is None else [*histories, *self.metrics.fields]

    # epochs and slices --------------------------------------------------------------------------------------------

    def _begin_epoch(self) -> None:
        self._epoch_seed = self.rng.random_seed
        self._groups = draw_groups(self.rng, self.samples, self.model.batch_size)
        self._done = 0
        self.model.current_epoch = self.epoch + 1

    def _run_slice(self, groups: Groups, seconds: float) -> None:
        first, last = self._done, self._slice_end(groups, seconds)
        begin, end = groups.starts[first], groups.starts[last]
        batch = self._batch(groups.order[begin:end], groups.starts[first : last + 1] - begin)
        started = time.monotonic()
        if self._update_rule_scales():
            done, _ = self._call(
                (end - begin) / self._estimated_speed(),
                lambda: self.network.run_groups(self.model, self.state, batch, 0, self.rng, self._stop),
            )
        else:
            done = self._run_with_loss_function(batch)
        trained = groups.starts[first + done] - begin
        if trained:
            self._speed = trained / max(time.monotonic() - started, 1e-6)
        self._done = first + done
        rows = groups.order[begin : begin + trained]
        self.model.error[:, self.epoch][rows] = batch.error[:trained]
        if self.keep_store:
            self._store(rows, batch.record[:trained])

    def _update_rule_scales(self) -> bool:
        """Whether the compiled loop itself does what the loss function does (adagrad, as in R, calls none)."""
        as_r = self.model.update_rule == "adagrad" and not self.model.exact
        return self.model.loss_function is loss_L1 or as_r

    def _run_with_loss_function(self, batch: Batch) -> int:
        """Group after group, the caller's loss function between the gradients and the update."""
        done = 0
        while done < batch.starts.size - 1 and not self._stop[0]:
            done, _ = self.network.run_groups(self.model, self.state, batch, done, self.rng, self._stop, False)
            self._call_function(self.model.loss_function, "loss_function")
            self.network.finish_update(self.model, self.state, self.rng)
        return done

    def _slice_end(self, groups: Groups, seconds: float) -> int:
        """The group before which a slice from the current one ends: at least one, as many as ``seconds`` hold."""
        if self.network.takes_whole_epochs:
            return groups.starts.size - 1
        count = min(seconds, _SLICE_SECONDS) * self._estimated_speed()
        count = min(count, _SLICE_BYTES / (8 * (self.X[0].size + self.Y[0].size + self._record_size())))
        place = groups.starts[self._done] + int(count)
        return max(self._done + 1, int(np.searchsorted(groups.starts, place, side="right")) - 1)

    def _estimated_speed(self) -> float:
        if self._speed:
            return self._speed
        return _PESSIMISTIC_SPEED / (6.0 * self.network.layout.size * self.model.time_dim)

    def _call(self, expected_seconds: float, function: Callable[[], tuple[int, bool]]) -> tuple[int, bool]:
        """Call a compiled function; where it may take long, in a thread of its own, so that Ctrl-C is heard at once.

        Python handles Ctrl-C between two of its own instructions, never inside a compiled call. After one, the call
        runs on to the end of its group and is forgotten: the model handed back shares nothing with it.
        """
        if expected_seconds < _SLICE_SECONDS * 1.2 or threading.current_thread() is not threading.main_thread():
            return function()
        answer: list[Any] = []
        finished = threading.Event()

        def work() -> None:
            try:
                answer.append(function())
            except BaseException as error:  # handed to the caller
                answer.append(error)
            finished.set()

        threading.Thread(target=work, daemon=True, name="pytrainr-slice").start()
        try:
            while not finished.wait(0.1):
                pass
        except KeyboardInterrupt:
            self._stop[0] = 1
            raise
        if isinstance(answer[0], BaseException):
            raise answer[0]
        return answer[0]

    def _batch(self, rows: np.ndarray, starts: np.ndarray) -> Batch:
        """The samples ``rows`` in this order: in the caller's arrays, or copied where these are not as they should."""
        steps = self.model.time_dim
        target_steps = steps if self.network.pads_targets else self.Y.shape[1]
        X, Y, order, dtype = self.X, self.Y, rows, self.network.dtype
        if not (_is_ready(X, steps, dtype) and _is_ready(Y, target_steps, dtype)):
            X = _gathered(X, rows, steps, 0, dtype)
            Y = _gathered(Y, rows, target_steps, target_steps - Y.shape[1], dtype)
            order = np.arange(rows.size)
        X, Y = _writable(X), _writable(Y)
        record = np.empty((rows.size, self._record_size()))
        return Batch(X, Y, order, np.ascontiguousarray(starts), np.zeros(rows.size), record, self._unused_steps())

    def _unused_steps(self) -> int:
        """The steps before an unsynchronised output begins; R leaves out one even where there is none."""
        if not self.model.seq_to_seq_unsync:
            return 0
        return max(1, self.model.time_dim_input - 1)

    def _end_epoch(self) -> None:
        column = self.model.error[:, self.epoch]
        if math.isnan(column.sum()):
            raise self._diverged("the error became NaN")
        stopping = self.validation is not None and self.validation.after_epoch(self.model, self.network, self.state)
        if self.validation is not None and not math.isfinite(self.model.validation_loss[self.epoch]):
            raise self._diverged("the validation loss is not finite")
        if self.metrics is not None:
            self.metrics.after_epoch(self.model, self.network, self.state)
        for function in list(self.model.epoch_function):
            self._call_function(function, "epoch_function")
        self.epoch += 1
        if self.validation is not None and self.model.get("best_epoch_kept"):
            self.validation.keep(self.model, self.state)
        stopping = self._told_to_stop() or stopping
        if stopping:
            self.numepochs = self.epoch
            self.model.error = np.asfortranarray(self.model.error[:, : self.epoch])
        self._groups = None
        self._done = 0
        if self._is_finite():
            self._whole = self._snapshot()

    def _told_to_stop(self) -> bool:
        """Whether an epoch function has set ``model.stop_training``, which is no field of the trained model."""
        return arguments.flag(self.model.pop("stop_training") or False, "model.stop_training")

    def _diverged(self, what: str) -> DivergedError:
        return DivergedError(
            f"{what} in epoch {self.epoch + 1} of {self.numepochs}: the weights have grown beyond all bounds. Try a "
            f"smaller learningrate (it is {self.model.learningrate:.6g}) or clipping=1; the model after epoch "
            f"{self._whole.epoch} is attached to this error as .model",
            self.epoch + 1,
            self.last_whole_epoch(),
        )

    def _call_function(self, function: Callable, argument: str) -> None:
        """Let a function of the caller's read and change the model; what it changed counts from now on."""
        before = self._options()
        returned = function(self.model)
        if not isinstance(returned, Model):
            name = getattr(function, "__name__", repr(function))
            raise wrong_type(
                argument,
                "{place} {function} should return the model that it was given (changed or not); it returned {value}: "
                "is a 'return model' missing at its end?",
                function=name,
                value=returned,
            )
        self.model = returned
        self._take_options(before)
        self._collect()
        self.model.error = check_error(self.model.get("error"), self.samples, self.numepochs)
        self.model.learningrate = arguments.rate(self.model.get("learningrate"), "model.learningrate")

    def _options(self) -> list[Any]:
        """What the model says of the network and its training; to see what a function changes."""
        return self.model.get_all(OPTION_FIELDS, _MISSING)

    def _take_options(self, before: list[Any]) -> None:
        """Check the options that a function may have changed as at creation, and build the network that they describe.

        Raises ``TypeError`` or ``ValueError`` that names the field, also for one that may not change.
        """
        now = self._options()
        if all(map(operator.is_, before, now)):
            return
        values = zip(OPTION_FIELDS, before, strict=True)
        check_fixed({name: value for name, value in values if value is not _MISSING}, self.model)
        check_model(self.model, layout_of)
        check_training_fields(self.model, self.samples)
        if self._described != description_of(self.model):
            self._make_network()
            self._make_slots()

    def _make_network(self) -> None:
        """The network as the model now describes it."""
        self.network = network_of(self.model)
        self._described = description_of(self.model)
        if self._initial_state is not None:
            self.network.initial_states = self._initial_state  # type: ignore[attr-defined]

    def _make_slots(self) -> None:
        """Room for what the update rule remembers, where the model has none of it yet."""
        for suffix, layout in self.network.slots.items():
            if suffix not in self.state:
                self.state[suffix] = layout.zeros()
            if next(iter(layout)).field + suffix not in self.model:
                layout.attach(self.model, self.state[suffix], suffix)

    def _collect(self) -> None:
        self.network.layout.collect(self.model, self.state["weights"])
        for suffix, layout in self.network.slots.items():
            layout.collect(self.model, self.state[suffix], suffix)

    def _snapshot(self) -> _Whole:
        fields = {name: value for name, value in self.model.items() if name != "error"}
        return _Whole(self.epoch, fields, {name: flat.copy() for name, flat in self.state.items()})

    def _is_finite(self) -> bool:
        return all(np.isfinite(flat).all() for flat in self.state.values())

    # the arrays as large as the data (keep_store) -----------------------------------------------------------------

    def _record_size(self) -> int:
        if not self.keep_store:
            return 0
        steps = self.model.time_dim
        return sum(math.prod(shape) for shape in self.network.store_shapes(steps)) + 2 * steps * self.model.output_dim

    def _make_store(self) -> None:
        model, steps = self.model, self.model.time_dim
        shapes = [(self.samples, *shape) for shape in self.network.store_shapes(steps)]
        check_memory(16 * sum(map(math.prod, shapes)), "keep_store=True")
        if "store" not in model or not _hold(model.store, shapes):
            model.store = [np.zeros(shape) for shape in shapes]
        for name in ("last_layer_error", "last_layer_delta"):
            if name not in model or not _hold([model[name]], shapes[-1:]):
                model[name] = np.zeros(shapes[-1])

    def _store(self, rows: np.ndarray, record: np.ndarray) -> None:
        column = 0
        for array in (*self.model.store, self.model.last_layer_error, self.model.last_layer_delta):
            size = math.prod(array.shape[1:])
            array[rows] = record[:, column : column + size].reshape(-1, *array.shape[1:])
            column += size

    def _keep_best_store(self) -> None:
        """R copies the store where the last epoch's mean error is the smallest of all, ties included."""
        means = np.empty(self.numepochs)
        column_means(means, self.model.error)
        if means[-1] == means.min():
            self.model.store_best = [array.copy() for array in self.model.store]

    # checkpoints --------------------------------------------------------------------------------------------------

    def checkpoint(self) -> dict[str, Any]:
        """All that is needed to go on from here, between two groups, to the same bits: arrays and plain values.

        Not in it: X and Y, the options, and the errors of finished epochs, ``model.error[:, :epoch]``.
        """
        schedules = self._schedules()
        saved: dict[str, Any] = {
            "epoch": self.epoch,
            "done": self._done if self._groups is not None else -1,
            "fields": self._packed(dict(self.model.items())),
            "random_seed": self.rng.random_seed,
            "schedules": json.dumps({place: schedule.__name__ for place, schedule in schedules.items()}),
        }
        for place, schedule in schedules.items():
            if schedule.weights is not None:
                saved[_of_schedule(place)] = schedule.weights.copy()
        if self._groups is not None:
            saved["epoch_random_seed"] = self._epoch_seed
            saved["error_column"] = self.model.error[:, self.epoch].copy()
        for name, flat in self.state.items():
            saved["state:" + name] = flat.copy()
        if self.keep_store:
            for k, array in enumerate((*self.model.store, self.model.last_layer_error, self.model.last_layer_delta)):
                saved[f"store:{k}"] = array.copy()
        if self._whole.known and (self._groups is not None or self._whole.epoch != self.epoch):
            saved |= {"whole:epoch": self._whole.epoch, "whole:fields": self._packed(self._whole.fields)}
            saved |= {"whole:state:" + name: flat for name, flat in self._whole.state.items()}
        return saved

    def _packed(self, fields: dict[str, Any]) -> np.ndarray:
        """Those of the fields that are kept in a checkpoint."""
        return packed({name: value for name, value in fields.items() if self._is_kept(name, value)})

    def _schedules(self) -> dict[int, Schedule]:
        """The schedules, by their place among the epoch functions."""
        functions = enumerate(self.model.epoch_function)
        return {place: function for place, function in functions if isinstance(function, Schedule)}

    def restore(self, checkpoint: dict[str, Any], error_columns: np.ndarray) -> None:
        """Go on from a :meth:`checkpoint` of a training with the same data and options.

        ``error_columns`` (samples, epochs done) is ``model.error[:, :epoch]`` as it was then. Raises
        :class:`CheckpointError` for one that is not of this training.
        """
        epoch, done, error_columns = self._checked_place(checkpoint, error_columns)
        for name, value in self._checked_fields(checkpoint, "fields").items():
            self.model[name] = value
        self.model.epoch_function = self._restored_functions(checkpoint)
        check_training_fields(self.model, self.samples)
        self.epoch = epoch
        self._make_network()
        self._make_slots()
        for name in self.state.keys() & {"weights", *self.network.slots}:
            self.state[name][...] = _checked_array(checkpoint, "state:" + name, self.state[name].shape)
        self.model.error[:, :epoch] = error_columns
        if self.keep_store:
            for k, array in enumerate((*self.model.store, self.model.last_layer_error, self.model.last_layer_delta)):
                array[...] = _checked_array(checkpoint, f"store:{k}", array.shape)
        self._groups, self._done = None, 0
        if done >= 0:
            self.rng.random_seed = _checked_seed(checkpoint, "epoch_random_seed")
            self._begin_epoch()
            assert self._groups is not None
            if done >= self._groups.starts.size:
                raise CheckpointError(f"done is {done}; the epoch has {self._groups.starts.size - 1} groups")
            self._done = done
            self.model.error[:, epoch] = _checked_array(checkpoint, "error_column", (self.samples,))
        self.rng.random_seed = _checked_seed(checkpoint, "random_seed")
        self._whole = self._restored_whole(checkpoint)

    def _restored_whole(self, checkpoint: dict[str, Any]) -> _Whole:
        """What there was after the last whole epoch, once everything else has been restored."""
        if "whole:epoch" not in checkpoint:
            return self._snapshot()._replace(known=self._groups is None and self._is_finite())
        epoch = checkpoint["whole:epoch"]
        if not isinstance(epoch, int) or not 0 <= epoch <= self.epoch:
            raise CheckpointError(f"whole:epoch is {epoch!r}; {self.epoch} epochs are done")
        fields = {name: value for name, value in self.model.items() if not self._is_kept(name, value)}
        fields |= self._checked_fields(checkpoint, "whole:fields")
        del fields["error"]
        saved = [name for name in self.state if name == "weights" or "whole:state:" + name in checkpoint]
        state = {name: _checked_array(checkpoint, "whole:state:" + name, self.state[name].shape) for name in saved}
        return _Whole(epoch, fields, {name: flat.copy() for name, flat in state.items()})

    def _restored_functions(self, checkpoint: dict[str, Any]) -> list[Callable]:
        """The epoch functions, those that are schedules as they were."""
        functions, size = list(self.model.epoch_function), layout_of(self.model).size
        try:
            for place, name in json.loads(str(checkpoint.get("schedules", "{}"))).items():
                schedule = schedule_named(name)
                if schedule is None:
                    raise ValueError(f"{name!r} is no schedule")
                if schedule.keeps_weights:
                    schedule.weights = _checked_array(checkpoint, _of_schedule(int(place)), (size,))
                functions[int(place)] = schedule
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise CheckpointError(f"schedules are not what a checkpoint holds: {error}") from error
        return functions

    def _is_kept(self, name: str, value: Any) -> bool:
        """Whether a field goes into a checkpoint: what is no weight, no function and not as large as the data."""
        if name in ("error", "epoch_function", "loss_function", *TRAINING_SIZED):
            return False
        fields = {block.field for block in self.network.layout}
        if any(name == field + suffix for field in fields for suffix in ("", *self.network.slots)):
            return False
        return can_be_packed(value)

    def _checked_place(self, checkpoint: dict[str, Any], error_columns: np.ndarray) -> tuple[int, int, np.ndarray]:
        epoch, done = checkpoint.get("epoch"), checkpoint.get("done")
        if not isinstance(epoch, int) or not isinstance(done, int) or not 0 <= epoch <= self.numepochs or done < -1:
            raise CheckpointError(f"epoch is {epoch!r} and done {done!r}; there are {self.numepochs} epochs")
        if error_columns.shape[0] != self.samples or error_columns.shape[1] < epoch:
            raise CheckpointError(
                f"the errors have the shape {error_columns.shape}, {(self.samples, epoch)} are needed"
            )
        return epoch, done, error_columns[:, :epoch]

    def _checked_fields(self, checkpoint: dict[str, Any], which: str) -> dict[str, Any]:
        """The fields of a checkpoint, once they have been seen to describe this network."""
        try:
            data = checkpoint[which]
            if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
                raise TypeError(f"{which} should be bytes, it is {data!r:.200}")
            fields = unpacked(data)
            saved = Model({**dict(self.model.items()), **fields})
            counted = {name: saved[name] for name in COUNTED if name in saved}
            check_fixed({**{name: self.model[name] for name in FIXED if name in self.model}, **counted}, saved)
            check_model(saved, layout_of)
            if self.validation is not None:
                self.validation.check(saved)
            if self.metrics is not None:
                self.metrics.check(saved)
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"the checkpoint does not belong to this training: {error}") from error
        return {name: saved[name] for name in fields}


def _of_schedule(place: int) -> str:
    """The name of the weights that a schedule keeps, in a checkpoint."""
    return f"schedule:{place}"


def _checked_array(checkpoint: dict[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    array = checkpoint.get(name)
    if not isinstance(array, np.ndarray) or array.dtype != np.float64 or array.shape != shape:
        raise CheckpointError(f"{name} should be an array of float64 of the shape {shape}")
    return array


def _checked_seed(checkpoint: dict[str, Any], name: str) -> np.ndarray:
    """A state of R's generator, as its stream takes it."""
    try:
        stream = RRandom(0)
        stream.random_seed = checkpoint[name]
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{name} is no state of R's random numbers: {error}") from error
    return stream.random_seed


def _hold(arrays: list[np.ndarray], shapes: list[tuple[int, ...]]) -> bool:
    """Whether arrays of an earlier training have room for as many samples as these: R then goes on in them."""
    if not isinstance(arrays, (list, tuple)) or len(arrays) != len(shapes):
        return False
    return all(
        isinstance(array, np.ndarray)
        and array.dtype == np.float64
        and array.ndim == len(shape)
        and array.shape[0] >= shape[0]
        and array.shape[1:] == shape[1:]
        for array, shape in zip(arrays, shapes, strict=True)
    )


def _is_ready(samples: np.ndarray, steps: int, dtype: np.dtype) -> bool:
    """Whether compiled code can read ``samples`` where they are."""
    return (
        samples.dtype == dtype
        and samples.dtype.isnative
        and samples.flags.c_contiguous
        and samples.flags.aligned
        and samples.shape[1] == steps
    )


def _writable(samples: np.ndarray) -> np.ndarray:
    """The same memory as an array that might be written to: Numba compiles kernels anew for one that may not."""
    if samples.flags.writeable:
        return samples

    class Alias:
        memory = samples
        __array_interface__: ClassVar[dict[str, Any]] = {
            **samples.__array_interface__,
            "data": (samples.ctypes.data, False),
        }

    return np.asarray(Alias())


def _gathered(samples: np.ndarray, rows: np.ndarray, steps: int, shift: int, dtype: np.dtype) -> np.ndarray:
    """``samples[rows]`` contiguous as (n, steps, variables), zeros before step ``shift`` and after the last."""
    if samples.shape[1] == steps:
        return np.ascontiguousarray(samples[rows], dtype=dtype)
    padded = np.zeros((rows.size, steps, samples.shape[2]), dtype)
    padded[:, shift : shift + samples.shape[1]] = samples[rows]
    return padded
