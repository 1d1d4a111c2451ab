"""A model as one file: back as it was, or a clear error."""

from __future__ import annotations

import hashlib
import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytrainr import Model, ModelFileError, epoch_annealing, epoch_print, epoch_progress, loss_L1, storage
from pytrainr.storage import save_fields


def example() -> Model:
    rng = np.random.default_rng(3)
    flat = rng.normal(size=24)
    return Model(
        {
            "clipping": 0.5,
            "input_dim": 2,
            "hidden_dim": (3,),
            "synapse_dim": (2, 3, 1),
            "sigmoid": "logistic",
            "use_bias": False,
            "learningrate": float("nan"),
            "epoch_function": [epoch_print, epoch_annealing],
            "loss_function": loss_L1,
            "last_layer_error": rng.normal(size=(4, 5, 1)),
            "store": [rng.normal(size=(4, 5, 3))],
            "time_synapse": [flat.reshape(2, 4, 3).swapaxes(1, 2), flat[:3].reshape(3, 1)],
            "error": np.asfortranarray([[1.0, np.inf], [np.nan, -0.0]]),
            "nothing": None,
            "kinds": {"big-endian": np.arange(3, dtype=">i2"), "deep": [(1, 2.5, "é"), {}], "empty": np.zeros((0, 3))},
            "scalars": [np.float64(0.1), np.int64(7), np.bool_(True), 10**30, float("-inf")],
            "single": np.array(2.5),
        }
    )


def without_store(model: Model) -> Model:
    return Model({name: value for name, value in model.items() if name not in ("store", "last_layer_error")})


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("keep_store", [False, True])
def test_a_model_comes_back_as_it_was(tmp_path, mmap, keep_store):
    model, path = example(), tmp_path / "a model.trainr"
    save_fields(model, path, keep_store=keep_store)
    loaded = Model.load(path, mmap=mmap)
    wanted = model if keep_store else without_store(model)
    assert list(loaded.keys()) == list(wanted.keys())
    nan = "learningrate"  # the one field that is not equal to itself
    assert np.isnan(loaded[nan])
    for name in wanted.keys() - {nan}:
        assert Model(x=loaded[name]) == Model(x=wanted[name]), name
    assert loaded.hidden_dim == (3,)
    assert type(loaded.kinds["deep"][0]) is tuple
    assert loaded.error.flags.f_contiguous
    assert np.signbit(loaded.error[1, 1])
    for array in (loaded.time_synapse[0], loaded.error):
        assert array.flags.writeable is not mmap
        assert array.ctypes.data % (storage._ALIGNMENT if mmap else 8) == 0
    assert os.listdir(tmp_path) == [path.name]


def test_the_model_saves_and_loads_itself(tmp_path):
    example().save(tmp_path / "m")
    assert Model.load(tmp_path / "m", mmap=True).synapse_dim == (2, 3, 1)


def test_functions_come_back_by_name(tmp_path):
    """11.13: a model with functions of one's own could not even be loaded to predict."""

    def my_epoch(model):
        return model

    first, second = lambda model: model, lambda model: None
    path = tmp_path / "m"
    save_fields(Model(epoch_function=[my_epoch, first, second, first, epoch_progress()], loss_function=loss_L1), path)
    names = [function.__name__ for function in Model.load(path).epoch_function]
    assert names == ["my_epoch", "<lambda>", "<lambda> #2", "<lambda>", "epoch_progress"]
    assert Model(x=Model.load(path).epoch_function[:4]) == Model(x=Model.load(path).epoch_function[:4])
    Model.load(path).save(tmp_path / "again")
    assert [function.__name__ for function in Model.load(tmp_path / "again").epoch_function] == names
    loaded = Model.load(path, functions={"my_epoch": my_epoch, "<lambda>": first, "<lambda> #2": second})
    assert loaded.epoch_function[:4] == [my_epoch, first, second, first]
    assert loaded.epoch_function[4].__name__ == "epoch_progress"
    assert loaded.loss_function is loss_L1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, "field mine .* is a set"),
        ([1, [2, object()]], r"field mine\[1\]\[1\] .* is a object"),
        (np.array(["a"]), "field mine .* array of <U1"),
        (np.array([None]), "field mine .* array of object"),
        ({1: 2}, "field mine .* strings"),
        ({"a": b"bytes"}, r"field mine\['a'\] .* bytes"),
    ],
)
def test_what_cannot_be_stored_is_named_and_the_old_file_stays(tmp_path, value, message):
    path = tmp_path / "m"
    save_fields(Model(a=1), path)
    with pytest.raises(TypeError, match=message):
        save_fields(Model(a=2, mine=value), path)
    assert Model.load(path).a == 1
    assert os.listdir(tmp_path) == ["m"]


def test_a_crash_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "m"
    save_fields(Model(a=1), path)

    def pieces():
        yield b"half of"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.write_atomically(path, pieces())
    assert Model.load(path).a == 1
    assert os.listdir(tmp_path) == ["m"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "m"
    save_fields(example(), path)
    return path, path.read_bytes()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_changed_byte_is_noticed(whole, data):
    path, content = whole
    damaged = bytearray(content)
    place = data.draw(st.integers(0, len(content) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    copy = path.with_name("damaged")
    copy.write_bytes(damaged)
    with pytest.raises(ModelFileError):
        Model.load(copy)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.booleans())
def test_any_missing_or_extra_end_is_noticed(whole, data, mmap):
    path, content = whole
    copy = path.with_name("cut")
    copy.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ModelFileError):
        Model.load(copy, mmap=mmap)
    copy.write_bytes(content + b"\0")
    with pytest.raises(ModelFileError, match="length"):
        Model.load(copy, mmap=mmap)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_a_foreign_file_is_no_model(tmp_path_factory, content, headed):
    path = tmp_path_factory.getbasetemp() / "foreign"
    path.write_bytes((storage._MAGIC if headed else b"") + content)
    with pytest.raises(ModelFileError):
        Model.load(path)


def test_a_newer_version_says_so(whole):
    path, content = whole
    copy = path.with_name("newer")
    copy.write_bytes(content[:8] + struct.pack("<I", 2) + content[12:])
    with pytest.raises(ModelFileError, match="format version 2, this pytrainr reads up to 1"):
        Model.load(copy)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["array", "tuple", "dict", "function", "x"]), inner, max_size=2)
    ),
)
ARRAY = {"dtype": "<f8", "shape": [2], "order": "C", "offset": 0, "sha256": ""}


def forged(path, header) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(
        storage._PREAMBLE.pack(storage._MAGIC, 1, len(text), hashlib.sha256(text).digest()) + text + bytes(64)
    )


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_a_forged_header_is_an_error_or_a_plain_value(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "forged"
    for header in (value, {"fields": value, "data_bytes": 64}, {"fields": [["a", value]], "data_bytes": 64}):
        forged(path, header)
        try:
            loaded = Model.load(path)
        except ModelFileError:
            continue
        assert isinstance(loaded, Model)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "|O"},
        {"dtype": ">f8"},
        {"order": "A"},
        {"shape": [2**60]},
        {"shape": [-1]},
        {"shape": [2.0]},
        {"shape": [9]},
        {"offset": 64},
        {"offset": -64},
        {"offset": 8},
        {"sha256": None},
    ],
)
def test_an_array_that_cannot_be_is_damage(tmp_path, change):
    path = tmp_path / "forged"
    forged(path, {"fields": [["a", {"array": {**ARRAY, **change}}]], "data_bytes": 64})
    with pytest.raises(ModelFileError, match="damaged"):
        Model.load(path)


def test_no_file_is_the_usual_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Model.load(tmp_path / "none")
