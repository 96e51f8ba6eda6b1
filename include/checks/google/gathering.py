"""Finds out what the rules of ``include.checks.google.rules`` are asked about, by calls that cost nothing.

What cannot be learned -- a permission to look is missing, an API is off, a rehearsal has no such service -- is left
open and noted: a check that is not possible must not stop a training that is, nor be taken for one that passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from include.checks.google.access import home_of, needed
from include.checks.google.account import AccountFacts, look_at_account
from include.checks.google.facts import BucketFacts, GoogleFacts
from include.checks.google.machines import VERTEX, AskedMachine
from include.checks.google.rules import APIS
from include.checks.notes import Notes
from include.clouds.google_project import GoogleProject

AGENTIC = "TRAFFIC_SOURCE_AGENTIC"  # a limit of requests by agents, which we are not


def gather(
    project: GoogleProject,
    buckets: Mapping[str, Sequence[str]],
    regions: Sequence[str],
    machines: Iterable[AskedMachine] = (),
    service_account: str = "",
) -> GoogleFacts:
    """The facts of a project, its buckets, the regions and machines of its jobs, and the account that they run as.

    Args:
        buckets: by name, the regions that each is for; the first is that of the deployment's own region.
    """
    notes, machines = Notes(), tuple(machines)
    missing = [notes.learned("permissions on the project", lambda: _missing_on_project(project))]
    account = AccountFacts()
    if service_account:
        missing.append(
            notes.learned("permissions on the service account", lambda: _missing_on_account(project, service_account))
        )
        account = look_at_account(project, buckets, service_account, notes.learned)
    known = [some for some in missing if some is not None]
    return GoogleFacts(
        project=project.project,
        buckets=tuple(
            BucketFacts(
                name,
                tuple(its_regions),
                location=notes.learned(f"the bucket gs://{name}", partial(_location, project, name)),
                missing_permissions=notes.learned(
                    f"permissions on gs://{name}", partial(_missing_on_bucket, project, name)
                ),
                account_uses_it=account.uses.get(name),
            )
            for name, its_regions in buckets.items()
        ),
        caller=project.caller,
        regions=tuple(regions),
        machines=machines,
        service_account=service_account,
        missing_apis=notes.learned("enabled APIs", lambda: _missing_apis(project)),
        missing_permissions=frozenset().union(*known) if known else None,
        limits=_limits(project, machines, notes),
        offered=_offered(project, machines, notes),
        account_exists=account.exists,
        agent=account.agent,
        agent_acts=account.agent_acts,
        unknown=tuple(notes.all),
    )


def _location(project: GoogleProject, bucket: str) -> str:
    from google.api_core.exceptions import NotFound

    try:
        return str(project.storage.get_bucket(bucket, timeout=30).location)
    except NotFound:
        return ""


def _missing_on_bucket(project: GoogleProject, bucket: str) -> frozenset[str]:
    from google.api_core.exceptions import NotFound

    try:
        held = project.storage.bucket(bucket).test_iam_permissions(sorted(needed("bucket")), timeout=30)
    except NotFound:
        return frozenset()  # there is none: another rule says so
    return needed("bucket").difference(held)


def _missing_on_project(project: GoogleProject) -> frozenset[str]:
    projects = project.discovered("cloudresourcemanager", "v3").projects()
    body = {"permissions": sorted(needed("project"))}
    answer = project.call(projects.testIamPermissions(resource=f"projects/{project.project}", body=body))
    return needed("project").difference(answer.get("permissions", ()))


def _missing_on_account(project: GoogleProject, account: str) -> frozenset[str]:
    accounts = project.discovered("iam", "v1").projects().serviceAccounts()
    resource = f"projects/{home_of(account, project.project)}/serviceAccounts/{account}"
    body = {"permissions": sorted(needed("account"))}
    try:
        answer = project.call(accounts.testIamPermissions(resource=resource, body=body))
    except FileNotFoundError:
        return frozenset()  # there is none: another rule says so
    return needed("account").difference(answer.get("permissions", ()))


def _missing_apis(project: GoogleProject) -> frozenset[str]:
    services = project.discovered("serviceusage", "v1").services()
    parent = f"projects/{project.project}"
    answer = project.call(services.batchGet(parent=parent, names=[f"{parent}/services/{api}" for api in APIS]))
    enabled = {each["name"].rpartition("/")[2] for each in answer.get("services", ()) if each.get("state") == "ENABLED"}
    return frozenset(APIS).difference(enabled)


def _limits(project: GoogleProject, machines: Iterable[AskedMachine], notes: Notes) -> dict[tuple[str, str], int]:
    """The quota of each metric that the machines take, in each of their regions."""
    regions: dict[str, set[str]] = {}
    for asked in machines:
        for metric in asked.quota_use():
            regions.setdefault(metric, set()).add(asked.region)
    limits: dict[tuple[str, str], int] = {}
    for metric, where in regions.items():
        found = notes.learned(f"quota {metric}", lambda metric=metric: _quota(project, metric))  # type: ignore[misc]
        if found is None:
            continue
        for region in where:
            if (limit := limit_in(found, region)) is not None:
                limits[region, metric] = limit
            else:
                notes.all.append(f"quota {metric}: the service named none for {region}")
    return limits


def _quota(project: GoogleProject, metric: str) -> dict[str, Any]:
    metrics = project.discovered("serviceusage", "v1beta1").services().consumerQuotaMetrics()
    name = f"projects/{project.project}/services/{VERTEX}/consumerQuotaMetrics/{metric.replace('/', '%2F')}"
    return project.call(metrics.get(name=name, view="FULL"))


def limit_in(metric: dict[str, Any], region: str) -> int | None:
    """The effective limit of a ``ConsumerQuotaMetric`` in a region; None if none applies there.

    Of several limits the least counts; in each, the bucket of the region goes before that of everywhere. Numbers that
    are 0 may be left out of an answer.
    """
    found = []
    for limit in metric.get("consumerQuotaLimits", ()):
        if limit.get("trafficSource") == AGENTIC:
            continue
        buckets = {bucket.get("dimensions", {}).get("region", ""): bucket for bucket in limit.get("quotaBuckets", ())}
        if (bucket := buckets.get(region) or buckets.get("")) is not None:
            found.append(int(bucket.get("effectiveLimit", 0)))
    bounded = [limit for limit in found if limit >= 0]
    return min(bounded) if bounded else (-1 if found else None)


def _offered(project: GoogleProject, machines: Iterable[AskedMachine], notes: Notes) -> dict[tuple[str, str], bool]:
    """Which machine types and accelerators the regions have.

    Compute Engine's own list of today, not a table of ours that would be wrong some day and refuse a job that could
    run: what it does not have, Vertex AI cannot lend.
    """
    regions: dict[str, set[str]] = {}
    for asked in machines:
        for name in asked.in_compute_engine:
            regions.setdefault(name, set()).add(asked.region)
        if asked.machine.is_tpu:
            notes.all.append(f"machine {asked}: Compute Engine's lists have no TPUs")
    offered: dict[tuple[str, str], bool] = {}
    for name, where in regions.items():
        found = notes.learned(f"machine {name}", lambda name=name: _regions_with(project, name))  # type: ignore[misc]
        if found is not None:
            offered |= {(region, name): region in found for region in where}
    return offered


def _regions_with(project: GoogleProject, name: str) -> set[str]:
    """The regions of which a zone has a machine type or an accelerator."""
    compute = project.discovered("compute", "v1", path="compute/v1/")
    kind = "acceleratorTypes" if name.startswith("nvidia-") else "machineTypes"
    resource = getattr(compute, kind)()
    request = resource.aggregatedList(project=project.project, filter=f'name = "{name}"')
    regions: set[str] = set()
    while request is not None:
        answer = project.call(request)
        if unreachable := answer.get("unreachables"):
            raise RuntimeError(f"Compute Engine could not ask {', '.join(unreachable)}")
        for place, listed in answer.get("items", {}).items():
            if listed.get(kind):
                regions.add(place.rpartition("/")[2].rpartition("-")[0])  # zones/us-central1-a
        request = resource.aggregatedList_next(request, answer)
    return regions
