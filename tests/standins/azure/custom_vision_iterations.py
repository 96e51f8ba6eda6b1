"""Trainings and what comes of them: one folder for each iteration, each with a runner of its own while it trains."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.standins.azure import custom_vision_status as status
from tests.standins.azure.custom_vision_account import DOMAINS, MOST_ITERATIONS, Tier
from tests.standins.azure.custom_vision_errors import Refusal, not_found
from tests.standins.azure.custom_vision_store import Project, Projects, Row, now
from tests.standins.runners import Runners
from training_services.local_runner import write


class Iterations:
    """The iterations of all projects.

    Args:
        detector: how it trains, fields of our trainer's configuration.
        queued_seconds: that a training waits before it begins.
    """

    def __init__(self, projects: Projects, tier: Tier, detector: dict[str, Any], queued_seconds: float) -> None:
        self.projects, self.tier, self.detector, self.queued_seconds = projects, tier, detector, queued_seconds
        self._runners = Runners("tests.standins.azure.custom_vision_runner", status.has_ended, status.give_up)
        for project in projects:
            for left in project.iterations.glob(".*"):
                shutil.rmtree(left)

    def of(self, project: Project) -> list[Row]:
        """The iterations of a project as the API shows them, the newest first."""
        shown = [self._view(project, folder) for folder in folders(project)]
        return sorted(shown, key=lambda each: each["created"], reverse=True)

    def get(self, project: Project, id_: str) -> Row:
        return self._view(project, self.folder(project, id_))

    def folder(self, project: Project, id_: str, trained: bool = False) -> Path:
        """The folder of an iteration.

        Raises:
            Refusal: there is none, or it must be trained and is not.
        """
        folder = project.iterations / id_
        if not (folder / "iteration.json").exists():
            raise not_found("Iteration", id_)
        if trained and status.read(folder)["status"] != status.COMPLETED:
            raise Refusal("BadRequestIterationIsNotTrained", "The iteration is not trained.")
        return folder

    def published(self, project: Project, name: str) -> Path | None:
        """The folder of the iteration that answers under a name."""
        for folder in folders(project):
            if publication(folder).get("publishName") == name:
                return folder
        return None

    def add(self, project: Project, about: Row, plan: Row, images: list[str], hold: str | None) -> Row:
        """Write an iteration down, so that it is trained. Whoever calls it holds the project's lock."""
        numbers = [0, *(int(name.rsplit(" ", 1)[1]) for name in self._given_names(project))]
        about = about | {"name": f"Iteration {max(numbers) + 1}", "created": now(), "projectId": project.id}
        plan = plan | {"detector": self.detector, "queued_seconds": self.queued_seconds}
        new = project.iterations / f".new-{about['id']}"
        (new / "images").mkdir(parents=True)
        for image in images:
            os.link(project.files / image, new / "images" / image)
        write(new / "iteration.json", json.dumps(about))
        write(new / "plan.json", json.dumps(plan))
        if hold:
            write(new / "hold", hold)
        status.enter(new, status.TRAINING)
        new.rename(project.iterations / about["id"])
        return self.get(project, about["id"])

    def rename(self, project: Project, id_: str, name: str) -> Row:
        folder = self.folder(project, id_)
        if not name.strip():
            raise Refusal("BadRequestIterationName", f"Invalid iteration name: '{name}'")
        if any(each["name"] == name and each["id"] != id_ for each in self.of(project)):
            raise Refusal("BadRequestIterationNameNotUnique", "Iteration name should be unique.")
        about = json.loads((folder / "iteration.json").read_text())
        write(folder / "iteration.json", json.dumps(about | {"name": name}))
        return self.get(project, id_)

    def remove(self, project: Project, id_: str) -> None:
        """Forget an iteration; one that trains is ended. That it may be is from memory, not verified."""
        folder = self.folder(project, id_)
        if name := publication(folder).get("publishName"):
            raise Refusal("BadRequestIterationIsPublished", f"Iteration is already published as: {name}")
        self._runners.end(folder)
        gone = folder.rename(folder.with_name(f".gone-{id_}"))
        shutil.rmtree(gone, ignore_errors=True)

    def before_removal(self, project: Project) -> None:
        """Refuse to remove a project that answers; end its trainings.

        Raises:
            Refusal: an iteration is published. That it must not be is from memory, not verified.
        """
        for folder in folders(project):
            if name := publication(folder).get("publishName"):
                raise Refusal("BadRequestIterationIsPublished", f"Iteration is already published as: {name}")
        for folder in folders(project):
            self._runners.end(folder)

    def active(self) -> Iterator[tuple[Project, Path]]:
        """The iterations that train or wait for it, the oldest first."""
        found = [(project, folder) for project in self.projects for folder in folders(project)]
        waiting = [(project, folder) for project, folder in found if not status.has_ended(folder)]
        return iter(sorted(waiting, key=lambda each: json.loads((each[1] / "iteration.json").read_text())["created"]))

    def tick(self) -> None:
        """Start what may start, and begin anew what lost its runner."""
        for _, (project, folder) in zip(range(self.tier.trainings), self.active(), strict=False):
            with project.lock:
                if folder.exists() and project.folder.exists():
                    self._runners.look_after(folder)

    def end_processes(self) -> None:
        """Kill everything that trains; the iterations stay as they are, and would begin anew."""
        for _, folder in self.active():
            self._runners.end(folder)

    def _given_names(self, project: Project) -> Iterator[str]:
        for folder in folders(project):
            name = json.loads((folder / "iteration.json").read_text())["name"]
            if name.startswith("Iteration ") and name.rsplit(" ", 1)[1].isdecimal():
                yield name

    def _view(self, project: Project, folder: Path) -> Row:
        about, stands = json.loads((folder / "iteration.json").read_text()), status.read(folder)
        shown = {name: value for name, value in about.items() if name != "fingerprint"}
        platforms = DOMAINS[about["domainId"]]["exportablePlatforms"] if stands["status"] == status.COMPLETED else []
        optional = {"trainedAt": None, "trainingTimeInMinutes": 0, "trainingErrorDetails": None}
        published = {"publishName": None, "originalPublishResourceId": None} | publication(folder)
        return shown | optional | stands | published | {"exportable": bool(platforms), "exportableTo": platforms}


def folders(project: Project) -> list[Path]:
    return [folder for folder in project.iterations.glob("[!.]*") if (folder / "iteration.json").exists()]


def publication(folder: Path) -> Row:
    file = folder / "published.json"
    return json.loads(file.read_text()) if file.exists() else {}


def fingerprint(*things: Any) -> str:
    """The same for the same things."""
    return hashlib.sha256(json.dumps(things, sort_keys=True).encode()).hexdigest()


def check_room(iterations: list[Row]) -> None:
    """
    Raises:
        Refusal: the project has all the iterations that it may have.
    """
    if len(iterations) >= MOST_ITERATIONS:
        raise Refusal(
            "BadRequestExceedIterationPerProjectLimit",
            f"The maximum number of iterations of a project ({MOST_ITERATIONS}) is reached.",
        )
