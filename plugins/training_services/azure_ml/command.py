"""A training as Azure Machine Learning wants it: a command job.

https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update#commandjob
"""

from __future__ import annotations

import math
from typing import Any

from training_services.azure_ml.bucket import AzureBucket, Staged, output_folder
from training_services.azure_ml.machines import AzureMachine, Environment
from training_services.azure_ml.states import OWNER
from training_services.job import TrainingJob

MODULE = "detector_trainer"
TRAINER = "trainer"  # the input that holds it


def command_job(
    job: TrainingJob, files: AzureBucket, staged: Staged, machine: AzureMachine, cluster: str, runs_in: Environment
) -> dict[str, Any]:
    """The properties of the job."""
    workspace = files.cloud.workspace.id
    output = {"jobOutputType": "uri_folder", "mode": "ReadWriteMount"}
    return {
        "jobType": "Command",
        "displayName": job.name,
        "computeId": f"{workspace}/computes/{cluster}",
        "environmentId": f"{workspace}/{runs_in.path}",
        "command": command(staged),
        "inputs": {
            name: {"jobInputType": "uri_folder", "mode": "ReadOnlyMount", "uri": files.uri(folder)}
            for name, folder in staged.inputs.items()
        },
        "outputs": {"trained": {**output, "uri": files.uri(output_folder(job.name))}},
        "environmentVariables": {OWNER: job.owner, "PYTHONUNBUFFERED": "1"},
        "limits": {"jobLimitsType": "Command", "timeout": f"PT{math.ceil(job.max_seconds)}S"},
        **machine.resources,
    }


def command(staged: Staged) -> str:
    """The trainer's command line; for what stands in ``${{…}}`` the service puts where it mounts that.

    >>> command(Staged({"job": "j", "data": "d"})).partition(" --data ")[0]
    'python -m detector_trainer --config "${{inputs.job}}/configuration.json"'
    """
    arguments = [
        '--config "${{inputs.job}}/configuration.json"',
        '--data "${{inputs.data}}"',
        '--output "${{outputs.trained}}"',
    ]
    if "earlier" in staged.inputs:
        arguments.append('--resume "${{inputs.earlier}}"')
    line = " ".join(["python", "-m", MODULE, *arguments])
    return f'export PYTHONPATH="${{{{inputs.{TRAINER}}}}}"; {line}' if TRAINER in staged.inputs else line
