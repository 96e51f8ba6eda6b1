"""Trained models as archives, whose address needs no key.

https://learn.microsoft.com/azure/ai-services/custom-vision-service/export-programmatically: asked for, then looked at
until it is done. Asked for twice it is refused, also when it is done: "… is already queued for export",
https://github.com/Azure/azure-sdk-for-python/issues/23922.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.standins.azure.custom_vision_account import COMPACT_S1, DOMAINS
from tests.standins.azure.custom_vision_archive import write_archive
from tests.standins.azure.custom_vision_calls import Call, Route, check_id
from tests.standins.azure.custom_vision_errors import Refusal
from tests.standins.azure.custom_vision_iterations import Iterations
from tests.standins.azure.custom_vision_store import Project, Row
from training_services.local_runner import write

DOWNLOADS = "/exports"
FLAVORS = {
    "TensorFlow": ("TensorFlowNormal", "TensorFlowLite"),
    "ONNX": ("ONNX10", "ONNX12"),
    "DockerFile": ("Linux", "Windows", "ARM"),
}
MADE_HERE = frozenset(
    {("TensorFlow", None), ("TensorFlow", "TensorFlowNormal"), ("TensorFlow", "TensorFlowLite"), ("CoreML", None)}
)


class ExportCalls:
    """The calls about exports.

    Args:
        seconds: that an export takes at least.
    """

    def __init__(self, iterations: Iterations, seconds: float) -> None:
        self.iterations, self.projects, self.seconds = iterations, iterations.projects, seconds

    def routes(self) -> list[Route]:
        path = "/projects/{projectId}/iterations/{iterationId}/export"
        return [Route("ExportIteration", "POST", path, self._ask), Route("GetExports", "GET", path, self._list)]

    def download(self, path: str) -> bytes:
        """An archive by the path of its address."""
        project_id, _, rest = path.removeprefix(f"{DOWNLOADS}/").partition("/")
        iteration_id, _, name = rest.partition("/")
        folder = self.iterations.folder(self.projects.get(project_id), check_id(iteration_id))
        known = {_name(row): row for row in _rows(folder)}
        if name not in known or known[name]["status"] != "Done":
            raise Refusal("NotFound", "The specified blob does not exist.")
        return (folder / "exports" / f"{name}.zip").read_bytes()

    def tick(self) -> None:
        """Finish what was asked for long enough ago."""
        for project in self.projects:
            for file in project.iterations.glob("[!.]*/exports/*.json"):
                row = json.loads(file.read_text())
                if row["status"] == "Exporting" and time.time() >= row["asked"] + self.seconds:
                    self._make(project, file, row)

    def _ask(self, call: Call) -> Row:
        project = self.projects.get(call.at["projectId"])
        platform, flavor = call.text("platform"), call.query.get("flavor")
        with project.lock:
            folder = self.iterations.folder(project, call.at["iterationId"], trained=True)
            domain = DOMAINS[json.loads((folder / "iteration.json").read_text())["domainId"]]
            if platform not in domain["exportablePlatforms"] or flavor not in {None, *FLAVORS.get(platform, ())}:
                raise Refusal(
                    "BadRequestExportValidationFailed",
                    f"The domain {domain['name']} cannot be exported to {platform} {flavor or ''}".strip() + ".",
                )
            row = {"platform": platform, "flavor": flavor, "status": "Exporting", "asked": time.time()}
            (folder / "exports").mkdir(exist_ok=True)
            file = folder / "exports" / f"{_name(row)}.json"
            if file.exists():
                raise Refusal("BadRequestExportAlreadyInProgress", f"{folder.name} is already queued for export")
            write(file, json.dumps(row))
        return _view(row, None)

    def _list(self, call: Call) -> list[Row]:
        project = self.projects.get(call.at["projectId"])
        folder = self.iterations.folder(project, call.at["iterationId"])
        at = f"{call.url}{DOWNLOADS}/{project.id}/{folder.name}"
        return [_view(row, f"{at}/{_name(row)}") for row in _rows(folder)]

    def _make(self, project: Project, file: Path, row: Row) -> None:
        """Write an archive, or let the export fail: by a wish, or because there is no such form of the model here."""
        folder = file.parents[1]
        plan, about = (json.loads((folder / f"{name}.json").read_text()) for name in ("plan", "iteration"))
        fails = (plan["fault"] or {}).get("fault") == "export"
        can = (row["platform"], row["flavor"]) in MADE_HERE and about["domainId"] == COMPACT_S1
        if can and not fails:
            write_archive(folder, row["platform"], row["flavor"], file.with_suffix(".zip"))
        with project.lock:
            if file.exists():
                write(file, json.dumps(row | {"status": "Done" if can and not fails else "Failed"}))


def _name(row: Row) -> str:
    return "-".join(filter(None, (row["platform"], row["flavor"])))


def _rows(folder: Path) -> list[Row]:
    return [json.loads(file.read_text()) for file in sorted((folder / "exports").glob("[!.]*.json"))]


def _view(row: Row, address: str | None) -> Row:
    shown = {name: row[name] for name in ("platform", "flavor", "status")}
    return shown | {"downloadUri": address if row["status"] == "Done" else None, "newerVersionAvailable": False}
