"""The AWS target: the trainer as a training job of SageMaker, its data and model in a bucket (``bucket``).

SageMaker refuses a second job of a name, so the name alone keeps a training from being paid twice: whoever comes second
finds the job that there is.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.checks.aws.machines import PRESETS
from include.checks.aws.setup import asked_instances, look
from include.clouds.aws_account import AwsAccount
from include.clouds.failures import CallFailed, QuotaExceeded
from include.costs.prices import PriceList
from include.documents import Reason, State
from include.progress import TAIL_BYTES, last_training_line_in
from include.settings import AwsSettings, Machine
from include.store import Store
from training_services.inputs import empty_sides
from training_services.job import MAX_ATTEMPTS, JobHandle, JobStatus, LogPage, Refused, TrainingJob
from training_services.sagemaker.bucket import SageMakerBucket, Staged, checkpoints
from training_services.sagemaker.listing import SageMakerListing
from training_services.sagemaker.log import SageMakerLog
from training_services.sagemaker.machines import image, preset
from training_services.sagemaker.source import SCRIPT
from training_services.sagemaker.states import OVER, OWNER, STOPPING, status_of

MODULE = "detector_trainer.sagemaker"
LOCAL_CHECKPOINTS = "/opt/ml/checkpoints"
WAIT_SECONDS = 500  # for spot machines, beyond the job's own limit; less than the waiting task grants besides
VOLUME_GB, GB_FOR_EACH = 30, 3  # of a machine's disk, and for each GB of data besides
NAMESPACE_TAG, PREFIX_TAG = "lanner_namespace", "lanner_prefix"
log = logging.getLogger(__name__)


class SageMakerService:
    """Training jobs on SageMaker (``TrainingService``).

    Args:
        account: with the region of everything.
        settings: bucket, prefix, role and what else all jobs have in common.
        store: where datasets and weights are.
        namespace: of this deployment; with it the names of its jobs begin.
        prices: of this deployment; None: the table's alone.
    """

    first_preset = next(iter(PRESETS))  # where no machine is asked for
    is_builtin = False  # does it train an algorithm of AWS's own?

    def __init__(
        self,
        account: AwsAccount,
        settings: AwsSettings,
        store: Store,
        namespace: str = "lanner",
        prices: PriceList | None = None,
    ) -> None:
        self.interval = settings.poll_seconds
        self.account, self.settings, self.namespace = account, settings, namespace
        self.files = SageMakerBucket(account, settings, store)
        self.prices = prices or PriceList("aws")
        self.jobs = SageMakerListing(account)
        self.log = SageMakerLog(account)

    # --- what every target can do

    def check(self, job: TrainingJob) -> list[str]:
        """What would make this job fail: a side without images, a machine that there is not, an account not set up."""
        faults = empty_sides(self.files.store, job)
        known = []
        for asked in job.machines:
            try:
                preset(asked["preset"])
            except ValueError as unknown:
                faults.append(f"UNKNOWN_MACHINE: {unknown} Change machines in lanner.yaml.")
            else:
                known.append(Machine(**asked))
            if (asked.get("region") or self.settings.region) != self.settings.region:
                faults.append(
                    f"OTHER_REGION: a machine is to be in {asked['region']}, and SageMaker reads only buckets of the "
                    f"job's region, which is {self.settings.region}. Leave the machine's region out, or change "
                    "aws.region and aws.bucket in lanner.yaml."
                )
            if asked.get("evaluator"):
                faults.append(
                    f"EVALUATOR: {asked['preset']} asks for a machine that evaluates beside it, which only Vertex AI "
                    "has. Leave evaluator out in lanner.yaml."
                )
        instances = asked_instances(known or [Machine(preset=self.first_preset)], builtin=self.is_builtin)
        own = [job.as_attempt(number).name for number in range(1, MAX_ATTEMPTS + 1)]
        facts, findings = look(self.account, self.settings, instances, self.namespace, own)
        for note in facts.unknown:
            log.info("Not checked: %s", note)
        return faults + [str(finding) for finding in findings]

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        """Find the job of this name or submit it.

        Raises:
            Refused: the account's quota is used up.
            ValueError: the job would fail; nothing was submitted.
            CallFailed: a service did not answer.
        """
        if found := self.describe([job.name]):
            return JobHandle(job, found[job.name], submitted=False)
        request = self._request(job, self.files.stage(job))
        if faults := self._faults_of(job, request):
            raise ValueError("\n- ".join([f"{job.name} was not submitted, because:", *faults]))
        try:
            arn = self.account.call("sagemaker", "create_training_job", **request)["TrainingJobArn"]
        except FileExistsError:  # another was faster, or it was we ourselves and the answer was lost
            status = self.describe([job.name]).get(job.name)
            if status is None:
                raise CallFailed(f"{job.name} was submitted, and is not to be seen yet; asked again it will.") from None
            return JobHandle(job, status, submitted=status.owner == job.owner)
        except QuotaExceeded as refused:
            raise Refused(Reason.QUOTA, str(refused)) from refused
        created = {"TrainingJobName": job.name, "TrainingJobArn": arn, "TrainingJobStatus": "InProgress"}
        status = status_of(created | {"SecondaryStatus": "Starting", "Environment": request["Environment"]})
        return JobHandle(job, status, submitted=True)

    def describe(self, names: Collection[str]) -> Mapping[str, JobStatus]:
        return {name: self._status(job) for name, job in self.jobs.find(names).items()} if names else {}

    def log_pages(self, cursors: Mapping[str, int]) -> Mapping[str, LogPage]:
        """A cursor is a moment, and how many lines of that moment were read (``log``)."""
        return self.log.pages(cursors, self.jobs.begun(cursors)) if cursors else {}

    def cancel(self, name: str, reason: Reason = Reason.USER) -> None:
        """Ask the service to stop a job, having written down why. It bills on until its machines are given back."""
        job = self.jobs.find([name]).get(name)
        if job is None or job["TrainingJobStatus"] in {*OVER, STOPPING}:
            return
        self.files.bucket.claim(self.files.path(f"jobs/{name}/cancelled"), reason.value.encode())
        with contextlib.suppress(ValueError, FileNotFoundError):  # it has ended in this moment
            self.account.call("sagemaker", "stop_training_job", TrainingJobName=name)

    def cost(self, job: TrainingJob, seconds: float) -> Decimal:
        machine = self._machine(job)
        priced = preset(machine["preset"]).priced
        return self.prices.job(priced, seconds, self.settings.region, spot=bool(machine.get("spot")))

    def collect(self, name: str, into: Path) -> Path:
        """Fetch the trainer's output, except the checkpoints that only a resumption needs."""
        return self.files.collect(name, into)

    # --- how it is submitted

    def _request(self, job: TrainingJob, staged: Staged) -> dict[str, Any]:
        """The training job as the service wants it."""
        machine = self._machine(job)
        kind, settings = preset(machine["preset"]), self.settings
        limit: dict[str, Any] = {"MaxRuntimeInSeconds": math.ceil(job.max_seconds)}
        if machine.get("spot"):
            limit["MaxWaitTimeInSeconds"] = limit["MaxRuntimeInSeconds"] + WAIT_SECONDS
        volume = VOLUME_GB + math.ceil(GB_FOR_EACH * staged.data_bytes / 1e9)
        output: dict[str, Any] = {"S3OutputPath": self.files.uri("jobs")}
        if settings.kms_key:
            output["KmsKeyId"] = settings.kms_key
        request: dict[str, Any] = {
            "TrainingJobName": job.name,
            "RoleArn": settings.role,
            "AlgorithmSpecification": {"TrainingInputMode": "File", **self._image(gpu=kind.gpus > 0)},
            "HyperParameters": self._script(job, staged) if staged.source else {},
            "InputDataConfig": [self._channel(name, prefix) for name, prefix in staged.channels.items()],
            "OutputDataConfig": output,
            "ResourceConfig": kind.resources(volume, settings.kms_key),
            "StoppingCondition": limit,
            "EnableManagedSpotTraining": bool(machine.get("spot")),
            "CheckpointConfig": {"S3Uri": self.files.uri(checkpoints(job.name)), "LocalPath": LOCAL_CHECKPOINTS},
            "Environment": {OWNER: job.owner},
            "Tags": [{"Key": NAMESPACE_TAG, "Value": self.namespace}, {"Key": PREFIX_TAG, "Value": job.prefix}],
        }
        if settings.subnets:
            vpc = {"Subnets": list(settings.subnets), "SecurityGroupIds": list(settings.security_groups)}
            request["VpcConfig"] = vpc
        return request

    def _faults_of(self, job: TrainingJob, request: Mapping[str, Any]) -> list[str]:
        """A last look, before anything is paid: what would make a request fail whose data lie in the bucket by now."""
        return []

    def _image(self, *, gpu: bool) -> dict[str, Any]:
        if self.settings.container:
            entry = ["python", "-m", MODULE]
            return {"TrainingImage": self.settings.container, "ContainerEntrypoint": entry}
        return {"TrainingImage": image(self.settings.region, gpu=gpu)}

    def _script(self, job: TrainingJob, staged: Staged) -> dict[str, str]:
        """What AWS's container wants to know in script mode, each as JSON.

        https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/params.py
        """
        values = {
            "sagemaker_program": SCRIPT,
            "sagemaker_submit_directory": self.files.uri(staged.source),
            "sagemaker_region": self.settings.region,
            "sagemaker_job_name": job.name,
            "sagemaker_container_log_level": logging.INFO,
        }
        return {name: json.dumps(value) for name, value in values.items()}

    def _channel(self, name: str, prefix: str) -> dict[str, Any]:
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": self.files.uri(prefix),
            "S3DataDistributionType": "FullyReplicated",
        }
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}

    # --- how it stands

    def _status(self, job: dict[str, Any]) -> JobStatus:
        """How a job stands; of one that ended without a model also what the bucket knows.

        That is: why we stopped it, how far it got, what the trainer said.
        """
        if job["TrainingJobStatus"] not in {"Failed", "Stopped", STOPPING}:
            return status_of(job)
        name = job["TrainingJobName"]
        cancelled = self.files.read(f"jobs/{name}/cancelled").decode()
        progress = last_training_line_in(self.files.read(f"{checkpoints(name)}metrics.jsonl", TAIL_BYTES))
        status = status_of(job, Reason(cancelled) if cancelled else None, progress)
        if status.state is State.FAILED:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # what lies in a bucket may be anything
                said = json.loads(self.files.read(f"{checkpoints(name)}failure.json"))
                return replace(status, reason=Reason(said["reason"]), message=str(said["message"]))
        return status

    def _machine(self, job: TrainingJob) -> Mapping[str, Any]:
        return job.machines[job.machine] if job.machines else Machine(preset=self.first_preset).model_dump()
