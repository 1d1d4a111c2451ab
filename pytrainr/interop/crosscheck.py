"""``pytrainr crosscheck FILE...``: replays what R's ``rnn::trainr`` did and compares bit by bit.

The files are written in R by ``rnnremote::crosscheck_record(case, file)``: JSON, plain or gzipped, that holds the
inputs, the seed, the arguments and everything R computed; arrays as base64 of little-endian doubles, column-major.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytrainr import DivergedError, Model, RRandom, epoch_annealing, predictr
from pytrainr.training import Training

__all__ = ["Comparison", "compare", "main", "read_record", "replay"]

WEIGHTS = ("time_synapse", "recurrent_synapse", "bias_synapse")
UPDATES = tuple(f"{field}_update" for field in WEIGHTS)
LISTS = (*UPDATES, "store")
ARRAYS = ("learningrate", "error", "mean_error", "last_layer_error", "last_layer_delta", "rng_after", "predict")


# reading ----------------------------------------------------------------------------------------------------------


def read_record(path: Path) -> dict[str, Any]:
    """What R recorded, its arrays as NumPy's.

    Raises ``ValueError`` where the file is not such a record.
    """
    content = path.read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        record = _with_arrays(json.loads(content))
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is not a record of crosscheck_record: {error}") from error
    missing = {"seed", "args", "X", "Y"} - set(record if isinstance(record, dict) else ())
    if missing:
        raise ValueError(f"{path} is not a record of crosscheck_record: it has no {', '.join(sorted(missing))}")
    return record


def _with_arrays(value: Any) -> Any:
    """The JSON value with every {"dim": ..., "f8": ...} as an array."""
    if isinstance(value, list):
        return [_with_arrays(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"dim", "f8"}:
        numbers = np.frombuffer(base64.b64decode(value["f8"]), "<f8").astype(np.float64)
        return numbers.reshape(value["dim"], order="F")
    return {name: _with_arrays(item) for name, item in value.items()}


# replaying --------------------------------------------------------------------------------------------------------


def replay(record: dict[str, Any]) -> dict[str, Any]:
    """Train and predict here as the record says; the same fields as R recorded.

    Raises what ``trainr`` raises for arguments that it refuses, and where the training diverges.
    """
    rng = RRandom(record["seed"])
    options: dict[str, Any] = {"epoch_function": epoch_annealing, **record["args"]}
    training = Training(record["Y"], record["X"], rng=rng, keep_store=True, **options)
    computed: dict[str, Any] = {"init": _weights(training.model)}
    model = _trained(training)
    if record.get("retrain"):
        unsync = options.get("seq_to_seq_unsync", False)
        again = Training(record["Y"], record["X"], model, rng=rng, keep_store=True, seq_to_seq_unsync=unsync)
        model = _trained(again)
    computed["final"] = _weights(model)
    for field in (*LISTS, "error", "mean_error", "learningrate", "last_layer_error", "last_layer_delta"):
        computed[field] = getattr(model, field)
    computed["has_store_best"] = "store_best" in model
    computed["rng_after"] = rng.unif_rand(3)
    computed["predict"] = predictr(model, record["X"])
    if "X2" in record:
        computed["predict2"] = predictr(model, record["X2"])
        computed["predict2_hidden"] = predictr(model, record["X2"], hidden=True, real_output=False)
    return computed


def _trained(training: Training) -> Model:
    while not training.finished:
        training.advance()
    return training.result()


def _weights(model: Model) -> dict[str, list[np.ndarray]]:
    return {field: [np.array(layer) for layer in model[field]] for field in WEIGHTS}


# comparing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """One field, R's against ours. ``ulps`` is 0 where every bit that matters is equal (any NaN equals any NaN)."""

    field: str
    shape: tuple[int, ...]
    ulps: float = 0.0
    where: tuple[int, ...] = ()
    r_value: float = 0.0
    our_value: float = 0.0
    remark: str = ""

    @property
    def identical(self) -> bool:
        """Whether nothing differs."""
        return self.ulps == 0 and not self.remark

    @property
    def verdict(self) -> str:
        """In words: identical, or the largest difference in units of the last place, where it is (R's counting)."""
        if self.remark:
            return self.remark
        if self.identical:
            return "identical"
        place = ", ".join(str(index + 1) for index in self.where)
        amount = f"{self.ulps:.0f} ulp" if np.isfinite(self.ulps) else "infinitely many ulp"
        return f"up to {amount} at [{place}]: R {self.r_value!r}, here {self.our_value!r}"


def compare(record: dict[str, Any], computed: dict[str, Any]) -> Iterator[Comparison]:
    """Field by field, everything that R recorded."""
    for name in ("init", "final"):
        for field in WEIGHTS:
            yield from _compare_list(f"{name} {field}", record[name][field], computed[name][field])
    for field in LISTS:
        yield from _compare_list(field, record[field], computed[field])
    for field in (*ARRAYS, "predict2"):
        if field in record and not _stopped(record[field]):
            yield _compare_arrays(field, record[field], computed[field])
    if "predict2_hidden" in record and not _stopped(record["predict2_hidden"]):
        yield from _compare_list("predict2_hidden", record["predict2_hidden"], computed["predict2_hidden"])
    if record["has_store_best"] != computed["has_store_best"]:
        yield Comparison("store_best", (), remark=f"there in one of R ({record['has_store_best']}) and here only")


