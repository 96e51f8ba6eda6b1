"""Rules about the buckets: each is there, in the region of its jobs, and no region is without one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from include.checks.google.facts import GoogleFacts
from include.checks.rule import Fault, Rule

DUAL_REGIONS: Mapping[str, frozenset[str]] = {  # https://cloud.google.com/storage/docs/locations
    "NAM4": frozenset({"us-central1", "us-east1"}),
    "EUR4": frozenset({"europe-west4", "europe-north1"}),
    "EUR5": frozenset({"europe-west1", "europe-west2"}),
    "ASIA1": frozenset({"asia-northeast1", "asia-northeast2"}),
}
MULTI_REGIONS = {"US": "us-", "EU": "europe-", "ASIA": "asia-"}
LOCATIONS = "https://cloud.google.com/vertex-ai/docs/general/locations"


def _missing(facts: GoogleFacts) -> Iterable[Fault]:
    for bucket in facts.buckets:
        if bucket.location == "":
            name = "lanner" if bucket is facts.home else f"lanner_{bucket.region}"
            yield Fault(
                f"There is no bucket gs://{bucket.name}, or it is hidden from "
                f"{facts.caller or 'the account that asks'}.",
                f"Make it: {_making(facts.project, bucket.name, bucket.region)}",
                bucket_terraform(facts.project, bucket.name, bucket.region, name),
            )


def _elsewhere(facts: GoogleFacts) -> Iterable[Fault]:
    for bucket in facts.buckets:
        for region in bucket.regions:
            if bucket.location and region in facts.regions and not covers(bucket.location, region):
                field = "google.bucket" if region == facts.home.region else f"google.buckets.{region}"
                yield Fault(
                    f"gs://{bucket.name} lies in {bucket.location}, the job would run in {region}: Vertex AI wants the "
                    "job's bucket in the job's region.",
                    f"Train in {bucket.location.lower()}, or name a bucket in {region} as {field} in lanner.yaml "
                    "(google.buckets names one for each further region).",
                )


def _without(facts: GoogleFacts) -> Iterable[Fault]:
    home = facts.home
    served = {region for bucket in facts.buckets for region in bucket.regions}
    for region in facts.regions:
        if region in served or (home.location and covers(home.location, region)):
            continue
        name = f"{home.name}-{region}"
        yield Fault(
            f"A machine would train in {region}, for which lanner.yaml names no bucket: Vertex AI wants the job's "
            "bucket in the job's region.",
            f"Name one in lanner.yaml, such as google.buckets: {{{region}: {name}}}, and make it: "
            f"{_making(facts.project, name, region)} (or train in {home.region}).",
            bucket_terraform(facts.project, name, region, f"lanner_{region}"),
        )


def _making(project: str, bucket: str, region: str) -> str:
    return (
        f"gcloud storage buckets create gs://{bucket} --project={project} --location={region} "
        "--uniform-bucket-level-access --public-access-prevention"
    )


def bucket_terraform(project: str, bucket: str, region: str, name: str) -> str:
    """A bucket of a deployment, for whoever keeps a project by Terraform, where it is called ``name``."""
    return f"""\
resource "google_storage_bucket" "{name.replace("-", "_")}" {{
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
    Rule("BUCKET_MISSING", "https://cloud.google.com/storage/docs/creating-buckets", _missing),
    Rule("BUCKET_ELSEWHERE", LOCATIONS, _elsewhere),
    Rule("REGION_WITHOUT_BUCKET", LOCATIONS, _without),
)
