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

# What length-delimited fields begin with: number << 3 | 2.
BYTES, FLOATS, INTS = b"\x0a", b"\x12", b"\x1a"  # the lists that a tf.train.Feature can hold
ENTRY = b"\x0a"  # number 1: Example.features, Features.feature, the key in an entry, the values in a list
VALUE = b"\x12"  # number 2: the value in an entry
LARGE = 4096  # bytes
SMALL = tuple(bytes((value,)) for value in range(0x80))  # varints of one byte


class Floats(list[float]):
    """Marks a feature as a float list, which an empty list could not tell by its contents."""


class Ints(list[int]):
    """Marks a feature as an int64 list; the numbers must not be negative."""


def encode_example(features: Mapping[str, Sequence[bytes] | Floats | Ints]) -> bytes:
    """A ``tf.train.Example``; plain sequences are bytes lists. Equal input gives equal bytes."""
    entries: list[bytes] = []
    for name, values in features.items():
        if len(values) == 1 and isinstance(values[0], bytes) and len(values[0]) > LARGE:
            entries += _large_entry(_key(name), values[0])
        else:
            entries.append(_field(ENTRY, _key(name) + _field(VALUE, _feature(values))))
    return b"".join((ENTRY, _varint(sum(map(len, entries))), *entries))


def frame(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """One record of a TFRecord file: length with its masked CRC-32C, the payload, its masked CRC-32C."""
    length = struct.pack("<Q", len(payload))
    return length + masked_crc(length), payload, masked_crc(payload)


def _feature(values: Sequence[bytes] | Floats | Ints) -> bytes:
    """A ``tf.train.Feature``: a list of one of three types. Numbers are packed."""
    if isinstance(values, Floats):
        return _field(FLOATS, _field(ENTRY, struct.pack(f"<{len(values)}f", *values)) if values else b"")
    if isinstance(values, Ints):
        return _field(INTS, _field(ENTRY, b"".join(map(_varint, values))) if values else b"")
    return _field(BYTES, b"".join([_field(ENTRY, value) for value in values]))


def _large_entry(key: bytes, value: bytes) -> tuple[bytes, bytes]:
    """An entry with a single value, an image, in two parts: the image is copied once only, into the whole."""
    size = len(value)
    head = ENTRY + _varint(size)
    for before in (BYTES, VALUE):
        head = before + _varint(len(head) + size) + head
    return ENTRY + _varint(len(key) + len(head) + size) + key + head, value


def _field(tag: bytes, contents: bytes) -> bytes:
    """A length-delimited field (wire type 2)."""
    return tag + _varint(len(contents)) + contents


@cache
def _key(name: str) -> bytes:
    """The first field of an entry. Feature names are few and come again with every record."""
    return _field(ENTRY, name.encode())


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


def masked_crc(data: bytes) -> bytes:
    """The CRC-32C of bytes as TFRecord files store it, so that sums of what holds sums stay good ones."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
