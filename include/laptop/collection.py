"""What `make run` is asked to train on, as a collection of lanner.yaml."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

from include import settings
from include.dataset.obtain import canonical, data_name, obtain
from include.laptop.present import say
from include.pipeline_config.text_format import TextFormatError
from include.pipeline_config.translation import read_pipeline_config
from include.training_program import TRAINER, program_of

LOOKED_AT = 1024  # bytes at the beginning of a file, to tell JSON from text format


def declare_collection(asked: argparse.Namespace) -> str:
    """Put the collection that was asked for into lanner.yaml (and make the sample's images). Returns its name."""
    if asked.data is None:
        folder = settings.load().home / "sample"
        make_sample(folder)
        source = str(folder)
        name, preset = "digits", "sample"
    else:
        source = find_data(asked.data)
        name, preset = collection_name(source), "default"
    training = read_configuration(asked.config, name) if asked.config else {}
    if asked.minutes is not None:
        training["minutes"] = asked.minutes
    if asked.weights is not None:
        training["weights"] = (
            asked.weights if asked.weights in {"imagenet", "none"} else str(Path(asked.weights).resolve())
        )
    target: dict[str, Any] = {"preset": preset} | ({"training": training} if training else {})
    of_clouds = {"preset": preset}  # what our trainer is told means nothing to an algorithm of a cloud's own
    targets = {name: target if program_of(name) is TRAINER else of_clouds for name in ["local", *asked.targets]}
    fields: dict[str, Any] = {"source": source, "targets": targets}
    if asked.split:
        fields["split"] = asked.split
    if settings.put_collection(name, fields):
        say(f"Collection {name} is now in {settings.settings_file()}.")
    return name


def read_configuration(file: Path, collection: str) -> dict[str, Any]:
    """Fields of the trainer's configuration from ``CONFIG=``; which of them there are is checked with the settings.

    The file is JSON, or a pipeline.config of the TF Object Detection API, of which a person is told what was taken over
    and what was not.
    """
    try:
        with file.open("rb") as opened:
            begins = opened.read(LOOKED_AT).lstrip(b"\xef\xbb\xbf \t\r\n")
        if file.suffix == ".json" or begins.startswith((b"{", b"[")):
            found = json.loads(file.read_text())
        else:
            known = settings.load().collections.get(collection)
            classes = len(known.classes) if known and known.classes else None
            translation = read_pipeline_config(file, classes=classes)
            say("\n".join(translation.described()))
            found = translation.configuration
    except TextFormatError as wrong:
        raise settings.SettingsError(f"CONFIG={file} cannot be used. {wrong}") from wrong
    except OSError as wrong:
        raise settings.SettingsError(f"CONFIG={file} cannot be read: {wrong.strerror}.") from wrong
    except ValueError as wrong:
        raise settings.SettingsError(f"CONFIG={file} cannot be read as JSON: {wrong}.") from wrong
    if not isinstance(found, dict):
        raise settings.SettingsError(f"CONFIG={file} must be one JSON object of fields and values.")
    return found


def find_data(data: str) -> str:
    """``DATA`` as settings name it. What has to be fetched or unpacked is, here, where a person sees it happen."""
    try:
        source = canonical(data)
        obtain(source, settings.load().home, say=say)
    except ValueError as wrong:
        raise settings.SettingsError(f"DATA={data} cannot be used. {wrong}") from wrong
    return source


def collection_name(source: str | Path) -> str:
    """A name for the collection of some data: the data's own, with a suffix if other data has it already."""
    name = re.sub(r"[^a-z0-9]+", "_", data_name(str(source)).lower()).strip("_")[:30] or "images"
    name = name if name[0].isalpha() else f"c_{name}"
    known = settings.load().collections.get(name)
    if known is None or known.source == str(source):
        return name
    return f"{name}_{sha256(str(source).encode()).hexdigest()[:6]}"


def make_sample(folder: Path) -> None:
    """Draw the sample's images unless they are there."""
    if folder.exists():
        return
    from include.dataset.sample import write_sample

    say("Drawing the sample: handwritten digits on textured pages.")
    unfinished = folder.with_name(f".{folder.name}")  # what an interrupted run left of it is drawn again
    shutil.rmtree(unfinished, ignore_errors=True)
    write_sample(unfinished)
    unfinished.rename(folder)
