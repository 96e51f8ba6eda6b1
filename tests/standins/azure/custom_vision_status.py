"""How a training stands, on disk: its iteration's folder.

====================  ==================================================================================
``iteration.json``    what was asked: id, name, type, budget, domain, and a fingerprint of the data
``plan.json``         how it is trained: tags, samples with their regions, settings, the fault it suffers
``images/``           the images as they were when the training was asked for (hard links)
``status.json``       status, times and error, as the API shows them; written by the runner alone while it lives
``published.json``    under which name it answers
``hold``              it may not begin
``strike``            the service loses it, now
``lock, attempts, runner.json, hosts.json``  see ``job_folder`` and ``runners``
``output/``           what our trainer left
``model/``            ``model.pb``, ``model.tflite``, which answers, and ``performance.json``
``exports/``          see ``custom_vision_exports``
====================  ==================================================================================
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.standins.azure.custom_vision_store import now
from tests.standins.job_folder import owning
from training_services.local_runner import write

TRAINING, COMPLETED, FAILED = "Training", "Completed", "Failed"
ENDED = frozenset({COMPLETED, FAILED})
INTERNAL = "Training failed due to an internal error. Please try again."  # from memory, not verified


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "status.json").read_text())


def enter(folder: Path, status: str, **fields: Any) -> None:
    """Go into a status, with the fields that belong to it."""
    file = folder / "status.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    write(file, json.dumps(before | {"status": status, "lastModified": now()} | fields))


def has_ended(folder: Path) -> bool:
    return read(folder)["status"] in ENDED


def give_up(folder: Path) -> None:
    """Let a training fail that the service lost again and again."""
    with owning(folder) as mine:
        if mine:
            enter(folder, FAILED, trainingErrorDetails=INTERNAL)
