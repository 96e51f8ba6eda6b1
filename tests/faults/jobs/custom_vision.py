"""Trainings of Custom Vision's stand-in, each in a project of its own; the model is the service's, without steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from tests.faults.jobs.watched import Attempt, StandInJobs, command_of
from tests.faults.phases import Phase
from tests.standins.azure.custom_vision_client import CustomVisionClient
from tests.standins.clouds import Cloud
from tests.standins.proxy_client import rule

DETECTOR = '{"input_size": 64, "width": 0.25, "steps": 12}'
HALF_AN_UPLOAD = 12.0  # seconds for which one of two batches is held up; Airflow ends a task within five


@dataclass(frozen=True)
class VisionTraining(Attempt):
    """One training of a project.

    Attributes:
        folder: of the iteration, as long as there is one.
        images: SHA-256 and number of boxes of each that it was begun with.
    """

    folder: Path
    images: Sequence[tuple[str, int]]

    def at_work(self) -> bool:
        try:
            return json.loads((self.folder / "status.json").read_text())["status"] == "Training"
        except FileNotFoundError:
            return False

    def may_be_held(self) -> bool:
        """Its runner is there to be held; the next attempt begins anew."""
        return (self.folder / "runner.json").exists()


class CustomVisionJobs(StandInJobs):
    """Trainings of the stand-in, the bill of which has every one that was ever begun."""

    options = ("--detector", DETECTOR)
    faults = MappingProxyType({"permission": "forbidden"})
    phases = tuple(Phase)
    images = 140  # each of the ten digits must be in 15
    training = MappingProxyType({})
    slow = MappingProxyType({"training": "advanced", "hours": 1})

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        assert cloud is not None
        standin = cloud.standins["custom_vision"]
        self.state, self.proxy = standin.state, cloud.proxies["custom_vision"]
        self.client = CustomVisionClient(standin.url)

    def attempts(self, prefix: str) -> Sequence[Attempt]:
        """One for each training, not for each project: a second one of a project would be paid, too."""
        return [
            VisionTraining(
                name=line["name"],
                cancelled=not folder.exists(),
                log=partial(_said, folder),
                folder=folder,
                images=[(sha256, boxes) for sha256, boxes in line["images"]],
            )
            for line in self._begun()
            if line["name"].rpartition("-a")[0] == prefix
            for folder in [self.state / "projects" / line["project"] / "iterations" / line["iteration"]]
        ]

    def strike(self, attempt: Attempt) -> dict[str, str]:
        return {"project": attempt.name}

    def processes(self) -> list[psutil.Process]:
        projects = str(self.state / "projects")
        return [
            process
            for process in psutil.process_iter()
            if any(argument.startswith(projects) for argument in command_of(process))
        ]

    def make_slow(self) -> None:
        self.client.control("next", {"hold": "Training"})

    def make_upload_slow(self) -> None:
        rule(self.proxy, fault="delay", path="/images/files", seconds=HALF_AN_UPLOAD, count=1)

    def uploading(self, prefix: str) -> bool:
        """Some images are there, and nothing trains yet."""
        return any(
            any((folder / "images").glob("*.json")) and not any((folder / "iterations").glob("[!.]*"))
            for folder, name in self._projects()
            if name.startswith(f"{prefix}-a")
        )

    def left(self, prefix: str) -> list[str]:
        return [name for _, name in self._projects() if name.startswith(f"{prefix}-a")]

    def assert_trained(self, attempts: Sequence[Attempt]) -> None:
        """Each on all images, each image with its boxes once, as whoever came first."""
        expected = [tuple(image) for image in next(self._begun())["images"]]
        assert len({sha256 for sha256, _ in expected}) == len(expected) > 0
        for attempt in attempts:
            assert isinstance(attempt, VisionTraining)
            assert attempt.images == expected, attempt.name

    def assert_resumed(self, attempt: Attempt) -> None:
        """There is nothing from which it could go on: it is a training of its own."""
        assert attempt.name.endswith("-a2")

    def assert_stopped(self, attempt: Attempt) -> None:
        """It can only be deleted, with all that it had learned."""
        assert attempt.cancelled

    def _begun(self) -> Iterator[dict[str, Any]]:
        bill = self.state / "trainings.jsonl"
        lines = bill.read_text().splitlines(keepends=True) if bill.exists() else []
        return (json.loads(line) for line in lines if line.endswith("\n"))

    def _projects(self) -> Iterator[tuple[Path, str]]:
        """Folder and name of every project that there is."""
        for folder in sorted((self.state / "projects").glob("[!.]*")):
            try:
                yield folder, json.loads((folder / "project.json").read_text())["name"]
            except FileNotFoundError:  # it is just being deleted
                continue


def _said(folder: Path) -> str:
    return (folder / "trainer.txt").read_text()
