"""What the stand-in knows, on disk: documents by id, one JSON file each, replaced atomically; read from memory.

======================================  ===================================================================
``projects/<id>/project.json``          name, settings, times
``projects/<id>/tags/<id>.json``        its tags; so its ``images``, with regions, and ``predictions``
``projects/<id>/files/<id>``            bytes of an image or of a stored prediction
``projects/<id>/iterations/<id>/``      a training each, see ``custom_vision_status``
======================================  ===================================================================
"""

from __future__ import annotations

import json
import shutil
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.standins.azure.custom_vision_errors import not_found
from training_services.local_runner import write

Row = dict[str, Any]


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def new_id() -> str:
    return str(uuid.uuid4())


class Table:
    """Documents of one kind, in the order of their creation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        rows = [json.loads(file.read_text()) for file in folder.glob("*.json")]
        self._rows: dict[str, Row] = {row["id"]: row for row in sorted(rows, key=lambda row: row["created"])}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._rows.values()))

    def get(self, id_: str) -> Row | None:
        return self._rows.get(id_)

    def put(self, row: Row) -> Row:
        write(self.folder / f"{row['id']}.json", json.dumps(row))
        self._rows[row["id"]] = row
        return row

    def remove(self, id_: str) -> None:
        self._rows.pop(id_, None)
        (self.folder / f"{id_}.json").unlink(missing_ok=True)


class Project:
    """One project; whoever changes it holds its lock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.RLock()
        self.about: Row = json.loads((folder / "project.json").read_text())
        self.tags, self.images, self.predictions = (Table(folder / each) for each in ("tags", "images", "predictions"))
        self.files, self.iterations = folder / "files", folder / "iterations"
        self.files.mkdir(exist_ok=True)
        self.iterations.mkdir(exist_ok=True)
        self.by_hash = {row["sha256"]: row["id"] for row in self.images}

    @property
    def id(self) -> str:
        return self.folder.name

    def save(self, **changes: Any) -> None:
        """Change the project itself."""
        self.about |= changes | {"lastModified": now()}
        write(self.folder / "project.json", json.dumps(self.about))

    def tag(self, id_: str) -> Row:
        """
        Raises:
            Refusal: there is no such tag.
        """
        if (found := self.tags.get(id_)) is None:
            raise not_found("Tag", id_)
        return found

    def image(self, id_: str) -> Row:
        """
        Raises:
            Refusal: there is no such image.
        """
        if (found := self.images.get(id_)) is None:
            raise not_found("Image", id_)
        return found


class Projects:
    """All projects of a resource.

    Args:
        state: holds everything; another instance on the same folder goes on where this one was killed.
    """

    def __init__(self, state: Path) -> None:
        self.folder, self.lock = state / "projects", threading.RLock()
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*"):
            shutil.rmtree(left)
        found = sorted(map(Project, self.folder.iterdir()), key=lambda project: project.about["created"])
        self._projects = {project.id: project for project in found}

    def __len__(self) -> int:
        return len(self._projects)

    def __iter__(self) -> Iterator[Project]:
        return iter(list(self._projects.values()))

    def get(self, id_: str) -> Project:
        """
        Raises:
            Refusal: there is no such project.
        """
        if id_ not in self._projects:
            raise not_found("Project", id_)
        return self._projects[id_]

    def add(self, about: Row) -> Project:
        new = self.folder / f".new-{about['id']}"
        new.mkdir()
        write(new / "project.json", json.dumps(about))
        self._projects[about["id"]] = Project(new.rename(self.folder / about["id"]))
        return self._projects[about["id"]]

    def remove(self, project: Project) -> None:
        del self._projects[project.id]
        shutil.rmtree(project.folder.rename(self.folder / f".gone-{project.id}"))
