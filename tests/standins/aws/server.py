"""S3, IAM, STS and CloudWatch Logs on this machine: moto's server, on 127.0.0.1.

What it has is in its memory: killed, it forgets everything. Asked to, it also keeps a copy of all that was ever sent
to S3, also of what was overwritten or deleted there: what was sent to a cloud cannot be called back.

``python -m tests.standins.aws.server --port 18860 --sent DIR``
"""

from __future__ import annotations

import argparse
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.laptop.environment import free_port
from tests.standins.processes import Standin, python_module

ACCOUNT = "123456789012"  # moto's
REGION = "us-east-1"
FIRST_PORT = 18860
LONGEST_NAME = 200  # characters of a copy's name, to which the ETag is added


def aws_standin(state: Path, port: int | None = None, sent: Path | None = None) -> Standin:
    """The emulator, not yet started.

    Args:
        sent: folder for copies of all objects that are sent to S3.
    """
    chosen = str(port or free_port(FIRST_PORT, quiet=True))
    command = python_module("moto.server", "-H", "127.0.0.1", "-p", chosen)
    if sent is not None:
        command = python_module("tests.standins.aws.server", "--port", chosen, "--sent", str(sent))
    return Standin("aws", command, f"http://127.0.0.1:{chosen}", state, ready="/moto-api/")


def keep_what_is_sent(folder: Path) -> None:
    """Let moto's S3, in this process, copy each new object into a folder: ``<bucket>/<key, quoted>@<ETag>``."""
    from moto.s3.models import FakeKey, S3Backend

    put_object = S3Backend.put_object

    def put_and_copy(self: S3Backend, bucket_name: str, key_name: str, *given: Any, **named: Any) -> FakeKey:
        key = put_object(self, bucket_name, key_name, *given, **named)
        name = urllib.parse.quote(key_name, safe=" ")[-LONGEST_NAME:]
        copy = folder / bucket_name / f"{name}@{key.etag.strip(chr(34))}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(key.value)
        return key

    S3Backend.put_object = put_and_copy  # type: ignore[method-assign]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.standins.aws.server")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--sent", type=Path, required=True, metavar="DIR")
    options = arguments.parse_args(argv)
    keep_what_is_sent(options.sent)
    from moto.server import main as serve

    serve(["-H", "127.0.0.1", "-p", str(options.port)])


if __name__ == "__main__":
    main()
