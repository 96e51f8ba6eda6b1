"""Reads a TF Object Detection API pipeline.config and says what of it the trainer takes over."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from include.pipeline_config.translation import read_pipeline_config

ORDINARY, WRONG = 0, 2  # exit codes


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        translation = read_pipeline_config(options.file, classes=options.classes)
        fields = json.dumps(translation.configuration, indent=2)
        if not options.json:
            print("\n".join(translation.described()))
            print("As a configuration of the trainer (CONFIG=file.json):")
        print(fields)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    return ORDINARY


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include.pipeline_config",
        description=f"{__doc__} What is not taken over is listed with its reason. `make run CONFIG=` takes such a file "
        "as it is; docs/pipeline_config.md goes through it field by field.",
    )
    parser.add_argument("file", type=Path, help="pipeline.config, protobuf's text format, a model of the SSD family")
    parser.add_argument("--classes", type=int, help="number of the data's classes, to be compared with the file's")
    parser.add_argument("--json", action="store_true", help="print nothing but the trainer's configuration")
    return parser


if __name__ == "__main__":
    sys.exit(main())
