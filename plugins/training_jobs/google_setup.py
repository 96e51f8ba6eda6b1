"""The tasks of the DAG ``setup_google``: the checks of ``include.checks``, through an Airflow connection."""

from __future__ import annotations

from include.checks.google.setup import asked_machines, look, make_missing_buckets, report
from include.clouds.failures import CallFailed
from include.settings import GoogleSettings, Machine, Settings
from training_jobs.readiness import require_ready
from training_services.vertex.cloud import GoogleCloud


def make_buckets(settings: Settings) -> None:
    """Make each bucket that there is not.

    Raises:
        CallFailed: of one it could not be learned whether it is there; the others were made.
        PermissionError, ValueError: as ``create_bucket``.
    """
    google, cloud = _opened(settings)
    facts, _ = look(cloud, google, ())
    make_missing_buckets(cloud, facts)
    if any(bucket.location is None for bucket in facts.buckets):
        raise CallFailed("\n".join(facts.unknown))


def look_at_project(settings: Settings, machine: str = "", *, spot: bool = False) -> None:
    """Print all that was found.

    Args:
        machine: preset to look at; empty: those of lanner.yaml.
        spot: of ``machine``.

    Raises:
        NotReady, ConnectionError: as ``require_ready``.
        ValueError: ``spot`` without a machine, or a preset that there is not.
    """
    if spot and not machine:
        raise ValueError("Spot needs a machine; lanner.yaml says of its own machines whether they are spot.")
    google, cloud = _opened(settings)
    machines = [Machine(preset=machine, spot=spot)] if machine else settings.machines("vertex")
    facts, findings = look(cloud, google, asked_machines(google, machines))
    require_ready(report(facts, findings), findings, anything_known=facts.anything_known)


def _opened(settings: Settings) -> tuple[GoogleSettings, GoogleCloud]:
    google = settings.require_google()
    return google, GoogleCloud.of_connection(google.connection, google.project)
