"""What Azure Machine Learning refuses when a command job is put.

Fields: https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update#commandjob (2024-10-01). The service may
overlook fields that it does not know; here they are refused, for they are mistakes. The words are from memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tests.standins.azure.azure_ml_errors import Refusal, immutable, user_error
from tests.standins.azure.azure_ml_workspace import CONTAINERS, Workspace, unknown_fields

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_INPUT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPRESSION = re.compile(r"\$\{\{\s*([^}]*?)\s*\}\}")
MUTABLE = frozenset({"description", "tags", "displayName", "properties", "isArchived"})
_FIELDS = MUTABLE | {
    "jobType",
    "experimentName",
    "computeId",
    "environmentId",
    "codeId",
    "command",
    "inputs",
    "outputs",
    "environmentVariables",
    "limits",
    "resources",
    "distribution",
    "identity",
    "services",
    "queueSettings",
}
_MODES = frozenset({"ReadOnlyMount", "ReadWriteMount", "Download", "Direct", "EvalMount", "EvalDownload"})
_OUTPUT_MODES = frozenset({"ReadWriteMount", "Upload"})


def check_job(name: str, properties: dict[str, Any], workspace: Workspace) -> None:
    """Refuse what cannot be such a job.

    Raises:
        Refusal: something is wrong.
    """
    if not NAME.fullmatch(name):
        raise user_error(f"The job's name {name!r} is not valid: expected letters, digits, dashes and underscores.")
    if properties.get("jobType") != "Command":
        raise user_error(f"The job type {properties.get('jobType')!r} is not supported here.")
    if unknown := unknown_fields(properties, _FIELDS):
        raise user_error(f"Unknown fields of a command job: {', '.join(unknown)}.")
    for each in ("command", "environmentId", "computeId"):
        if not isinstance(properties.get(each), str) or not properties[each].strip():
            raise user_error(f"The field {each} is required.", "BadArgument", "ArgumentBlankOrEmpty", argumentName=each)
    _check_environment(properties["environmentId"], workspace)
    _check_machines(properties, workspace)
    _check_limits(properties.get("limits") or {})
    for kind, modes in (("inputs", _MODES), ("outputs", _OUTPUT_MODES)):
        for key, given in (properties.get(kind) or {}).items():
            _check_binding(kind, key, given, modes, workspace)
    _check_command(properties)
    for kind in ("tags", "environmentVariables", "properties"):
        given = properties.get(kind) or {}
        if not all(isinstance(value, str) for value in given.values()):
            raise user_error(f"The values of {kind} must be strings.")


def check_same(before: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse a job that is another one than that which has its name.

    Raises:
        Refusal: something differs that cannot be changed.
    """
    fields = (_FIELDS - MUTABLE) & (before.keys() | asked.keys())
    if changed := sorted(each for each in fields if before.get(each) != asked.get(each)):
        raise immutable([each[0].upper() + each[1:] for each in changed])


def location(uri: str, workspace: Workspace) -> tuple[str, str]:
    """Container and path of a folder as jobs name it.

    Raises:
        Refusal: it is in no datastore of the workspace.
    """
    known = f"azureml:/{workspace.id}/datastores/".replace("/providers/Microsoft.MachineLearningServices", "")
    found = re.fullmatch(re.escape(known) + r"(?P<datastore>\w+)/paths/(?P<path>.*)", uri, re.IGNORECASE)
    if found is None or found["datastore"] not in CONTAINERS:
        raise user_error(f"The uri {uri!r} is in no datastore of the workspace.", "BadArgument", "InvalidUri")
    return CONTAINERS[found["datastore"]], found["path"].strip("/")


def cluster_of(properties: Mapping[str, Any]) -> str:
    return str(properties["computeId"]).rpartition("/")[2]


def machines_of(properties: Mapping[str, Any]) -> int:
    return int((properties.get("resources") or {}).get("instanceCount", 1))


def seconds_of(timeout: str) -> float:
    """Of an ISO 8601 duration; ``ValueError`` if it is none."""
    try:
        return TypeAdapter(timedelta).validate_python(timeout).total_seconds()
    except ValidationError as error:
        raise ValueError(timeout) from error


def _check_environment(given: str, workspace: Workspace) -> None:
    found = re.fullmatch(re.escape(workspace.id) + r"/environments/([^/]+)/versions/([^/]+)", given, re.IGNORECASE)
    if found is None:
        raise user_error(f"The environment id {given!r} is not valid.", "BadArgument", "InvalidArmId")
    try:
        workspace.environment(found[1], found[2])
    except Refusal as missing:
        raise user_error(missing.message, "NotFound", "EnvironmentNotFound") from missing


def _check_machines(properties: Mapping[str, Any], workspace: Workspace) -> None:
    name = cluster_of(properties)
    if properties["computeId"].lower() != f"{workspace.id}/computes/{name}".lower() or name not in workspace.clusters:
        raise user_error(f"Compute not found: {properties['computeId']}", "NotFound", "ComputeNotFound", compute=name)
    if unknown := unknown_fields(properties.get("resources") or {}, frozenset({"instanceCount", "instanceType"})):
        raise user_error(f"Unknown fields of resources: {', '.join(unknown)}.")
    count, most = machines_of(properties), workspace.clusters[name].most
    if not 1 <= count <= most:
        raise user_error(f"The job asks for {count} nodes; {name} has at most {most}.", "BadArgument", "NodeCount")
    distribution = properties.get("distribution")
    if distribution is None:
        return
    if distribution.get("distributionType") not in {"TensorFlow", "PyTorch", "Mpi"}:
        raise user_error(f"The distribution {distribution!r} is not supported.")
    workers = distribution.get("workerCount", count) + distribution.get("parameterServerCount", 0)
    if distribution["distributionType"] == "TensorFlow" and workers != count:
        raise user_error(f"{workers} workers and parameter servers need as many nodes, not {count}.")


def _check_limits(limits: Mapping[str, Any]) -> None:
    if not limits:
        return
    if limits.get("jobLimitsType") != "Command" or unknown_fields(limits, frozenset({"jobLimitsType", "timeout"})):
        raise user_error(f"The limits {dict(limits)!r} are not those of a command job.")
    try:
        seconds = seconds_of(str(limits.get("timeout")))
    except ValueError:
        seconds = 0.0
    if seconds < 1 or seconds != int(seconds):
        raise user_error(f"The timeout {limits.get('timeout')!r} is not valid: whole seconds, in ISO 8601.")


def _check_binding(kind: str, key: str, given: Any, modes: frozenset[str], workspace: Workspace) -> None:
    field = f"job{kind[:-1].capitalize()}Type"
    if not isinstance(given, dict) or not _INPUT.fullmatch(key):
        raise user_error(f"{kind}.{key} is not valid.")
    if given.get(field) != "uri_folder" or unknown_fields(given, frozenset({field, "mode", "uri", "description"})):
        raise user_error(f"{kind}.{key} is not supported here: {given!r}; expected a uri_folder with mode and uri.")
    if given.get("mode") not in modes:
        raise user_error(f"{kind}.{key}: mode {given.get('mode')!r} is not valid: {', '.join(sorted(modes))}.")
    location(str(given.get("uri")), workspace)


def _check_command(properties: Mapping[str, Any]) -> None:
    for expression in _EXPRESSION.findall(properties["command"]):
        kind, _, key = expression.partition(".")
        if kind not in {"inputs", "outputs"} or key not in (properties.get(kind) or {}):
            message = f"The command names {expression!r}, which the job does not have."
            raise user_error(message, "BadArgument", "InvalidExpression")
