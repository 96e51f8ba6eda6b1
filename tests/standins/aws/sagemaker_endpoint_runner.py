"""Keeps one endpoint in service. ``python -m tests.standins.aws.sagemaker_endpoint_runner ENDPOINT``.

Only the built-in object detection can serve here. The words of failures are from memory.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.standins.aws.endpoint import Aws, split_uri
from tests.standins.aws.sagemaker_endpoints import (
    CREATING,
    FAILED,
    IN_SERVICE,
    INTERNAL,
    enter,
    needs_no_runner,
    status_of,
)
from tests.standins.aws.sagemaker_images import OBJECT_DETECTION, kind_of
from tests.standins.aws.sagemaker_logs import ENDPOINT_GROUPS, HostLog
from tests.standins.aws.sagemaker_programs import python_path
from tests.standins.job_folder import is_held, owning
from tests.standins.processes import PROJECT, end_group, end_remembered_groups, remember_groups

BEAT = 0.1
NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a "
    "different ML instance type."
)
NO_PING = (
    "The primary container for production variant {variant} did not pass the ping health check. Please check "
    "CloudWatch logs for this endpoint."
)


class NotServed(Exception):
    """The endpoint fails, with these words."""


class Run:
    """One endpoint, in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, folder / "address"
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        job = json.loads((folder / "job.json").read_text())
        self.variant = job["Config"]["ProductionVariants"][0]["VariantName"]
        self.aws = Aws(self.plan["aws"], self.plan["region"])
        group = f"{ENDPOINT_GROUPS}{job['EndpointName']}"
        self.log = HostLog(self.aws, group, f"{self.variant}/i-0123456789abcdef0")

    def to_the_end(self) -> None:
        """Until it is deleted, or has failed."""
        end_remembered_groups(self.folder / "hosts.json")
        try:
            self._run()
        except NotServed as why:
            enter(self.folder, FAILED, FailureReason=str(why))
        except Exception:
            traceback.print_exc()
            enter(self.folder, FAILED, FailureReason=INTERNAL)
        finally:
            self.log.flush(now=True)

    def _run(self) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < self.plan["starting_seconds"] or is_held(self.folder, CREATING):
            time.sleep(BEAT)
        faults = {"capacity": NO_CAPACITY, "internal": INTERNAL}
        if self.plan["fault"] in faults:
            raise NotServed(faults[self.plan["fault"]])
        container = self.plan["model"]["PrimaryContainer"]
        if kind_of(container["Image"], self.plan["region"]) != OBJECT_DETECTION:
            raise NotServed("The stand-in serves models of the built-in object detection alone.")
        self._serve(self._unpacked(container["ModelDataUrl"]))

    def _unpacked(self, uri: str) -> Path:
        model, archive = self.folder / "model", self.folder / "model.tar.gz"
        shutil.rmtree(model, ignore_errors=True)
        try:
            self.aws.download(*split_uri(uri), archive)
            with tarfile.open(archive) as content:
                content.extractall(model, filter="data")
        except (urllib.error.HTTPError, tarfile.TarError, EOFError) as error:
            raise NotServed(f"Failed to download model data for container from {uri}: {error}") from error
        return model

    def _serve(self, model: Path) -> None:
        """Run the container as long as the endpoint is wanted; one that ends is begun anew by the next runner."""
        self.address.unlink(missing_ok=True)
        said = self.folder / "container.txt"
        with said.open("wb") as output:
            container = subprocess.Popen(
                [sys.executable, "-m", "tests.standins.aws.sagemaker_serving", str(model), str(self.address)],
                cwd=PROJECT,
                env={"PYTHONPATH": python_path(), "PATH": str(Path(sys.executable).parent), "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        remember_groups(self.folder / "hosts.json", [container.pid])
        try:
            while container.poll() is None and not (self.folder / "delete").exists():
                if status_of(self.folder) == CREATING and self._pings():
                    enter(self.folder, IN_SERVICE)
                time.sleep(BEAT)
        finally:
            end_group(container.pid, 9)
            container.wait()
            for line in said.read_text(errors="replace").splitlines():
                self.log.line(line)
        if status_of(self.folder) == CREATING and not (self.folder / "delete").exists():
            raise NotServed(NO_PING.format(variant=self.variant))

    def _pings(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.address.read_text()}/ping", timeout=5).close()
        except OSError:
            return False
        return True


def main(folder: Path) -> None:
    with owning(folder) as mine:
        if mine and not needs_no_runner(folder):
            Run(folder).to_the_end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
