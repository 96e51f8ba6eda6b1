"""
### Set-up: is the AWS account ready for trainings?

Looks through the connection of `lanner.yaml`: identity, the role of the jobs, bucket and its region, permissions,
machines and quota, and where they are used key and network. The run is green when nothing is missing; else `check` is
red, and its log says all that is missing at once, each with the command that mends it. What could not be looked at is
listed there too. Looking costs nothing and changes nothing.

It is here as soon as `lanner.yaml` has a section `aws:`. By hand: `python -m include.checks aws --help`.
"""

from __future__ import annotations

from airflow.sdk import DAG, task

from house.defaults import Tag, dag_defaults
from include import settings


@task
def check() -> None:
    from training_jobs.aws_setup import look_at_account

    look_at_account(settings.load())


if settings.load().aws:
    with DAG("setup_aws", schedule=None, doc_md=__doc__, **dag_defaults(Tag.SETUP)):
        check()
