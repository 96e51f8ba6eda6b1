"""Reading back the TFRecord files that this project writes, without TensorFlow, which costs seconds to import.

Formats as in ``tfrecord``. Only bytes features are read, in ``tf.train.Example`` messages that any library wrote.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import BinaryIO

from include.dataset.tfrecord import masked_crc

HEADER = struct.Struct("<QI")  # length of the payload, and its masked CRC-32C
FOOTER = struct.Struct("<I")  # of the payload
VARINT, EIGHT_BYTES, DELIMITED, FOUR_BYTES = 0, 1, 2, 5  # wire types
NOTHING = memoryview(b"")
BYTES_LIST = 1  # the number of a tf.train.Feature's field


class DamagedRecord(ValueError):
    """A TFRecord file ends too early, or its bytes are not those that were written."""


def read_frames(file: BinaryIO, name: str) -> Iterator[memoryview]:
    """The payloads of a TFRecord file, one at a time. ``name`` is the file's, for messages.

    Raises:
        DamagedRecord: with the number of the record.
    """
    number = 0
    while header := file.read(HEADER.size):
        if len(header) < HEADER.size:
            raise DamagedRecord(f"{name} ends within the header of record {number}. Bring it back from a backup.")
        length, crc = HEADER.unpack(header)
        if struct.pack("<I", crc) != masked_crc(header[:8]):
            raise DamagedRecord(f"{name}, record {number}: its length was altered. Bring it back from a backup.")
        payload, footer = file.read(length), file.read(FOOTER.size)
        if len(payload) < length or footer != masked_crc(payload):
            raise DamagedRecord(f"{name}, record {number}: its contents were altered. Bring it back from a backup.")
        yield memoryview(payload)
        number += 1


def bytes_features(example: memoryview, names: Collection[str]) -> dict[str, bytes]:
    """The first value of each of the named bytes features that a ``tf.train.Example`` has."""
    found: dict[str, bytes] = {}
    for _, features in _fields(example):
        for _, entry in _fields(features):
            parts = dict(_fields(entry))
            name = bytes(parts[1]).decode()
            if name in names:
                lists = [each for number, each in _fields(parts.get(2, NOTHING)) if number == BYTES_LIST]
                for _, value in list(_fields(lists[0]))[:1] if lists else ():
                    found[name] = bytes(value)
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and contents of each length-delimited field of a message; the others are passed over."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == DELIMITED:
            size, at = _varint(message, at)
            yield tag >> 3, message[at : at + size]
            at += size
        elif kind == VARINT:
            _, at = _varint(message, at)
        else:
            at += {EIGHT_BYTES: 8, FOUR_BYTES: 4}[kind]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A varint and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
