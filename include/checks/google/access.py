"""Who needs which permission for a training on Vertex AI, and the rules about it.

``PERMISSIONS`` names every permission that our calls need, and no other; docs/google.md makes its roles of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from include.checks.google.facts import BucketFacts, GoogleFacts
from include.checks.rule import Fault, Rule

JOB_ROLE = "roles/storage.objectUser"  # of the job's account, on the bucket
AGENT_ROLE = "roles/iam.serviceAccountTokenCreator"  # of Vertex AI's agent, on the job's account
USER_ROLE = "roles/iam.serviceAccountUser"  # of the caller, on the job's account


@dataclass(frozen=True)
class Permission:
    """One permission of whoever submits.

    Attributes:
        on: what it is held on: "project", "bucket", or "account", the job's.
        role: a predefined one that holds it, as small as there is.
        calls: our calls that need it, by their names in the services' descriptions.
        looks: it only serves the checks: without it they leave something unchecked.
    """

    on: str
    role: str
    calls: tuple[str, ...]
    looks: bool = False


_JOBS = "aiplatform.projects.locations.customJobs"
_VERTEX, _OBJECTS = "roles/aiplatform.user", "roles/storage.objectUser"
_USAGE = "roles/serviceusage.serviceUsageConsumer"
_COMPUTE, _READER, _BROWSER = "roles/compute.viewer", "roles/storage.legacyBucketReader", "roles/browser"
_POLICIES = "roles/iam.securityReviewer"
PERMISSIONS: Mapping[str, Permission] = MappingProxyType(
    {
        "aiplatform.customJobs.create": Permission("project", _VERTEX, (f"{_JOBS}.create",)),
        "aiplatform.customJobs.list": Permission("project", _VERTEX, (f"{_JOBS}.list",)),
        "aiplatform.customJobs.cancel": Permission("project", _VERTEX, (f"{_JOBS}.cancel",)),
        "logging.logEntries.list": Permission("project", "roles/logging.viewer", ("logging.entries.list",)),
        "storage.objects.create": Permission("bucket", _OBJECTS, ("storage.objects.insert",)),
        "storage.objects.delete": Permission("bucket", _OBJECTS, ("storage.objects.insert",)),  # to write over one
        "storage.objects.get": Permission("bucket", _OBJECTS, ("storage.objects.get",)),
        "storage.objects.list": Permission("bucket", _OBJECTS, ("storage.objects.list",)),
        "iam.serviceAccounts.actAs": Permission("account", USER_ROLE, (f"{_JOBS}.create",)),
        "serviceusage.services.get": Permission("project", _USAGE, ("serviceusage.services.batchGet",), looks=True),
        "serviceusage.quotas.get": Permission(
            "project", _USAGE, ("serviceusage.services.consumerQuotaMetrics.get",), looks=True
        ),
        "compute.machineTypes.list": Permission(
            "project", _COMPUTE, ("compute.machineTypes.aggregatedList",), looks=True
        ),
        "compute.acceleratorTypes.list": Permission(
            "project", _COMPUTE, ("compute.acceleratorTypes.aggregatedList",), looks=True
        ),
        "resourcemanager.projects.get": Permission(
            "project", _BROWSER, ("cloudresourcemanager.projects.get",), looks=True
        ),
        "resourcemanager.projects.getIamPolicy": Permission(
            "project", _BROWSER, ("cloudresourcemanager.projects.getIamPolicy",), looks=True
        ),
        "iam.serviceAccounts.get": Permission(
            "project", "roles/iam.serviceAccountViewer", ("iam.projects.serviceAccounts.get",), looks=True
        ),
        "iam.serviceAccounts.getIamPolicy": Permission(
            "project", _POLICIES, ("iam.projects.serviceAccounts.getIamPolicy",), looks=True
        ),
        "storage.buckets.get": Permission("bucket", _READER, ("storage.buckets.get",), looks=True),
        "storage.buckets.getIamPolicy": Permission("project", _POLICIES, ("storage.buckets.getIamPolicy",), looks=True),
    }
)
FREE_CALLS = frozenset(  # that need no permission: they ask which one has
    {
        "cloudresourcemanager.projects.testIamPermissions",
        "iam.projects.serviceAccounts.testIamPermissions",
        "storage.buckets.testIamPermissions",
    }
)
TO_MAKE_THE_BUCKET = "storage.buckets.create"  # on the project, in roles/storage.admin; only where we are to make it


def needed(on: str) -> frozenset[str]:
    """The permissions without which no training runs, held on "project", "bucket" or "account"."""
    return frozenset(name for name, each in PERMISSIONS.items() if each.on == on and not each.looks)


def _permissions(facts: GoogleFacts) -> Iterable[Fault]:
    who = facts.caller or "The account that asks"
    member = f"serviceAccount:{facts.caller}" if facts.caller else 'user:"$(gcloud config get account)"'
    missing = [(facts.home, facts.missing_permissions)]
    missing += [(bucket, bucket.missing_permissions) for bucket in facts.buckets]
    for bucket, permissions in missing:
        roles: dict[tuple[str, str], list[str]] = {}
        for name in sorted(permissions or ()):
            permission = PERMISSIONS[name]
            roles.setdefault((permission.on, permission.role), []).append(name)
        for (on, role), names in roles.items():
            yield Fault(
                f"{who} lacks {', '.join(names)}{f' on gs://{bucket.name}' if on == 'bucket' else ''}.",
                f"Grant it: gcloud {_command(facts, on, bucket)} --member={member} --role={role}",
                _binding(facts, on, member if facts.caller else "user:YOU@EXAMPLE.COM", role, bucket),
            )


def _account(facts: GoogleFacts) -> Iterable[Fault]:
    account, home = facts.service_account, home_of(facts.service_account, facts.project)
    name = account.partition("@")[0]
    if facts.account_exists is False:
        yield Fault(
            f"There is no service account {account}, which jobs are to run as (google.service_account).",
            f"Make it: gcloud iam service-accounts create {name} --project={home}",
            f'resource "google_service_account" "trainer" {{\n  project    = "{home}"\n  account_id = "{name}"\n}}',
        )
    for bucket in facts.buckets:
        if bucket.account_uses_it is False:
            member = f"serviceAccount:{account}"
            yield Fault(
                f"Jobs would run as {account}, which may not read, write and overwrite in gs://{bucket.name}.",
                f"Grant it: gcloud {_command(facts, 'bucket', bucket)} --member={member} --role={JOB_ROLE}",
                _binding(facts, "bucket", member, JOB_ROLE, bucket),
            )
    if facts.agent_acts is False:
        member = f"serviceAccount:{facts.agent}"
        yield Fault(
            f"Vertex AI's agent {facts.agent} may not run jobs as {account}.",
            f"Grant it: gcloud {_command(facts, 'account')} --member={member} --role={AGENT_ROLE} (if there is no such "
            f"agent yet: gcloud beta services identity create --service=aiplatform.googleapis.com "
            f"--project={facts.project})",
            _binding(facts, "account", member, AGENT_ROLE),
        )


def home_of(account: str, project: str) -> str:
    """The project to which a service account belongs: its address says so, except of Google's default ones.

    >>> home_of("trainer@other.iam.gserviceaccount.com", "ours")
    'other'
    >>> home_of("1-compute@developer.gserviceaccount.com", "ours")
    'ours'
    """
    domain = account.partition("@")[2]
    return domain.removesuffix(".iam.gserviceaccount.com") if domain.endswith(".iam.gserviceaccount.com") else project


def _command(facts: GoogleFacts, on: str, bucket: BucketFacts | None = None) -> str:
    """What of gcloud grants a role on the project, a bucket (the first) or the job's account."""
    return {
        "project": f"projects add-iam-policy-binding {facts.project}",
        "bucket": f"storage buckets add-iam-policy-binding gs://{(bucket or facts.home).name}",
        "account": f"iam service-accounts add-iam-policy-binding {facts.service_account} "
        f"--project={home_of(facts.service_account, facts.project)}",
    }[on]


def _binding(facts: GoogleFacts, on: str, member: str, role: str, bucket: BucketFacts | None = None) -> str:
    """The same as Terraform."""
    bucket = bucket or facts.home
    account = f"projects/{home_of(facts.service_account, facts.project)}/serviceAccounts/{facts.service_account}"
    kind, field, target = {
        "project": ("google_project_iam_member", "project", facts.project),
        "bucket": ("google_storage_bucket_iam_member", "bucket", bucket.name),
        "account": ("google_service_account_iam_member", "service_account_id", account),
    }[on]
    words = [member.partition(":")[2].partition("@")[0], role.partition("/")[2]]
    words += [bucket.region] if on == "bucket" and bucket is not facts.home else []
    name = re.sub(r"[^a-z0-9]+", "_", "_".join(words).lower())
    return f'resource "{kind}" "{name}" {{\n  {field} = "{target}"\n  role = "{role}"\n  member = "{member}"\n}}'


RULES: tuple[Rule[GoogleFacts], ...] = (
    Rule("PERMISSION_MISSING", "https://cloud.google.com/vertex-ai/docs/general/access-control", _permissions),
    Rule("SERVICE_ACCOUNT", "https://cloud.google.com/vertex-ai/docs/general/custom-service-account", _account),
)
