"""Custom Vision's projects, found by the name of the job that each is for, and their one training.

The service gives every project an id of its own and refuses no second one of a name: where there are twins, the oldest
is meant. It lists all projects of a resource in one call, and the trainings of one project in another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from include.clouds.custom_vision_account import CustomVisionAccount, CustomVisionRefused
from training_services.custom_vision.states import NOT_ASKED_FOR, status_of


class ProjectListing:
    """The projects of one resource, and what is known for good of their trainings."""

    def __init__(self, account: CustomVisionAccount) -> None:
        self.account = account
        self._ended: dict[str, Any] = {}  # iterations, by the project's id

    def all(self) -> list[Any]:
        """Every project of the resource, the oldest first."""
        return sorted(self.account.call("get_projects"), key=lambda project: (project.created, project.id))

    def find(self, names: Collection[str]) -> dict[str, Any]:
        """The project of each name; names that the service does not know are left out."""
        found: dict[str, Any] = {}
        for project in self.all():
            if project.name in names:
                found.setdefault(project.name, project)
        return found

    def training(self, project: Any) -> Any | None:
        """A project's training, the first that was asked for; None: none was, or the project has just gone."""
        if project.id in self._ended:
            return self._ended[project.id]
        try:
            listed = self.account.call("get_iterations", project.id)
        except FileNotFoundError:
            return None
        asked_for = [iteration for iteration in listed if iteration.status != NOT_ASKED_FOR]
        first = min(asked_for, key=lambda iteration: (iteration.created, iteration.id), default=None)
        if first is not None and not status_of(project, first).active:
            self._ended[project.id] = first
        return first

    def forget_all_but(self, ids: Collection[str]) -> None:
        self._ended = {id_: iteration for id_, iteration in self._ended.items() if id_ in ids}

    def remove_twins(self, name: str) -> None:
        """Of several projects of one name leave the oldest."""
        for twin in [project for project in self.all() if project.name == name][1:]:
            self.remove(twin)

    def remove(self, project: Any) -> None:
        """Delete a project with all that is in it, a training that still runs included.

        One whose model is published is not deleted by the service, nor, it seems, one that trains; so either is ended
        first. Custom Vision has no other way to stop a training.
        """
        with contextlib.suppress(FileNotFoundError):  # the answer to the call before was lost, or another was faster
            for iteration in self.account.call("get_iterations", project.id):
                self._end(project, iteration)
            self.account.call("delete_project", project.id)
        self._ended.pop(project.id, None)

    def _end(self, project: Any, iteration: Any) -> None:
        if iteration.publish_name:
            with contextlib.suppress(FileNotFoundError, CustomVisionRefused):
                self.account.call("unpublish_iteration", project.id, iteration.id)
        if iteration.status != NOT_ASKED_FOR and status_of(project, iteration).active:
            with contextlib.suppress(FileNotFoundError, CustomVisionRefused):  # then its project may still go
                self.account.call("delete_iteration", project.id, iteration.id)
