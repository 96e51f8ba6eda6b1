"""What runs in a container: a script by AWS's training toolkit, a command of the job's own, or the built-in detector.

The toolkit: https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.standins.aws.sagemaker_container import Container, hyperparameter, user_arguments
from tests.standins.aws.sagemaker_images import OBJECT_DETECTION
from tests.standins.aws.sagemaker_metrics import DETECTION, Metrics
from tests.standins.aws.sagemaker_storage import Denied, Storage
from tests.standins.processes import python_path

_PYTHONS = frozenset({"python", "python3", "/usr/bin/python3", "/usr/local/bin/python3"})
_NEEDED = ("sagemaker_program", "sagemaker_submit_directory")


class Program:
    """A command of the job's own (``ContainerEntrypoint``), in place of the image's."""

    is_script = is_builtin = False

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job
        self.algorithm = job["AlgorithmSpecification"]
        self.hyperparameters: dict[str, str] = job.get("HyperParameters", {})

    def fetch(self, container: Container, storage: Storage) -> None:
        """Bring its code into the container.

        Raises:
            Denied: there is none.
        """
        if code := self.hyperparameters.get("sagemaker_submit_directory"):
            storage.fetch_code(hyperparameter(code), container.code)

    def command(self, container: Container) -> list[str]:
        command = [*self.algorithm["ContainerEntrypoint"], *self.algorithm.get("ContainerArguments", [])]
        program = sys.executable if command[0] in _PYTHONS else command[0]
        return [program, *map(container.localised, command[1:])]

    def environment(self, container: Container) -> dict[str, str]:
        return container.environment()

    def metrics(self) -> Metrics:
        """What Describe tells of its lines."""
        return Metrics(tuple((each["Name"], each["Regex"]) for each in self.algorithm.get("MetricDefinitions", [])))


class Script(Program):
    """``sagemaker_program`` in ``sagemaker_submit_directory``, run by the toolkit."""

    is_script = True

    def fetch(self, container: Container, storage: Storage) -> None:
        for name in _NEEDED:
            if name not in self.hyperparameters:
                raise Denied(f"AlgorithmError: framework error: \nKeyError: '{name}', exit code: 1")
        super().fetch(container, storage)
        if missing := missing_requirements(container.code):
            listed = ", ".join(missing)
            raise Denied(
                f'AlgorithmError: InstallRequirementsError:\nExitCode 1\nErrorMessage "ERROR: No matching distribution '
                f'found for {listed}"\nCommand "python -m pip install -r requirements.txt", exit code: 1'
            )

    def command(self, container: Container) -> list[str]:
        """A script, a module of a package with a setup.py, or a command of the shell, as the toolkit tells them."""
        program, arguments = hyperparameter(self.hyperparameters["sagemaker_program"]), user_arguments(container)
        if program.endswith(".py"):
            return [sys.executable, program, *arguments]
        if (container.code / "setup.py").exists():
            return [sys.executable, "-m", program, *arguments]
        return ["/bin/sh", "-c", f"./{program} {' '.join(arguments)}"]

    def environment(self, container: Container) -> dict[str, str]:
        return container.environment() | container.toolkit_environment()


class Detection(Program):
    """The built-in object detection (see ``sagemaker_detection``)."""

    is_builtin = True

    def __init__(self, job: Mapping[str, Any], detector: str) -> None:
        super().__init__(job)
        self.detector = detector

    def fetch(self, container: Container, storage: Storage) -> None:
        """It brings its own code."""

    def command(self, container: Container) -> list[str]:
        return [sys.executable, "-m", "tests.standins.aws.sagemaker_detection", "train", str(container.base)]

    def environment(self, container: Container) -> dict[str, str]:
        return container.environment() | {"PYTHONPATH": python_path(), "STANDIN_DETECTOR": self.detector}

    def metrics(self) -> Metrics:
        return Metrics(DETECTION)


def program_of(job: Mapping[str, Any], kind: str, detector: str) -> Program:
    """What runs in a job's containers.

    Args:
        kind: of its image, see ``sagemaker_images``.
        detector: how the built-in detector trains, fields of our trainer's configuration as JSON.
    """
    if kind == OBJECT_DETECTION:
        return Detection(job, detector)
    return Program(job) if job["AlgorithmSpecification"].get("ContainerEntrypoint") else Script(job)


def missing_requirements(code: Path) -> list[str]:
    """Lines of the code's ``requirements.txt`` that this machine's Python does not meet; nothing is installed."""
    file = code / "requirements.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    found = [line.split(" #")[0].strip() for line in lines]
    return [line for line in found if line and not line.startswith("#") and not _is_met(line)]


def _is_met(line: str) -> bool:
    from packaging.requirements import Requirement

    requirement = Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
