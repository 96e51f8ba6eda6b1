"""Our own encoding, against TensorFlow's."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.dataset.tfrecord import Floats, Ints, encode_example, frame
from include.dataset.tfrecord_reading import DamagedRecord, bytes_features, read_frames

tf = pytest.importorskip("tensorflow")

float32 = st.floats(width=32, allow_nan=False)
features = st.dictionaries(
    st.text(min_size=1, max_size=20),
    st.lists(st.binary(max_size=300), max_size=4)
    | st.lists(float32, max_size=4).map(Floats)
    | st.lists(st.integers(0, 2**63 - 1), max_size=4).map(Ints),
    max_size=6,
)


def by_tensorflow(values: dict[str, object]):  # type: ignore[no-untyped-def]
    example = tf.train.Example()
    example.features.SetInParent()
    for name, value in values.items():
        feature = example.features.feature[name]
        kind = {Floats: feature.float_list, Ints: feature.int64_list}.get(type(value), feature.bytes_list)
        kind.SetInParent()  # an empty list is there, and has a type
        kind.value.extend(value)
    return example


@settings(max_examples=100, deadline=None)
@given(features)
def test_the_same_message_as_tensorflows(values: dict[str, object]) -> None:
    encoded = encode_example(values)
    expected = by_tensorflow(values)
    assert tf.train.Example.FromString(encoded) == expected
    assert len(encoded) == expected.ByteSize()


def test_tf_data_reads_the_frames_and_checks_their_sums(tmp_path: Path) -> None:
    payloads = [b"", b"x", bytes(range(256)) * 100]
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(part for payload in payloads for part in frame(payload)))
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == payloads
    broken = bytearray(path.read_bytes())
    broken[-10] ^= 1
    path.write_bytes(broken)
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


@settings(max_examples=100, deadline=None)
@given(features, st.sampled_from(["image/encoded", "a"]), st.binary(max_size=5000))
def test_bytes_are_read_back_from_tensorflows_messages(values: dict[str, object], name: str, value: bytes) -> None:
    encoded = by_tensorflow({**values, name: [value]}).SerializeToString()
    assert bytes_features(memoryview(encoded), (name, "none")) == {name: value}


def test_our_reader_reads_tensorflows_files_and_checks_their_sums(tmp_path: Path) -> None:
    payloads = [b"", b"x", bytes(range(256)) * 100]
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for payload in payloads:
            writer.write(payload)
    with path.open("rb") as file:
        assert [bytes(each) for each in read_frames(file, "a")] == payloads
    whole = path.read_bytes()
    for at in range(0, len(whole), 997):
        broken = bytearray(whole)
        broken[at] ^= 1
        with pytest.raises(DamagedRecord):
            list(read_frames(io.BytesIO(broken), "a"))
    with pytest.raises(DamagedRecord, match="ends within the header of record 3"):
        list(read_frames(io.BytesIO(whole + whole[:5]), "a"))
