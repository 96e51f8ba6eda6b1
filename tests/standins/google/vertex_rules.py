"""What Vertex AI refuses when a custom job is submitted.

Field rules are those of the published API (https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec).
The words are the service's where users have reported them: accelerators, machine types, labels, buckets of another
region, service accounts, quotas. All others are only like them: a client must go by code and status.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.standins.google import vertex_machines as machines
from tests.standins.google.errors import Refusal, found_errors, permission_denied, quota_exceeded
from tests.standins.google.gcs_objects import Objects, split_uri
from tests.standins.google.vertex_messages import read_custom_job

ROLES = ("primary replica", "workers", "parameter servers", "evaluators")
MAX_PACKAGES = MAX_VARIABLES = 100
MAX_NAME = 128
MAX_LABELS = 64
_LABEL_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_LABEL_RULE = (
    "There can be no more than 64 labels attached to a single resource. Label keys and values can only contain "
    "lowercase letters, numbers, dashes and underscores. Label keys must start with a letter or number, must be less "
    "than 64 characters in length, and must be less that 128 bytes in length when encoded in UTF-8. Label values must "
    "be less than 64 characters in length, and must be less that 128 bytes in length when encoded in UTF-8."
)
_EXECUTORS = re.compile(
    r"(us|europe|asia)-docker\.pkg\.dev/vertex-ai/training/(tf|pytorch|sklearn|scikit-learn|xgboost)-[a-z0-9.-]+(:[\w.-]+)?"
)
_GCS_URI = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/.*)?")
_OUTPUT_ONLY = ("name", "state", "createTime", "startTime", "endTime", "updateTime", "error", "webAccessUris")
_REQUIRED = "Required field is not set."

Errors = list[tuple[str, str]]  # field, message


@dataclass(frozen=True)
class Project:
    """The Google Cloud project that a stand-in stands for."""

    id: str
    number: str
    regions: Collection[str]
    service_accounts: Collection[str] = ()  # that jobs may run as; none given: any account of the project
    quotas: Mapping[str, int] = field(default_factory=lambda: machines.QUOTAS)
    bucket_regions: Mapping[str, str] = field(default_factory=dict)  # where the emulator's word is not to be taken

    def check_location(self, project: str, region: str, endpoint: str | None, permission: str) -> None:
        """Refuse another project, and a region that this endpoint does not serve."""
        if project not in {self.id, self.number}:
            raise permission_denied(permission, f"projects/{project}/locations/{region}")
        if region not in ({endpoint} if endpoint else self.regions) or region not in machines.REGIONS:
            reason = (
                "The provided location ID doesn't match the endpoint. For the list of available endpoints, please "
                "visit https://cloud.google.com/vertex-ai/docs/reference/rest#rest_endpoints"
            )
            raise found_errors([("parent", reason)])

    def may_act_as(self, account: str) -> bool:
        if self.service_accounts:
            return account in self.service_accounts
        return account.endswith((f"@{self.id}.iam.gserviceaccount.com", "-compute@developer.gserviceaccount.com"))


def read_job(body: bytes) -> dict[str, Any]:
    """The job in a request's body, without what only the service sets.

    Raises:
        Refusal: it is no job.
    """
    return {key: value for key, value in read_custom_job(body).items() if key not in _OUTPUT_ONLY}


def check_job(job: dict[str, Any], region: str, project: Project, objects: Objects) -> None:
    """Refuse what the service refuses, all field errors together.

    Raises:
        Refusal: something is wrong.
    """
    spec = job.get("jobSpec", {})
    pools = spec.get("workerPoolSpecs", [])
    errors = _of_job(job)
    if not pools or not pools[0]:
        errors.append(("job_spec.worker_pool_specs", _REQUIRED if not pools else "The first worker pool is required."))
    if len(pools) > len(ROLES):
        errors.append(("job_spec.worker_pool_specs", f"At most {len(ROLES)} worker pools are allowed."))
    for number, pool in enumerate(pools):
        if pool:
            errors += _of_pool(pool, number)
    output = spec.get("baseOutputDirectory", {}).get("outputUriPrefix")
    if "baseOutputDirectory" in spec and not _GCS_URI.fullmatch(output or ""):
        errors.append(("job_spec.base_output_directory.output_uri_prefix", f"Invalid Cloud Storage URI: `{output}`."))
    if errors:
        raise found_errors(errors)
    for pool in filter(None, pools):
        _check_machine(pool["machineSpec"], region)
    if (account := spec.get("serviceAccount")) and not project.may_act_as(account):
        message = f"You do not have permission to act as service_account: {account}. (or it may not exist)."
        raise Refusal("INVALID_ARGUMENT", message)
    _check_storage(spec, region, project, objects)
    if metrics := machines.exceeded(machines.quota_use(spec), dict(project.quotas)):
        raise quota_exceeded(metrics)


def _of_job(job: dict[str, Any]) -> Errors:
    errors: Errors = []
    name = job.get("displayName", "")
    if not name:
        errors.append(("custom_job.display_name", _REQUIRED))
    elif len(name) > MAX_NAME:
        errors.append(("custom_job.display_name", f"The display name must be at most {MAX_NAME} characters long."))
    labels = job.get("labels", {})
    keys = all(_LABEL_KEY.fullmatch(key) for key in labels)
    if len(labels) > MAX_LABELS or not keys or not all(_LABEL_VALUE.fullmatch(value) for value in labels.values()):
        errors.append(("custom_job.labels", _LABEL_RULE))
    timeout = job.get("jobSpec", {}).get("scheduling", {}).get("timeout")
    if timeout is not None and float(timeout.removesuffix("s")) <= 0:
        errors.append(("job_spec.scheduling.timeout", "The timeout must be positive."))
    return errors


def _of_pool(pool: dict[str, Any], number: int) -> Errors:
    at = f"job_spec.worker_pool_specs[{number}]"
    errors: Errors = []
    replicas = int(pool.get("replicaCount", 0))
    if replicas < 1:
        errors.append((f"{at}.replica_count", "The replica count must be positive."))
    elif number == 0 and replicas != 1:
        errors.append((f"{at}.replica_count", "The replica count of the first worker pool must be 1."))
    if ("containerSpec" in pool) == ("pythonPackageSpec" in pool):
        errors.append((at, "Exactly one of `container_spec` and `python_package_spec` must be set."))
    elif "containerSpec" in pool:
        errors += _of_container(pool["containerSpec"], f"{at}.container_spec")
    else:
        errors += _of_package(pool["pythonPackageSpec"], f"{at}.python_package_spec")
    return errors + _of_machine(pool.get("machineSpec", {}), f"{at}.machine_spec")


def _of_container(spec: dict[str, Any], at: str) -> Errors:
    errors: Errors = [] if spec.get("imageUri") else [(f"{at}.image_uri", _REQUIRED)]
    return errors + _of_variables(spec, at)


def _of_package(spec: dict[str, Any], at: str) -> Errors:
    errors = _of_variables(spec, at)
    image, packages = spec.get("executorImageUri", ""), spec.get("packageUris", [])
    if not _EXECUTORS.fullmatch(image):
        text = f"`{image}` is not a pre-built container for training." if image else _REQUIRED
        errors.append((f"{at}.executor_image_uri", text))
    if not packages:
        errors.append((f"{at}.package_uris", _REQUIRED))
    if len(packages) > MAX_PACKAGES:
        errors.append((f"{at}.package_uris", f"The maximum number of package URIs is {MAX_PACKAGES}."))
    for index, uri in enumerate(packages):
        if not _GCS_URI.fullmatch(uri):
            errors.append((f"{at}.package_uris[{index}]", f"Invalid Cloud Storage URI: `{uri}`."))
    if not spec.get("pythonModule"):
        errors.append((f"{at}.python_module", _REQUIRED))
    return errors


def _of_variables(spec: dict[str, Any], at: str) -> Errors:
    names = [variable.get("name", "") for variable in spec.get("env", [])]
    if len(names) > MAX_VARIABLES:
        return [(f"{at}.env", f"The maximum number of environment variables is {MAX_VARIABLES}.")]
    if len(set(names)) < len(names):
        return [(f"{at}.env", "EnvVar names must be unique.")]
    return []


def _of_machine(spec: dict[str, Any], at: str) -> Errors:
    if not spec.get("machineType"):
        return [(f"{at}.machine_type", _REQUIRED)]
    if bool(spec.get("acceleratorType")) != (spec.get("acceleratorCount", 0) > 0):
        text = "Both `accelerator_type` and `accelerator_count` should be specified or none."
        return [(f"{at}.accelerator_type", text)]
    return []


def _check_machine(spec: dict[str, Any], region: str) -> None:
    machine, kind, count = spec["machineType"], spec.get("acceleratorType", ""), spec.get("acceleratorCount", 0)
    if machine not in machines.VCPUS:
        raise Refusal("INVALID_ARGUMENT", f'Machine type "{machine}" is not supported.')
    if not kind:
        if machines.needs_accelerator(machine):
            raise Refusal("INVALID_ARGUMENT", f'Machine type "{machine}" must be used together with its accelerators.')
        return
    counts = machines.accelerator_counts(machine, kind)
    if not counts:
        raise Refusal("INVALID_ARGUMENT", f'Accelerator "{kind}" is not supported for machine type "{machine}"')
    if count not in counts:
        allowed = ", ".join(map(str, sorted(counts)))
        message = f'Accelerator count {count} of "{kind}" is not supported for machine type "{machine}": {allowed}'
        raise Refusal("INVALID_ARGUMENT", message)
    if not machines.is_offered(kind, region):
        raise Refusal("INVALID_ARGUMENT", f'Accelerator "{kind}" is not supported in region "{region}".')


def _check_storage(spec: dict[str, Any], region: str, project: Project, objects: Objects) -> None:
    packages = [
        uri for pool in spec["workerPoolSpecs"] for uri in pool.get("pythonPackageSpec", {}).get("packageUris", [])
    ]
    output = spec.get("baseOutputDirectory", {}).get("outputUriPrefix")
    for uri in [*packages, *filter(None, [output])]:
        bucket, _ = split_uri(uri)
        found = objects.bucket(bucket)
        if found is None:
            raise Refusal("FAILED_PRECONDITION", f"The Cloud Storage bucket of `{uri}` does not exist.")
        location = project.bucket_regions.get(bucket, found["location"].lower())
        if location != region:
            raise Refusal(
                "FAILED_PRECONDITION",
                f"The Cloud Storage bucket of `{uri}` is in location `{location}`. It must be in the same regional "
                f"location as the service location `{region}`.",
            )
    for uri in packages:
        if objects.get(*split_uri(uri)) is None:
            raise Refusal("FAILED_PRECONDITION", f"The Cloud Storage object `{uri}` does not exist.")
