"""TFRecord files of ``tf.train.Example`` messages, written without TensorFlow.

Formats: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details,
https://protobuf.dev/programming-guides/encoding/ and tensorflow/core/example/{example,feature}.proto.
The encoder writes exactly what these messages need; any protobuf library reads it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from google_crc32c import value as crc32c

BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3  # fields of tf.train.Feature


class Floats(list[float]):
    """Marks a feature as a float list, which an empty list could not tell by its contents."""


class Ints(list[int]):
    """Marks a feature as an int64 list; the numbers must not be negative."""


def encode_example(features: Mapping[str, Sequence[bytes] | Floats | Ints]) -> bytes:
    """A ``tf.train.Example``; plain sequences are bytes lists. Equal input gives equal bytes."""
    entries: list[bytes] = []
    for name, values in features.items():
        feature = _encode_feature(values)
        entries += _field(1, _field(1, [name.encode()]) + _field(2, feature))
    return b"".join(_field(1, entries))


def frame(payload: bytes) -> bytes:
    """One record of a TFRecord file: length, its masked CRC-32C, the payload, its masked CRC-32C."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _masked_crc(length), payload, _masked_crc(payload)))


def _encode_feature(values: Sequence[bytes] | Floats | Ints) -> list[bytes]:
    if isinstance(values, Floats):
        packed = struct.pack(f"<{len(values)}f", *values)
        return _field(FLOAT_LIST, _field(1, [packed]) if values else [])
    if isinstance(values, Ints):
        return _field(INT64_LIST, _field(1, [b"".join(map(_varint, values))]) if values else [])
    return _field(BYTES_LIST, [part for value in values for part in _field(1, [value])])


def _field(number: int, parts: list[bytes]) -> list[bytes]:
    """A length-delimited field (wire type 2) whose contents are ``parts``; an image in them is not copied yet."""
    return [bytes((number << 3 | 2,)), _varint(sum(map(len, parts))), *parts]


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _masked_crc(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
