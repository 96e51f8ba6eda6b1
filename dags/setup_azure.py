"""
### Set-up: is Azure ready for trainings?

Looks through the connections of `lanner.yaml`: `check_azure_ml` at the workspace, its storage, permissions, quota and
clusters, also at those that keep machines, and bill, while no job runs; `check_custom_vision` at the keys, the tier,
the projects and the resource that predicts. A task is green when nothing is missing; else it is red, and its log says
all that is missing at once, each with the command that mends it. What could not be looked at is listed there too.
Looking costs nothing and changes nothing.

The first task is here as soon as `lanner.yaml` has a section `azure:`, the second as soon as a collection has the
target `custom_vision`. By hand: `python -m include.checks azure --help`.
"""

from __future__ import annotations

from airflow.sdk import DAG, task

from house.defaults import Tag, dag_defaults
from include import settings


@task
def check_azure_ml() -> None:
    from training_jobs.azure_setup import look_at_workspace

    look_at_workspace(settings.load())


@task
def check_custom_vision() -> None:
    from training_jobs.azure_setup import look_at_custom_vision

    look_at_custom_vision(settings.load())


current = settings.load()
sees = any("custom_vision" in collection.targets for collection in current.collections.values())

if current.azure or sees:
    with DAG("setup_azure", schedule=None, doc_md=__doc__, **dag_defaults(Tag.SETUP)):
        if current.azure:
            check_azure_ml()
        if sees:
            check_custom_vision()
