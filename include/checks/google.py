"""What makes a training on Vertex AI fail although nothing in its data is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from include.checks.rule import Rule

Found = Iterable[tuple[str, str]]

APIS = ("aiplatform.googleapis.com", "storage.googleapis.com", "logging.googleapis.com")
DUAL_REGIONS: Mapping[str, frozenset[str]] = {  # https://cloud.google.com/storage/docs/locations
    "NAM4": frozenset({"us-central1", "us-east1"}),
    "EUR4": frozenset({"europe-west4", "europe-north1"}),
    "EUR5": frozenset({"europe-west1", "europe-west2"}),
    "ASIA1": frozenset({"asia-northeast1", "asia-northeast2"}),
}
MULTI_REGIONS = {"US": "us-", "EU": "europe-", "ASIA": "asia-"}
# What the person or machine that submits needs, and what the job itself does, by the smallest predefined roles.
CALLER_PERMISSIONS = {
    "aiplatform.customJobs.create": "roles/aiplatform.user",
    "aiplatform.customJobs.list": "roles/aiplatform.user",
    "aiplatform.customJobs.cancel": "roles/aiplatform.user",
    "logging.logEntries.list": "roles/logging.viewer",
}
BUCKET_PERMISSIONS = {
    "storage.objects.create": "roles/storage.objectUser",
    "storage.objects.delete": "roles/storage.objectUser",
    "storage.objects.get": "roles/storage.objectUser",
    "storage.objects.list": "roles/storage.objectUser",
}


@dataclass(frozen=True)
class GoogleFacts:
    """What is known of a project before a job is submitted. None: it could not be learned, and is not judged.

    Attributes:
        regions: in which jobs may run, in the order of the settings.
        bucket_location: of the bucket, as the service writes it ("US-CENTRAL1"); "" where there is no such bucket.
        missing_apis: that are not enabled.
        missing_permissions: of the caller, on the project and the bucket.
    """

    project: str
    bucket: str
    caller: str
    regions: tuple[str, ...]
    bucket_location: str | None = None
    missing_apis: frozenset[str] | None = None
    missing_permissions: frozenset[str] | None = None


def _apis(facts: GoogleFacts) -> Found:
    for api in sorted(facts.missing_apis or ()):
        yield (
            f"{api} is not enabled in project {facts.project}.",
            f"Enable it: gcloud services enable {api} --project={facts.project}",
        )


def _bucket_missing(facts: GoogleFacts) -> Found:
    if facts.bucket_location == "":
        yield (
            f"There is no bucket gs://{facts.bucket}, or {facts.caller} may not know of it.",
            f"Make it: gcloud storage buckets create gs://{facts.bucket} --project={facts.project} "
            f"--location={facts.regions[0]} --uniform-bucket-level-access",
        )


def _bucket_elsewhere(facts: GoogleFacts) -> Found:
    if facts.bucket_location:
        for region in facts.regions:
            if not covers(facts.bucket_location, region):
                yield (
                    f"gs://{facts.bucket} lies in {facts.bucket_location}, the job would run in {region}: that "
                    "is slow to read, and the traffic is billed.",
                    f"Train in {facts.bucket_location.lower()}, or name a bucket in {region} as google.bucket.",
                )


def _permissions(facts: GoogleFacts) -> Found:
    roles: dict[str, list[str]] = {}
    for permission in sorted(facts.missing_permissions or ()):
        roles.setdefault((CALLER_PERMISSIONS | BUCKET_PERMISSIONS)[permission], []).append(permission)
    for role, permissions in roles.items():
        on_bucket = permissions[0] in BUCKET_PERMISSIONS
        where = f"storage buckets add-iam-policy-binding gs://{facts.bucket}"
        if not on_bucket:
            where = f"projects add-iam-policy-binding {facts.project}"
        member = f"serviceAccount:{facts.caller}" if facts.caller.endswith("gserviceaccount.com") else facts.caller
        yield (
            f"{facts.caller} lacks {', '.join(permissions)}.",
            f"Grant it: gcloud {where} --member={member} --role={role}",
        )


def covers(location: str, region: str) -> bool:
    """Does a bucket's location hold a region? (Regions, dual-regions and multi-regions.)

    >>> covers("US-CENTRAL1", "us-central1"), covers("EU", "europe-west4"), covers("US", "europe-west4")
    (True, True, False)
    """
    if location in MULTI_REGIONS:
        return region.startswith(MULTI_REGIONS[location])
    return region in DUAL_REGIONS.get(location, frozenset({location.lower()}))


RULES: tuple[Rule[GoogleFacts], ...] = (
    Rule("API_DISABLED", "https://cloud.google.com/vertex-ai/docs/start/cloud-environment", _apis),
    Rule("BUCKET_MISSING", "https://cloud.google.com/storage/docs/creating-buckets", _bucket_missing),
    Rule("BUCKET_ELSEWHERE", "https://cloud.google.com/vertex-ai/docs/general/locations", _bucket_elsewhere),
    Rule("PERMISSION_MISSING", "https://cloud.google.com/vertex-ai/docs/general/access-control", _permissions),
)
