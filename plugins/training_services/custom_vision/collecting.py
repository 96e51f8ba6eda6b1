"""The model of a training: exported by the service, downloaded, verified, and kept in the store as it came.

From then on it is read from there: its project may go. A model is a zip file of a few files, made by others:

    TensorFlow       model.pb, labels.txt      a frozen graph
    TensorFlowLite   model.tflite, labels.txt
    CoreML           model.mlmodel, labels.txt
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, NamedTuple

from include.clouds.custom_vision_account import CustomVisionAccount, CustomVisionRefused
from include.dataset.archive import Limits, unpack
from include.dataset.source import SET_ASIDE
from include.scoring.custom_vision import LABELS, labels_of
from training_services.custom_vision.records import JobRecords

MODEL = "custom_vision"  # folder of all exports among what is collected
LIMITS = Limits(members=1000, bytes=2 << 30, member_bytes=1 << 30)
MOST_SECONDS = 1800.0  # that all exports together may take
FAILURES = 3  # of an export, before a person must look
UNDER_WAY = "BadRequestExportAlreadyInProgress"


class Format(NamedTuple):
    """What the service is asked for, and the file in what it makes of it."""

    platform: str
    flavor: str | None
    file: str
    flavors: tuple[str | None, ...]  # by which it may call it

    def is_of(self, export: Any) -> bool:
        return export.platform == self.platform and export.flavor in self.flavors


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "TensorFlow": Format("TensorFlow", None, "model.pb", (None, "", "TensorFlowNormal")),
        "TensorFlowLite": Format("TensorFlow", "TensorFlowLite", "model.tflite", ("TensorFlowLite",)),
        "CoreML": Format("CoreML", None, "model.mlmodel", (None, "")),
    }
)


RUN_HERE = frozenset({"TensorFlow", "TensorFlowLite"})


class ExportFailed(RuntimeError):
    """The service could not export a model. The training is not lost: the task may be cleared."""


class Exports:
    """The exported models of one job.

    Args:
        wanted: names of ``FORMATS``.
        interval: seconds between two looks at an export.
    """

    def __init__(
        self, account: CustomVisionAccount, records: JobRecords, wanted: Collection[str], interval: float
    ) -> None:
        self.account, self.records, self.interval = account, records, interval
        self.wanted = [name for name in FORMATS if name in wanted]

    @property
    def missing(self) -> list[str]:
        """Those that are not in the store yet."""
        return [name for name in self.wanted if not self.records.store.exists(self._path(name))]

    def fetch(self, project: str, iteration: str, labels: Collection[str], say: Callable[[str], None] = print) -> None:
        """Bring what is missing into the store, each once it was found to be what was asked for.

        Args:
            labels: the tags that the model knows.

        Raises:
            ExportFailed: the service could not, or took too long.
            ValueError: what it made is no such model.
        """
        missing = self.missing
        for name in missing:
            self._request(project, iteration, FORMATS[name])
        with TemporaryDirectory() as scratch:
            for name, uri in self._finished(project, iteration, missing):
                archive = Path(scratch) / f"{name}.zip"
                sha256 = self.account.download(uri, archive, say)
                verify(_unpacked(archive, Path(scratch)), name, labels)
                self.records.store.copy_in(archive, self._path(name))
                say(f"{name}: {archive.stat().st_size / 1e6:.1f} MB, sha256 {sha256}")

    def unpack(self, into: Path) -> None:
        """All that the store has, each in a folder of its own in lower case."""
        for name in self.wanted:
            with TemporaryDirectory() as scratch:
                archive = self.records.store.copy_out(self._path(name), Path(scratch) / f"{name}.zip")
                folder = _unpacked(archive, Path(scratch))
                shutil.copytree(folder, into / MODEL / name.lower(), dirs_exist_ok=True)

    def _request(self, project: str, iteration: str, format_: Format) -> None:
        try:
            self.account.call("export_iteration", project, iteration, format_.platform, flavor=format_.flavor)
        except CustomVisionRefused as refusal:  # asked for before; the answer was lost, or its worker died
            if refusal.code != UNDER_WAY:
                raise

    def _finished(self, project: str, iteration: str, wanted: Collection[str]) -> Iterator[tuple[str, str]]:
        """Each export with its URI, as they are ready."""
        waiting = dict.fromkeys(wanted, 0)  # how often it failed
        deadline = time.monotonic() + MOST_SECONDS
        while waiting:
            listed = self.account.call("get_exports", project, iteration)
            for name in list(waiting):
                export = next(filter(FORMATS[name].is_of, listed), None)
                if export is not None and export.status == "Done":
                    del waiting[name]
                    yield name, export.download_uri
                elif export is None or export.status == "Failed":
                    waiting[name] += 1
                    if waiting[name] == FAILURES:
                        raise ExportFailed(f"Custom Vision failed {FAILURES} times to export to {name}.")
                    self._request(project, iteration, FORMATS[name])
            if waiting and time.monotonic() > deadline:
                raise ExportFailed(
                    f"Custom Vision had not exported to {', '.join(waiting)} after {MOST_SECONDS:.0f} s."
                )
            if waiting:
                time.sleep(self.interval)

    def _path(self, name: str) -> str:
        return self.records.path(f"exports/{name}.zip")


def verify(folder: Path, name: str, labels: Collection[str]) -> None:
    """Is this the model that was asked for? One that is kept and not run may lack its file; that is said in the log.

    Raises:
        ValueError: it is not.
    """
    if (folder / SET_ASIDE).exists():
        raise ValueError(f"The export to {name} holds what no model does: {(folder / SET_ASIDE).read_text()[:500]}")
    expected = [FORMATS[name].file, *([LABELS] if name in RUN_HERE else [])]
    lacking = [file for file in expected if not (folder / file).is_file() or not (folder / file).stat().st_size]
    if lacking:
        there = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        complaint = f"The export to {name} holds {there}; expected {', '.join(lacking)}, too."
        if name in RUN_HERE:
            raise ValueError(complaint)
        print(complaint)
    if (folder / LABELS).exists() and sorted(labels_of(folder)) != sorted(labels):
        raise ValueError(f"The export to {name} is of a model for {labels_of(folder)}; expected {sorted(labels)}.")


def _unpacked(archive: Path, scratch: Path) -> Path:
    return unpack(archive, scratch / "unpacked", limits=LIMITS, say=lambda _: None)
