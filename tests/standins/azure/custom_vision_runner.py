"""Runs one training to its end. ``python -m tests.standins.azure.custom_vision_runner ITERATION``.

A process of its own, so that a training outlives a killed stand-in. It trains our own detector on the images that were
sent, but for a part that it holds out as the service does, and measures what came of it on that part.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.standins.azure import custom_vision_status as status
from tests.standins.azure.custom_vision_model import Model, held_out
from tests.standins.azure.custom_vision_performance import FILE
from tests.standins.azure.custom_vision_store import now
from tests.standins.job_folder import is_held, owning
from tests.standins.processes import PROJECT, end_group, end_remembered_groups, python_path, remember_groups
from tests.standins.small_training import Sample, trainer_command, write_shards
from training_services.local_runner import write

BEAT = 0.1
SAID = 2000  # characters of what a failed process printed, for the iteration's error
# What the service tells of a training that failed by its data; from memory, not verified.
FAILED_BY_DATA = "Training failed. Please check your images and regions and try again."


class Failed(Exception):
    """The training has failed; the message is what the API tells."""


class Run:
    """One training, in its iteration's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        self.about: dict[str, Any] = json.loads((folder / "iteration.json").read_text())
        self.fault: dict[str, Any] = self.plan["fault"] or {}
        self.held_out = held_out(self.plan["samples"], len(self.plan["tags"]))

    def to_the_end(self) -> None:
        """Always leaves the iteration in a final status."""
        end_remembered_groups(self.folder / "hosts.json")
        try:
            self._wait()
            begun = time.monotonic()
            self._train()
            self._measure()
            minutes = math.ceil((time.monotonic() - begun) / 60)
            status.enter(self.folder, status.COMPLETED, trainedAt=now(), trainingTimeInMinutes=minutes)
        except Failed as why:
            status.enter(self.folder, status.FAILED, trainingErrorDetails=str(why))
        except Exception:
            traceback.print_exc()
            status.enter(self.folder, status.FAILED, trainingErrorDetails=status.INTERNAL)
        finally:
            for left in ("images", "work"):
                shutil.rmtree(self.folder / left, ignore_errors=True)

    def _wait(self) -> None:
        until = time.monotonic() + self.plan["queued_seconds"]
        while time.monotonic() < until or is_held(self.folder, status.TRAINING):
            self._heed()
            time.sleep(BEAT)
        if self.fault.get("fault") == "internal":
            raise Failed(status.INTERNAL)

    def _heed(self) -> None:
        """Fail if the service is to lose it."""
        if (self.folder / "strike").exists():
            raise Failed(status.INTERNAL)

    def _train(self) -> None:
        work, output = self.folder / "work", self.folder / "output"
        sides: dict[str, list[Sample]] = {"train": [], "validation": []}
        for sample in self.plan["samples"]:
            sides["validation" if sample["image"] in self.held_out else "train"].append(self._sample(sample))
        write_shards(sides, [tag["name"] for tag in self.plan["tags"]], work / "data")
        settings = dict(self.plan["detector"])
        if self.about["trainingType"] == "Advanced":
            settings = {"minutes": self.about["reservedBudgetInHours"] * 60} | settings
        self._run("trainer", trainer_command(work, output, settings))
        export = [sys.executable, "-m", "tests.standins.azure.custom_vision_formats", str(output)]
        self._run("export", [*export, str(self.folder / "model")])

    def _sample(self, sample: dict[str, Any]) -> Sample:
        wide, high = sample["width"], sample["height"]
        boxes = [
            (tag, left * wide, top * high, width * wide, height * high)
            for tag, left, top, width, height in sample["boxes"]
        ]
        encoded = (self.folder / "images" / sample["image"]).read_bytes()
        return Sample(sample["image"], encoded, wide, high, boxes)

    def _run(self, name: str, command: list[str]) -> None:
        """Run one step as a process group of its own, and wait for it."""
        begun, said = time.monotonic(), self.folder / f"{name}.txt"
        with said.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=os.environ | {"PYTHONPATH": python_path()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        remember_groups(self.folder / "hosts.json", [process.pid])
        try:
            while process.poll() is None:
                self._heed()
                if self.fault.get("fault") == "training" and time.monotonic() - begun >= self.fault.get("after", 0):
                    raise Failed(FAILED_BY_DATA)
                time.sleep(BEAT)
        finally:
            end_group(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            print(said.read_text(errors="replace")[-SAID:], file=sys.stderr)
            raise Failed(FAILED_BY_DATA)

    def _measure(self) -> None:
        """Let the model look at the held-out images, once: thresholds are applied when somebody asks."""
        model = Model(self.folder)
        images = [
            {
                "image": sample["image"],
                "truth": sample["boxes"],
                "found": model((self.folder / "images" / sample["image"]).read_bytes()),
            }
            for sample in self.plan["samples"]
            if sample["image"] in self.held_out
        ]
        write(self.folder / "model" / FILE, json.dumps({"tags": self.plan["tags"], "images": images}))


def main(folder: Path) -> None:
    with owning(folder) as mine:
        if mine and not status.has_ended(folder):
            Run(folder).to_the_end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