def _stopped(value: Any) -> bool:
    """Whether R stopped instead of computing this."""
    return isinstance(value, dict) and "r_error" in value


def _compare_list(name: str, r_arrays: Sequence[Any], our_arrays: Sequence[Any]) -> Iterator[Comparison]:
    if len(r_arrays) != len(our_arrays):
        yield Comparison(name, (), remark=f"{len(r_arrays)} arrays in R, {len(our_arrays)} here")
        return
    for layer, (r_array, our_array) in enumerate(zip(r_arrays, our_arrays, strict=True)):
        yield _compare_arrays(f"{name}[[{layer + 1}]]", r_array, our_array)


def _compare_arrays(name: str, r_array: Any, our_array: Any) -> Comparison:
    r_numbers = np.asarray(r_array, dtype=np.float64)
    our_numbers = np.asarray(our_array, dtype=np.float64)
    if our_numbers.size != r_numbers.size:
        return Comparison(name, r_numbers.shape, remark=f"shape {r_numbers.shape} in R, {our_numbers.shape} here")
    our_numbers = our_numbers.reshape(r_numbers.shape, order="F")
    distance = _ulps(r_numbers, our_numbers)
    if not distance.any():
        return Comparison(name, r_numbers.shape)
    where = tuple(int(index) for index in np.unravel_index(int(np.argmax(distance)), distance.shape))
    return Comparison(
        name, r_numbers.shape, float(distance[where]), where, float(r_numbers[where]), float(our_numbers[where])
    )


def _ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many doubles lie between each pair; 0 for two NaN and for 0 and -0, infinite where one is NaN."""
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    # Ordered as integers, doubles of one sign are counted upwards: the distance is exact as long as it is small.
    place = [np.where(bits < 0, -(bits & 0x7FFF_FFFF_FFFF_FFFF), bits) for bits in (_bits(a), _bits(b))]
    distance = np.abs(place[0].astype(np.float64) - place[1].astype(np.float64))
    small = np.abs(place[0] - place[1])
    distance = np.where(distance < 2.0**53, small, distance)
    return np.where(nan_a | nan_b, np.where(nan_a & nan_b, 0.0, np.inf), distance)


def _bits(a: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(a).view(np.int64).reshape(a.shape)


# the command ------------------------------------------------------------------------------------------------------


def check(path: Path, brief: bool) -> bool:
    """Replay one file and print what differs; whether R and we agree."""
    record = read_record(path)
    print(f"{path}: {record.get('package', 'rnn')}, {record.get('R', 'R')}")
    if "r_error" in record:
        return _check_stopped(record)
    try:
        computed = replay(record)
    except (ValueError, TypeError) as error:
        print(f"  R trained this; here it stops: {error}")
        return False
    rows = list(compare(record, computed))
    different = [row for row in rows if not row.identical]
    if not brief or different:
        _print_table(different if brief else rows)
    if different:
        print(f"  {len(different)} of {len(rows)} arrays differ")
    else:
        print(f"  identical: {len(rows)} arrays, every bit")
    return not different


def _check_stopped(record: dict[str, Any]) -> bool:
    """R stopped: here there should be an error as well, or a training that is known to be right where R's is not."""
    print(f"  R stopped: {record['r_error']}")
    try:
        replay(record)
    except DivergedError as error:
        print(f"  here as well: {error}")
    except (ValueError, TypeError) as error:
        print(f"  here as well: {error}")
    else:
        hidden_dim = record["args"].get("hidden_dim", 10)
        sizes = set(hidden_dim) if isinstance(hidden_dim, list) else {hidden_dim}
        known = record["args"].get("network_type", "rnn") in ("lstm", "gru") and len(sizes) > 1
        print("  here it trains" + (": R's gru and lstm cannot have layers of unequal size" if known else ""))
        return known
    return True


def _print_table(rows: Sequence[Comparison]) -> None:
    fields = [(row.field, " x ".join(str(n) for n in row.shape) or "-", row.verdict) for row in rows]
    widths = [max(len(row[column]) for row in fields) for column in (0, 1)]
    for field, shape, verdict in fields:
        print(f"  {field:<{widths[0]}}  {shape:<{widths[1]}}  {verdict}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when everything is identical, 1 when something differs, 2 for a file that is none."""
    parser = argparse.ArgumentParser("pytrainr crosscheck", description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of rnnremote::crosscheck_record in R")
    parser.add_argument("--brief", action="store_true", help="print only what differs")
    given = parser.parse_args(arguments)
    try:
        agreed = [check(path, given.brief) for path in given.files]
    except (ValueError, OSError) as error:
        print(f"pytrainr crosscheck: {error}", file=sys.stderr)
        return 2
    return 0 if all(agreed) else 1
