"""Staging files to S3, and staging them again, against Amazon's own tools for it.

The files are those of ``benches.staging``, to an emulator of S3 on this machine (moto, a new one for each timing, its
objects in its memory). Ours is what a submission does before it asks for a job: list what is there, send what differs,
eight at a time, each with its CRC-32, and look whether all arrived. The checksums of files that have not changed since
(device, inode, size and both times are the same) it remembers, so that the second time it reads none. Against it:

- boto3's transfer manager, which ours is built on, with eight threads for everything, the rest as it comes;
- ``aws s3 sync``, version 1, from an environment of its own (``requirements-bench.txt``), as it comes. Its start is
  part of its seconds: it starts each time. Whether a file changed it tells by size and time, without reading it.

Each is a process of its own; what it imports is not counted. Elapsed seconds hold the emulator's work as well, which
shares the machine and takes most of them: it is one process, in Python. CPU seconds are the client's alone. Over plain
HTTP all three hash every body with SHA-256 for the signature, which they do not over HTTPS.
"""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from benches.measure import Asked, Row, main
from benches.staging import FILES, LARGE_BYTES, SMALL, SMALL_BYTES, Staged, compare, twice, write_files
from benches.staging_s3_sides import AWS, BUCKET, account
from include.clouds.aws_account import AwsAccount
from tests.standins.aws.server import aws_standin

SIDES = {"ours": "", "transfer_manager": "boto3's transfer manager", "aws": "aws s3 sync"}


def bench(asked: Asked) -> list[Row]:
    if not AWS.exists():
        print("awscli is not installed (`make bench` does it, where there is network): aws s3 sync is left out.")
    with TemporaryDirectory(prefix="lanner-bench-") as scratch:
        folder = write_files(Path(scratch, "files"), SMALL, SMALL_BYTES, LARGE_BYTES)
        sides = {name: SIDES[name] for name in available()}
        return compare(lambda side: stage(folder, side), sides, "staging to S3", FILES)


def available() -> list[str]:
    return [name for name in SIDES if name != "aws" or AWS.exists()]


def stage(folder: Path, side: str, read: bool = False) -> Staged:
    """By one side, to a new emulator.

    Args:
        read: also read every object, for its checksum.
    """
    with TemporaryDirectory(prefix="lanner-bench-") as state, aws_standin(Path(state)) as emulator:
        there = account(emulator.url)
        there.call("s3", "create_bucket", Bucket=BUCKET)
        first, again, memory = twice("benches.staging_s3_sides", side, emulator.url, folder)
        return Staged(first, again, memory, checksums(there) if read else {})


def checksums(there: AwsAccount) -> dict[str, str]:
    """CRC-32 by key, of what the objects hold: each side sends a large file in pieces of another size."""
    client, found = there.client("s3"), {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for each in page["Contents"]:
            body = client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
            found[each["Key"]] = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    return found


if __name__ == "__main__":
    main(__doc__, bench)
