"""S3, IAM, STS and CloudWatch Logs on this machine: moto's server, on 127.0.0.1."""

from __future__ import annotations

from pathlib import Path

from include.laptop.environment import free_port
from tests.standins.processes import Standin, python_module

ACCOUNT = "123456789012"  # moto's
REGION = "us-east-1"
FIRST_PORT = 18860


def aws_standin(state: Path, port: int | None = None) -> Standin:
    """The emulator, not yet started. What it has is in its memory: killed, it forgets everything."""
    chosen = str(port or free_port(FIRST_PORT, quiet=True))
    command = python_module("moto.server", "-H", "127.0.0.1", "-p", chosen)
    return Standin("aws", command, f"http://127.0.0.1:{chosen}", state, ready="/moto-api/")
