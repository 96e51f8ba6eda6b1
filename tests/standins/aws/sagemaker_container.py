"""What a container of a training job finds: folders, configuration files, environment.

The folders are those of ``/opt/ml``
(https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html), the environment
and the arguments those of AWS's training toolkit
(https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md). There is no container here, so

* ``/opt/ml`` is a folder of the host's own. The toolkit's variable for that is ``SAGEMAKER_BASE_DIR``; at the beginning
  of an argument and of a variable that the job brings, ``/opt/ml`` is replaced;
* the names of hosts do not resolve. ``SM_HOST_ADDRESSES``, which only the stand-in sets, has an address for each as
  JSON: ``{"algo-1": "127.0.0.1:40001", …}``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.standins.aws import sagemaker_machines as machines

BASE = "/opt/ml"
CHECKPOINTS = f"{BASE}/checkpoints"
_OF_THE_TOOLKIT = frozenset(
    {
        "sagemaker_program",
        "sagemaker_submit_directory",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_region",
        "sagemaker_container_log_level",
        "sagemaker_job_name",
        "sagemaker_s3_output",
        "default_user_module_name",
        "_tuning_objective_metric",
    }
)


class Container:
    """One host's container.

    Args:
        job: as submitted.
        host: such as ``algo-1``.
        folder: stands for the root of its file system.
        addresses: of every host, see the module.
    """

    def __init__(self, job: dict[str, Any], host: str, folder: Path, addresses: Mapping[str, str], region: str) -> None:
        self.job, self.host, self.folder, self.region = job, host, folder, region
        self.addresses = dict(addresses)
        self.base = folder / BASE.removeprefix("/")
        self.code, self.model = self.base / "code", self.base / "model"
        self.output, self.output_data = self.base / "output", self.base / "output" / "data"
        self.hyperparameters: dict[str, str] = job.get("HyperParameters", {})

    def localised(self, text: str) -> str:
        """A text with ``/opt/ml`` at its beginning replaced by this host's folder."""
        inside = text == BASE or text.startswith(f"{BASE}/")
        return str(self.base) + text.removeprefix(BASE) if inside else text

    @property
    def checkpoints(self) -> Path | None:
        """The folder that is kept in step with S3, if the job asks for that."""
        config = self.job.get("CheckpointConfig")
        return Path(self.localised(config.get("LocalPath", CHECKPOINTS))) if config else None

    def channel(self, name: str) -> Path:
        return self.base / "input" / "data" / name

    def prepare(self) -> None:
        """Make the folders and the files in ``input/config``."""
        config = self.base / "input" / "config"
        for folder in (config, self.code, self.model, self.output_data, self.folder / "home", self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoints:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        files = {
            "hyperparameters": self.hyperparameters,
            "inputdataconfig": self._input_data_config(),
            "resourceconfig": self._resource_config(),
        }
        for name, content in files.items():
            (config / f"{name}.json").write_text(json.dumps(content))

    # --- environment

    def environment(self) -> dict[str, str]:
        """Nothing of this process's own but the path of programs."""
        given = {name: self.localised(value) for name, value in self.job.get("Environment", {}).items()}
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "TRAINING_JOB_NAME": self.job["TrainingJobName"],
            "TRAINING_JOB_ARN": self.job["TrainingJobArn"],
            "CURRENT_HOST": self.host,
            "SAGEMAKER_BASE_DIR": str(self.base),
            "SM_HOST_ADDRESSES": json.dumps(self.addresses),
            **given,
        }

    def toolkit_environment(self) -> dict[str, str]:
        """What the toolkit adds for a script."""
        user, own = user_hyperparameters(self.hyperparameters), _framework_parameters(self.hyperparameters)
        program = hyperparameter(self.hyperparameters["sagemaker_program"])
        channels = {each["ChannelName"]: str(self.channel(each["ChannelName"])) for each in self._channels()}
        resources, instance = self._resource_config(), self.job["ResourceConfig"]["InstanceType"]
        values: dict[str, Any] = {
            "hosts": resources["hosts"],
            "current_host": self.host,
            "current_instance_type": instance,
            "current_instance_group": resources["current_group_name"],
            "network_interface_name": resources["network_interface_name"],
            "hps": user,
            "user_entry_point": program,
            "user_args": user_arguments(self),
            "framework_params": own,
            "resource_config": resources,
            "input_data_config": self._input_data_config(),
            "channels": sorted(channels),
            "module_name": program.removesuffix(".py"),
            "module_dir": hyperparameter(self.hyperparameters["sagemaker_submit_directory"]),
            "log_level": 20,
            "framework_module": "sagemaker_tensorflow_container.training:main",
            "input_dir": self.base / "input",
            "input_config_dir": self.base / "input" / "config",
            "output_dir": self.output,
            "output_data_dir": self.output_data,
            "output_intermediate_dir": self.output / "intermediate",
            "model_dir": self.model,
            "num_cpus": os.cpu_count(),
            "num_gpus": machines.gpus(instance),
            **{f"channel_{name}": path for name, path in channels.items()},
            **{f"hp_{name}": value for name, value in user.items()},
        }
        found = {f"SM_{name.upper()}": _variable(value) for name, value in values.items()}
        return found | {"PYTHONPATH": str(self.code)}

    def _channels(self) -> list[dict[str, Any]]:
        return self.job.get("InputDataConfig", [])

    def _input_data_config(self) -> dict[str, Any]:
        mode = self.job["AlgorithmSpecification"]["TrainingInputMode"]
        found = {}
        for channel in self._channels():
            source = channel["DataSource"]["S3DataSource"]
            found[channel["ChannelName"]] = {
                "TrainingInputMode": channel.get("InputMode", mode),
                "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            } | ({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})
        return found

    def _resource_config(self) -> dict[str, Any]:
        hosts, instance = list(self.addresses), self.job["ResourceConfig"]["InstanceType"]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": hosts}
        return {
            "current_host": self.host,
            "current_instance_type": instance,
            "current_group_name": "homogeneousCluster",
            "hosts": hosts,
            "instance_groups": [group],
            "network_interface_name": "lo",
        }


def hyperparameter(text: str) -> Any:
    """A hyperparameter as the toolkit reads it: JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def user_hyperparameters(given: dict[str, str]) -> dict[str, Any]:
    """Those that are for the script."""
    own = _framework_parameters(given).keys() | _OF_THE_TOOLKIT
    return {name: hyperparameter(value) for name, value in given.items() if name not in own}


def user_arguments(container: Container) -> list[str]:
    """Hyperparameters as a script gets them: sorted by name."""
    arguments = []
    for name, value in sorted(user_hyperparameters(container.hyperparameters).items()):
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", container.localised(_argument(value))]
    return arguments


def _framework_parameters(given: dict[str, str]) -> dict[str, Any]:
    return {
        name: hyperparameter(value)
        for name, value in given.items()
        if name.startswith("sagemaker_") and name not in _OF_THE_TOOLKIT
    }


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return "" if value is None else str(value)


def _variable(value: Any) -> str:
    if isinstance(value, str | Path):
        return str(value)
    return "" if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))
