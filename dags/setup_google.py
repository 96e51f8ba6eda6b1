"""
### Set-up: is the Google Cloud project ready for trainings?

Looks through the connection of `lanner.yaml`: APIs, buckets and their regions, permissions, the service account of the
jobs, machines and quota. The run is green when nothing is missing; else `check` is red, and its log says all that is
missing at once, each with the command that mends it. What could not be looked at is listed there too. Looking costs
nothing and changes nothing.

`bucket` makes each bucket that there is not, if **Create the buckets** is ticked.

It is here as soon as `lanner.yaml` has a section `google:`. By hand: `python -m include.checks google --help`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowSkipException

from house.defaults import Tag, dag_defaults
from include import settings
from include.checks.google.machines import PRESETS

AS_IN_SETTINGS = "as in lanner.yaml"


@task
def bucket(params: dict[str, Any]) -> None:
    from training_jobs.google_setup import make_buckets

    if not params["create_bucket"]:
        raise AirflowSkipException("Not asked to make the buckets.")
    make_buckets(settings.load())


@task(trigger_rule="none_failed")
def check(params: dict[str, Any]) -> None:
    from training_jobs.google_setup import look_at_project

    machine = "" if params["machine"] == AS_IN_SETTINGS else params["machine"]
    look_at_project(settings.load(), machine, spot=params["spot"])


if settings.load().google:
    with DAG(
        "setup_google",
        schedule=None,
        doc_md=__doc__,
        params={
            "create_bucket": Param(
                False,
                type="boolean",
                title="Create the buckets",
                description_md="Those that there are not: *google.bucket* in *google.region*, and each of "
                "*google.buckets* in its region; private, access by roles alone. An empty bucket costs nothing.",
            ),
            "machine": Param(
                AS_IN_SETTINGS,
                type="string",
                enum=[AS_IN_SETTINGS, *PRESETS],
                title="Machine",
                description_md="Whose quota to look at, and whether the region has it: those of the collections' "
                "targets **vertex**, or one preset of *docs/google.md*.",
            ),
            "spot": Param(
                False,
                type="boolean",
                title="Spot",
                description_md="With a preset as **Machine**: look at the quota of spot machines, which is a separate "
                "one. *lanner.yaml* says of its own machines whether they are spot.",
            ),
        },
        **dag_defaults(Tag.SETUP),
    ):
        bucket() >> check()
