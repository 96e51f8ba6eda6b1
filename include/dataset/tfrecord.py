"""TFRecord files of ``tf.train.Example`` messages, written without TensorFlow.

Formats: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details,
https://protobuf.dev/programming-guides/encoding/ and tensorflow/core/example/{example,feature}.proto.
The encoder writes exactly what these messages need; any protobuf library reads it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import cache

from google_crc32c import value as crc32c

BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3  # fields of tf.train.Feature
ENTRY = b"\x0a"  # field 1, length-delimited: Example.features, Features.feature, an entry's key, a list's values
VALUE = b"\x12"  # field 2, length-delimited: an entry's value
LISTS = {number: bytes((number << 3 | 2,)) for number in (BYTES_LIST, FLOAT_LIST, INT64_LIST)}
SMALL = tuple(bytes((value,)) for value in range(0x80))  # varints of one byte


class Floats(list[float]):
    """Marks a feature as a float list, which an empty list could not tell by its contents."""


class Ints(list[int]):
    """Marks a feature as an int64 list; the numbers must not be negative."""


def encode_example(features: Mapping[str, Sequence[bytes] | Floats | Ints]) -> bytes:
    """A ``tf.train.Example``; plain sequences are bytes lists. Equal input gives equal bytes."""
    entries: list[bytes] = []
    for name, values in features.items():
        key, feature = _key(name), _feature(values)
        length = sum(map(len, feature))
        entries += (ENTRY, _varint(len(key) + 1 + len(size := _varint(length)) + length), key, VALUE, size, *feature)
    return b"".join((ENTRY, _varint(sum(map(len, entries))), *entries))


def frame(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """One record of a TFRecord file: length with its masked CRC-32C, the payload, its masked CRC-32C."""
    length = struct.pack("<Q", len(payload))
    return length + _masked_crc(length), payload, _masked_crc(payload)


def _feature(values: Sequence[bytes] | Floats | Ints) -> tuple[bytes, ...]:
    """A ``tf.train.Feature``, in parts: a large image among its values is not copied yet."""
    if isinstance(values, Floats):
        contents: tuple[bytes, ...] = _packed(struct.pack(f"<{len(values)}f", *values))
        number = FLOAT_LIST
    elif isinstance(values, Ints):
        contents = _packed(b"".join(map(_varint, values)))
        number = INT64_LIST
    else:
        contents = tuple(part for value in values for part in (ENTRY, _varint(len(value)), value))
        number = BYTES_LIST
    return (LISTS[number], _varint(sum(map(len, contents))), *contents)


def _packed(numbers: bytes) -> tuple[bytes, ...]:
    return (ENTRY, _varint(len(numbers)), numbers) if numbers else ()


@cache
def _key(name: str) -> bytes:
    """The first field of an entry. Feature names are few and come again with every record."""
    encoded = name.encode()
    return ENTRY + _varint(len(encoded)) + encoded


def _varint(value: int) -> bytes:
    """Base 128, lowest digits first; https://protobuf.dev/programming-guides/encoding/#varints"""
    if value < 0x80:
        return SMALL[value]
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _masked_crc(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
