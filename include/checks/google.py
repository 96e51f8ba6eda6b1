"""What makes a training on Vertex AI fail although nothing in its data is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from include.checks import google_access, google_capacity
from include.checks.google_facts import GoogleFacts
from include.checks.rule import Fault, Rule

__all__ = ["APIS", "RULES", "GoogleFacts", "bucket_terraform", "covers"]

APIS = ("aiplatform.googleapis.com", "storage.googleapis.com", "logging.googleapis.com")
DUAL_REGIONS: Mapping[str, frozenset[str]] = {  # https://cloud.google.com/storage/docs/locations
    "NAM4": frozenset({"us-central1", "us-east1"}),
    "EUR4": frozenset({"europe-west4", "europe-north1"}),
    "EUR5": frozenset({"europe-west1", "europe-west2"}),
    "ASIA1": frozenset({"asia-northeast1", "asia-northeast2"}),
}
MULTI_REGIONS = {"US": "us-", "EU": "europe-", "ASIA": "asia-"}


def _apis(facts: GoogleFacts) -> Iterable[Fault]:
    for api in sorted(facts.missing_apis or ()):
        yield Fault(
            f"{api} is not enabled in project {facts.project}.",
            f"Enable it: gcloud services enable {api} --project={facts.project}",
            f'resource "google_project_service" "{api.partition(".")[0]}" {{\n  project = "{facts.project}"\n'
            f'  service = "{api}"\n  disable_on_destroy = false\n}}',
        )


def _bucket_missing(facts: GoogleFacts) -> Iterable[Fault]:
    if facts.bucket_location == "":
        yield Fault(
            f"There is no bucket gs://{facts.bucket}, or it is hidden from {facts.caller or 'the account that asks'}.",
            f"Make it: gcloud storage buckets create gs://{facts.bucket} --project={facts.project} "
            f"--location={facts.regions[0]} --uniform-bucket-level-access --public-access-prevention",
            bucket_terraform(facts.project, facts.bucket, facts.regions[0]),
        )


def _bucket_elsewhere(facts: GoogleFacts) -> Iterable[Fault]:
    if facts.bucket_location:
        for region in facts.regions:
            if not covers(facts.bucket_location, region):
                yield Fault(
                    f"gs://{facts.bucket} lies in {facts.bucket_location}, the job would run in {region}: that "
                    "is slow to read, and the traffic is billed.",
                    f"Train in {facts.bucket_location.lower()}, or name a bucket in {region} as google.bucket.",
                )


def bucket_terraform(project: str, bucket: str, region: str) -> str:
    """The bucket of a deployment, for whoever keeps a project by Terraform."""
    return f"""\
resource "google_storage_bucket" "lanner" {{
  project  = "{project}"
  name     = "{bucket}"
  location = "{region}"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
}}"""


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
    *google_access.RULES,
    *google_capacity.RULES,
)
