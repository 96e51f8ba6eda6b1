"""Looks whether a cloud is ready for trainings, by hand, without Airflow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from include.checks.aws.command import add_aws
from include.checks.azure.command import add_azure
from include.checks.command import MISSING, READY, WRONG
from include.checks.google.command import add_google
from include.clouds.failures import CallFailed

__all__ = ["MISSING", "READY", "WRONG", "main", "parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (OSError, ValueError, CallFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include.checks",
        description="Looks whether a cloud is ready for trainings, and says what is missing, with the command that "
        "mends it. It looks only, unless asked to make something, and nothing that it does costs money.",
    )
    clouds = parser.add_subparsers(metavar="CLOUD", required=True)
    add_google(clouds)
    add_aws(clouds)
    add_azure(clouds)
    return parser


if __name__ == "__main__":
    sys.exit(main())
