"""The tasks of the DAG ``setup_azure``: the checks of ``include.checks``, through Airflow's connections."""

from __future__ import annotations

from include.checks.azure import custom_vision_setup, setup
from include.settings import Settings
from training_jobs.readiness import require_ready
from training_services.azure_ml.cloud import AzureCloud
from training_services.custom_vision.cloud import CustomVisionCloud


def look_at_workspace(settings: Settings) -> None:
    """Print all that was found about the workspace, for the machines of lanner.yaml; raises as ``require_ready``."""
    azure = settings.require_azure()
    cloud = AzureCloud.of_connections(azure)
    clusters = setup.asked_clusters(azure, settings.machines(setup.TARGET))
    facts, findings = setup.look(cloud.workspace, azure, clusters, cloud.storage_for)
    require_ready(setup.report(facts, findings), findings, anything_known=facts.anything_known)


def look_at_custom_vision(settings: Settings) -> None:
    """The same of the Custom Vision resource. Its tier is asked for by the workspace's connection, if there is one."""
    vision = settings.custom_vision
    account = CustomVisionCloud.of_connection(vision)
    management = AzureCloud.of_connections(settings.azure).workspace if settings.azure else None
    domains = custom_vision_setup.asked_domains(settings)
    facts, findings = custom_vision_setup.look(account, vision, domains, settings.namespace, management)
    report = custom_vision_setup.report(facts, findings)
    require_ready(report, findings, anything_known=facts.anything_known)
