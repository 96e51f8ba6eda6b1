"""The task of the DAG ``setup_aws``: the checks of ``include.checks``, through an Airflow connection."""

from __future__ import annotations

from include.checks.aws.setup import ANY_MACHINE, BUILTIN_TARGET, TARGET, asked_instances, look, report
from include.settings import Settings
from training_jobs.readiness import require_ready
from training_services.sagemaker.cloud import AwsCloud


def look_at_account(settings: Settings) -> None:
    """Print all that was found about the account, for the machines of lanner.yaml; raises as ``require_ready``."""
    aws = settings.require_aws()
    instances = asked_instances(settings.machines(TARGET))
    instances += asked_instances(settings.machines(BUILTIN_TARGET), builtin=True)
    account = AwsCloud.of_connection(aws.connection, aws.region)
    facts, findings = look(account, aws, instances or asked_instances([ANY_MACHINE]), settings.namespace)
    require_ready(report(facts, findings), findings, anything_known=facts.anything_known)
