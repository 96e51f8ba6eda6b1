"""What the commands of all clouds share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.checks.rule import Finding

if TYPE_CHECKING:
    Clouds = argparse._SubParsersAction[argparse.ArgumentParser]

READY, MISSING, WRONG = 0, 1, 2  # exit codes


def exit_code(findings: Sequence[Finding], *, anything_known: bool) -> int:
    """Nothing is missing, something is, or it could not be looked at all."""
    if not anything_known:
        return WRONG
    return MISSING if findings else READY


def add_endpoint(command: argparse.ArgumentParser, help_: str) -> None:
    """The option that names where services answer, for rehearsals and private networks."""
    command.add_argument("--endpoint", action="append", default=[], metavar="SERVICE=URL", help=help_)


def endpoints_of(options: argparse.Namespace) -> dict[str, str]:
    """URL by service, as the option names them.

    Raises:
        ValueError: one is no ``SERVICE=URL``.
    """
    return dict(_pair(text) for text in options.endpoint)


def _pair(text: str) -> tuple[str, str]:
    service, equals, url = text.partition("=")
    if not (equals and url.startswith(("http://", "https://"))):
        raise ValueError(f"--endpoint {text}: expected SERVICE=URL, such as storage=http://127.0.0.1:9001.")
    return service, url.rstrip("/")
