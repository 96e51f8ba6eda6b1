"""What the rules of ``include.checks.google`` are asked about, gathered from the services by calls that cost nothing.

What cannot be learned -- a permission to look is missing, a rehearsal has no such service -- is left open: a check
that is not possible must not stop a training that is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from include.checks.google import APIS, BUCKET_PERMISSIONS, CALLER_PERMISSIONS, GoogleFacts
from training_jobs.google_cloud import GoogleCloud

log = logging.getLogger(__name__)
T = TypeVar("T")


def gather(cloud: GoogleCloud, bucket: str, regions: Sequence[str]) -> GoogleFacts:
    """The facts of a project, its bucket and the regions in which jobs may run."""
    on_bucket = _learned(lambda: _missing_on_bucket(cloud, bucket))
    on_project = _learned(lambda: _missing_on_project(cloud))
    known = [missing for missing in (on_bucket, on_project) if missing is not None]
    return GoogleFacts(
        project=cloud.project,
        bucket=bucket,
        caller=str(getattr(cloud.credentials, "service_account_email", None) or "the connection's account"),
        regions=tuple(regions),
        bucket_location=_learned(lambda: _location(cloud, bucket)),
        missing_apis=_learned(lambda: _missing_apis(cloud)),
        missing_permissions=frozenset().union(*known) if known else None,
    )


def _learned(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except Exception as unknown:
        log.info("Could not look, so it is not checked: %s", unknown)
        return None


def _location(cloud: GoogleCloud, bucket: str) -> str:
    from google.api_core.exceptions import NotFound

    try:
        return str(cloud.storage.get_bucket(bucket, timeout=30).location)
    except NotFound:
        return ""


def _missing_on_bucket(cloud: GoogleCloud, bucket: str) -> frozenset[str]:
    held = cloud.storage.bucket(bucket).test_iam_permissions(list(BUCKET_PERMISSIONS), timeout=30)
    return frozenset(BUCKET_PERMISSIONS).difference(held)


def _missing_on_project(cloud: GoogleCloud) -> frozenset[str]:
    projects = cloud.discovered("cloudresourcemanager", "v3").projects()
    body = {"permissions": list(CALLER_PERMISSIONS)}
    answer = cloud.call(projects.testIamPermissions(resource=f"projects/{cloud.project}", body=body))
    return frozenset(CALLER_PERMISSIONS).difference(answer.get("permissions", ()))


def _missing_apis(cloud: GoogleCloud) -> frozenset[str]:
    services = cloud.discovered("serviceusage", "v1").services()
    parent = f"projects/{cloud.project}"
    answer = cloud.call(services.batchGet(parent=parent, names=[f"{parent}/services/{api}" for api in APIS]))
    enabled = {each["name"].rpartition("/")[2] for each in answer.get("services", ()) if each.get("state") == "ENABLED"}
    return frozenset(APIS).difference(enabled)
