"""Record results in MLflow: one run and one model version per result, the newest under the alias ``candidate``.

MLflow keeps the figures and where things lie; the files stay in the store, whose documents name their hashes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from include.documents import ResultDocument, State

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ALIAS = "candidate"
RESULT_TAG = "lanner.result"
NOTE = "model"  # the artifact of a run that says where in a local store its model is
NOT_A_CURVE = {"time", "step", "steps", "seconds_left"}
AWAY = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"})  # what MLflow calls no connection, or a locked database
METRICS_PER_CALL = 1000  # MLflow's limit for one batch


class RegistryAway(ConnectionError):
    """MLflow cannot be reached now; trying again later may help."""


def register(
    result: ResultDocument,
    *,
    configuration: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    store_root: str,
    code_version: str,
    tracking_uri: str,
    registered_model: str,
) -> str:
    """Register a succeeded result, once: the same job with the same files again returns the version it has.

    Args:
        configuration: of the training, as run; becomes the run's parameters.
        history: the lines of ``metrics.jsonl``; their numbers become the run's curves.
        store_root: folder or URL to which the result's paths are relative; MLflow records URIs, not copies.
        code_version: of this project, for example a git commit.
        tracking_uri: for example ``sqlite:////srv/lanner/mlflow.db``.
        registered_model: the model's name in the registry; also the name of the experiment.

    Returns:
        "<registered model>/<version>". The alias ``candidate`` points to that version, unless to a newer one.

    Raises:
        ValueError: the result is not SUCCEEDED or has no exports.
        RegistryAway: MLflow does not answer, or its database is locked.
    """
    if result.state is not State.SUCCEEDED or not result.exports:
        raise ValueError(
            f"Got a result of {result.collection} {result.key} in state {result.state} with {len(result.exports)} "
            "exports; only a SUCCEEDED result with exported models can be registered."
        )
    client = connect(tracking_uri)
    tags = _tags(result, store_root, code_version)
    with telling_where(tracking_uri):
        version = _existing_version(client, registered_model, tags[RESULT_TAG])
        if version is None:
            experiment = _experiment(client, registered_model, f"{store_root}/{result.collection}")
            run_id = _recorded_run(client, experiment, tags, result, configuration, history)
            _ensure_registered_model(client, registered_model)
            source = _source(client, run_id, result, store_root)
            version = client.create_model_version(registered_model, source, run_id, tags=tags).version
        _point_candidate_to(client, registered_model, int(version))
    return f"{registered_model}/{version}"


def result_identity(result: ResultDocument) -> str:
    """SHA-256 over the job's name and the hashes of its exports: what makes two results the same."""
    parts = [result.job or "", *(f"{export.format}={export.sha256}" for export in result.exports)]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def connect(tracking_uri: str) -> MlflowClient:
    """MLflow's client, which does not phone home."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # Airflow tries the whole task again, and later
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


@contextmanager
def telling_where(tracking_uri: str) -> Iterator[None]:
    """Turn MLflow's silence into a word on what to do; MLflow's own message may hold the URI's password."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in AWAY:
            raise
        parts = urlsplit(tracking_uri)
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        cause = type(error.__context__ or error).__name__
        raise RegistryAway(
            f"MLflow at {shown} does not answer ({cause}). Models and their scores are in the store, whatever is "
            "registered. Start MLflow, or mend 'mlflow:' in lanner.yaml, then clear this task."
        ) from None


def _existing_version(client: MlflowClient, name: str, identity: str) -> str | None:
    found = client.search_model_versions(f"name = '{name}' and tags.`{RESULT_TAG}` = '{identity}'")
    return min((version.version for version in found), key=int, default=None)


def _recorded_run(
    client: MlflowClient,
    experiment_id: str,
    tags: Mapping[str, str],
    result: ResultDocument,
    configuration: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> str:
    """The id of this result's run; what an interrupted attempt left of it is completed."""
    from mlflow.entities import Param

    runs = client.search_runs([experiment_id], f"tags.`{RESULT_TAG}` = '{tags[RESULT_TAG]}'", max_results=1)
    run = runs[0] if runs else client.create_run(experiment_id, run_name=result.job, tags=dict(tags))
    run_id = run.info.run_id
    if run.info.status != "FINISHED":
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in _flat(configuration)])
        metrics = [*_curves(history), *_final_figures(result)]
        for start in range(0, len(metrics), METRICS_PER_CALL):
            client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_CALL])
        client.set_terminated(run_id)
    return run_id


def _source(client: MlflowClient, run_id: str, result: ResultDocument, store_root: str) -> str:
    """What the model version points to: the model's folder in an object store, else a note in the run that names it.

    A server takes a local path only if it lies among the run's own artifacts (``_validate_source_run`` in MLflow).
    """
    model = f"{store_root}/{result.model}"
    if "://" in store_root:
        return model
    exports = {export.format: f"{store_root}/{export.path}" for export in result.exports}
    client.log_dict(run_id, {"model": model, "exports": exports}, f"{NOTE}/where.json")
    return f"{client.get_run(run_id).info.artifact_uri}/{NOTE}"


def _experiment(client: MlflowClient, name: str, artifact_location: str) -> str:
    experiment = client.get_experiment_by_name(name)
    return experiment.experiment_id if experiment else client.create_experiment(name, artifact_location)


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _point_candidate_to(client: MlflowClient, name: str, version: int) -> None:
    """Move the alias forward only: registering an old result again must not take it from a newer one."""
    current = client.get_registered_model(name).aliases.get(ALIAS)
    if current is None or int(current) < version:
        client.set_registered_model_alias(name, ALIAS, str(version))


def _tags(result: ResultDocument, store_root: str, code_version: str) -> dict[str, str]:
    tags = {
        RESULT_TAG: result_identity(result),
        "lanner.collection": result.collection,
        "lanner.key": result.key,
        "lanner.target": result.target,
        "lanner.job": result.job or "",
        "lanner.dataset_id": result.dataset_id,
        "lanner.plan": result.plan,
        "lanner.code_version": code_version,
        "lanner.report_uri": f"{store_root}/{result.report}" if result.report else "",
    }
    for export in result.exports:
        tags[f"lanner.{export.format}.uri"] = f"{store_root}/{export.path}"
        tags[f"lanner.{export.format}.sha256"] = export.sha256
        tags[f"lanner.{export.format}.refused"] = "; ".join(export.refused)
    return tags


def _flat(configuration: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in configuration.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _curves(history: Sequence[Mapping[str, Any]]) -> Iterable[Any]:
    from mlflow.entities import Metric

    for line in history:
        milliseconds = int(float(line.get("time", 0)) * 1000)
        for key, value in line.items():
            if key not in NOT_A_CURVE and isinstance(value, int | float) and not isinstance(value, bool):
                yield Metric(f"training/{key}", float(value), milliseconds, int(line["step"]))


def _final_figures(result: ResultDocument) -> Iterable[Any]:
    from mlflow.entities import Metric

    for export in result.exports:
        figures = {"mAP": export.metrics.mAP, "mAP50": export.metrics.mAP50, "mAP75": export.metrics.mAP75}
        figures |= {"megabytes": export.bytes / 1e6}
        if export.latency_ms is not None:
            figures["latency_ms"] = export.latency_ms
        yield from (Metric(f"{export.format}/{name}", value, 0, 0) for name, value in figures.items())
