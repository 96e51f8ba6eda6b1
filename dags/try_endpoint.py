"""
### Endpoint: does a model of SageMaker's built-in detector answer online?

Makes a model, an endpoint configuration and an endpoint of a job of `sagemaker_builtin` that succeeded, waits until it
is in service (some minutes), asks it about one image of the hold-out, and **deletes all three again, whatever
happened**: `delete` runs also when a task failed or was killed, or the run was marked as failed. An endpoint bills as
long as it is there, asked or not; money for an hour of it is set aside before, from what the target's budget and the
month have left.

One at a time. To stop it, mark the run as failed: an endpoint that is being created cannot be deleted, so that it may
take minutes until `delete` is done. `verdict` makes the run red unless the endpoint answered and nothing is left of it.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from house.defaults import Tag, dag_defaults
from house.form import collection_field, job_field
from include import settings
from include.checks.aws.instances import SERVING

CREATION_SECONDS = 2700  # after which it is given up; one that fails is found out by the service in half an hour
LOOK_SECONDS = 30  # between two looks, each a process of its own


def trial_of(params: dict[str, Any]) -> Any:
    from training_jobs.serving import Trial

    return Trial(settings.load(), params["collection"], params["job"], params["machine"])


@task
def set_aside(params: dict[str, Any]) -> str:
    """Check the account and the budget. Returns the name of what is promised in the ledger."""
    return trial_of(params).set_aside()


@task
def create(promised: str, params: dict[str, Any]) -> str:
    return trial_of(params).create()


@task.sensor(mode="reschedule", poke_interval=LOOK_SECONDS, timeout=CREATION_SECONDS)
def in_service(endpoint: str, params: dict[str, Any]) -> bool:
    return trial_of(params).is_in_service()


@task
def ask(endpoint: str, params: dict[str, Any]) -> dict[str, Any]:
    return trial_of(params).ask()


@task(retries=10)
def delete(promised: str | None, endpoint: str | None, params: dict[str, Any]) -> str:
    """Leave nothing of it, and record what it cost."""
    if promised is None:
        raise AirflowSkipException("Nothing was made.")
    said = trial_of(params).delete(promised, made=endpoint is not None)
    print(said)
    return said


@task(retries=10)
def verdict(promised: str | None, answer: dict[str, Any] | None, deleted: str | None) -> None:
    """The leaf by which Airflow judges the run. A teardown, as that of a training and for the same reasons."""
    if promised is None:
        raise AirflowFailException("Nothing was made; the log of set_aside says why.")
    if deleted is None:
        raise AirflowFailException("The endpoint could not be deleted: it may bill on. See the log of delete.")
    if answer is None:
        raise AirflowFailException("No endpoint answered; see the log of the task that failed. Nothing is left of it.")


current = settings.load()
if collections := sorted(name for name, each in current.collections.items() if "sagemaker_builtin" in each.targets):
    with DAG(
        "try_endpoint",
        schedule=None,
        doc_md=__doc__,
        params={
            "collection": collection_field(collections, "Whose data the job was trained on."),
            "job": job_field("lanner-sagemaker-builtin-1a2b3c4d-5e6f7a8b-g1-a1"),
            "machine": Param(
                SERVING[0],
                type="string",
                enum=list(SERVING),
                title="Machine",
                description_md="On which it answers; the account needs one as quota, *for endpoint usage*.",
            ),
        },
        **dag_defaults(Tag.TRAINING) | {"max_active_runs": 1},
    ):
        promised = set_aside()
        endpoint = create(promised)
        ready = in_service(endpoint)
        answer = ask(endpoint)
        deleted = delete(promised, endpoint).as_teardown()
        ready >> answer >> deleted >> verdict(promised, answer, deleted).as_teardown(on_failure_fail_dagrun=True)
