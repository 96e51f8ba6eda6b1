"""Every rule has a project in which it speaks, and all are silent in a sound one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.checks.google import RULES, GoogleFacts, covers
from include.checks.rule import check

SOUND = GoogleFacts(
    project="our-project",
    bucket="our-bucket",
    caller="airflow@our-project.iam.gserviceaccount.com",
    regions=("us-central1",),
    bucket_location="US-CENTRAL1",
    missing_apis=frozenset(),
    missing_permissions=frozenset(),
)
FAULTS = {
    "API_DISABLED": (
        replace(SOUND, missing_apis=frozenset({"aiplatform.googleapis.com"})),
        "gcloud services enable aiplatform.googleapis.com --project=our-project",
    ),
    "BUCKET_MISSING": (
        replace(SOUND, bucket_location=""),
        "gcloud storage buckets create gs://our-bucket --project=our-project --location=us-central1",
    ),
    "BUCKET_ELSEWHERE": (replace(SOUND, regions=("us-central1", "europe-west4")), "name a bucket in europe-west4"),
    "PERMISSION_MISSING": (
        replace(SOUND, missing_permissions=frozenset({"aiplatform.customJobs.create", "aiplatform.customJobs.list"})),
        "gcloud projects add-iam-policy-binding our-project "
        "--member=serviceAccount:airflow@our-project.iam.gserviceaccount.com --role=roles/aiplatform.user",
    ),
}


def test_a_sound_project_is_left_in_peace() -> None:
    assert check(RULES, SOUND) == []


def test_what_could_not_be_learned_is_not_judged() -> None:
    assert check(RULES, GoogleFacts("p", "b", "c", ("us-central1",))) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_fault_is_found_alone_with_its_remedy(rule: object) -> None:
    code = rule.code  # type: ignore[attr-defined]
    facts, remedy = FAULTS[code]
    [finding] = check(RULES, facts)
    assert finding.code == code
    assert remedy in finding.remedy
    assert finding.source.startswith("https://cloud.google.com/")
    assert str(finding).startswith(f"{code}: ")


def test_permissions_on_the_bucket_are_granted_on_the_bucket() -> None:
    [finding] = check(RULES, replace(SOUND, missing_permissions=frozenset({"storage.objects.get"})))
    assert "gcloud storage buckets add-iam-policy-binding gs://our-bucket" in finding.remedy


@pytest.mark.parametrize(
    ("location", "region", "held"),
    [
        ("EUROPE-WEST4", "europe-west4", True),
        ("EUROPE-WEST1", "europe-west4", False),
        ("EUR4", "europe-west4", True),
        ("NAM4", "us-west1", False),
        ("ASIA", "asia-east1", True),
        ("US", "europe-west4", False),
    ],
)
def test_where_a_bucket_lies(location: str, region: str, held: bool) -> None:
    assert covers(location, region) is held
