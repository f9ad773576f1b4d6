"""Nested values in a file: they come back as they were, and nothing is executed."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import save_file

from oprl_gym.files.atomic import replace_file
from oprl_gym.files.sealed import write_sealed
from oprl_gym.files.state_file import FORMAT, read_state, write_state

numbers = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
)
dtypes = st.sampled_from(["f4", "f8", "i8", "u1", "?"])
values = st.recursive(
    numbers | arrays(dtypes, array_shapes(min_dims=0, min_side=0, max_side=3)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@given(value=values)
def test_what_is_read_is_what_was_written(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any"
    write_state(path, {"value": value})
    assert same(read_state(path), {"value": value})


def test_numpy_scalars_come_back_as_numbers(tmp_path):
    write_state(tmp_path / "s", {"a": np.float32(0.5), "b": np.int64(3)})
    assert read_state(tmp_path / "s") == {"a": 0.5, "b": 3}


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"state\['a'\]\[1\] is a object"):
        write_state(tmp_path / "s", {"a": [1, object()]})
    assert not list(tmp_path.iterdir())


@pytest.fixture
def whole(tmp_path) -> Path:
    path = tmp_path / "whole"
    write_state(path, {"values": np.arange(100.0), "name": "x"})
    return path


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(whole, share):
    content = whole.read_bytes()
    whole.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="is not a saved state"):
        read_state(whole)


class Harm:
    """Leaves a trace if it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_a_pickle_is_refused_and_not_executed(tmp_path):
    trace = tmp_path / "trace"
    pickle.loads(pickle.dumps(Harm(trace)))
    assert trace.exists()  # it does do harm
    trace.rmdir()
    (tmp_path / "bad").write_bytes(pickle.dumps({"state": Harm(trace)}))
    with pytest.raises(ValueError, match="is not a saved state"):
        read_state(tmp_path / "bad")
    assert not trace.exists()


def metadata(**header: object) -> dict[str, str]:
    return {"oprl_gym": json.dumps(header)}


FOREIGN = {
    "no metadata": None,
    "of another program": {"format": "pt"},
    "of another version": metadata(format="oprl-gym state 99", state={}),
    "no JSON": {"oprl_gym": "{"},
    "no object": {"oprl_gym": "[]"},
    "nested too deep": {"oprl_gym": "[" * 100_000},
    "no checksum": metadata(format=FORMAT, state={}),
    "a checksum that is none": metadata(format=FORMAT, sha256=[3], state={}),
}


HOSTILE = {
    "no state": {},
    "no names": {"state": [1, 2]},
    "an array that is not there": {"state": {"a": {"$array": "7"}}},
    "an array named by a list": {"state": {"a": {"$array": [1]}}},
    "items that are no pairs": {"state": {"a": {"$items": [[1, 2, 3]]}}},
    "keys that are no keys": {"state": {"a": {"$items": [[[1], 2]]}}},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_refused(kind, tmp_path):
    path = tmp_path / "bad"
    save_file({"0": np.zeros(3)}, path, FOREIGN[kind])
    with pytest.raises(ValueError, match="bad is not a saved state"):
        read_state(path)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_though_its_checksum_fits(kind, tmp_path):
    path = tmp_path / "bad"
    write_sealed(path, FORMAT, HOSTILE[kind], {"0": np.zeros(3)})
    with pytest.raises(ValueError, match="bad is not a saved state"):
        read_state(path)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "nothing")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="is not a saved state"):
        read_state(tmp_path)


def test_what_was_half_written_is_removed_after_an_error(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(OSError, match="folder"):
        replace_file(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def flipped(content: bytes, at: int, by: int) -> bytes:
    return content[:at] + bytes([content[at] ^ by]) + content[at + 1 :]


def test_a_byte_that_changed_is_noticed_wherever_it_is(whole):
    content = whole.read_bytes()
    for at in range(0, len(content), 7):
        whole.write_bytes(flipped(content, at, 1 << at % 8))
        with pytest.raises(ValueError, match="whole is not a saved state"):
            read_state(whole)
    whole.write_bytes(content)
    assert read_state(whole)["name"] == "x"


def test_a_file_from_before_there_were_checksums_says_so(tmp_path):
    save_file({"0": np.zeros(3)}, tmp_path / "old", metadata(format="oprl-gym state 1"))
    with pytest.raises(ValueError, match="'oprl-gym state 1', and this version"):
        read_state(tmp_path / "old")
