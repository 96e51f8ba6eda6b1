"""Every rule has a project in which it speaks, and all are silent in a sound one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.checks.google.account import holds
from include.checks.google.facts import BucketFacts
from include.checks.google.gathering import limit_in
from include.checks.google.machines import PRESETS, VERTEX, AskedMachine
from include.checks.google.rules import RULES, GoogleFacts
from include.checks.google.storage import covers
from include.checks.rule import Rule, check

TRAINER = "trainer@our-project.iam.gserviceaccount.com"
AGENT = "service-123@gcp-sa-aiplatform.iam.gserviceaccount.com"
T4_QUOTA = f"{VERTEX}/custom_model_training_nvidia_t4_gpus"

HOME = BucketFacts("our-bucket", ("us-central1",), "US-CENTRAL1", frozenset(), account_uses_it=True)
EUROPE = replace(HOME, name="our-europe", regions=("europe-west4",), location="EUROPE-WEST4")
SOUND = GoogleFacts(
    project="our-project",
    buckets=(HOME, EUROPE),
    caller="airflow@our-project.iam.gserviceaccount.com",
    regions=("us-central1",),
    machines=(AskedMachine("t4", "us-central1"), AskedMachine("l4", "us-central1", spot=True)),
    service_account=TRAINER,
    missing_apis=frozenset(),
    missing_permissions=frozenset(),
    limits={("us-central1", T4_QUOTA): 1, ("us-central1", f"{VERTEX}/custom_model_training_cpus"): -1},
    offered={("us-central1", "n1-standard-8"): True, ("us-central1", "nvidia-tesla-t4"): True},
    account_exists=True,
    agent=AGENT,
    agent_acts=True,
)
FAULTS = {
    "API_DISABLED": (
        replace(SOUND, missing_apis=frozenset({"aiplatform.googleapis.com"})),
        "gcloud services enable aiplatform.googleapis.com --project=our-project",
    ),
    "BUCKET_MISSING": (
        replace(SOUND, buckets=(replace(HOME, location=""), EUROPE)),
        "gcloud storage buckets create gs://our-bucket --project=our-project --location=us-central1",
    ),
    "BUCKET_ELSEWHERE": (
        replace(SOUND, buckets=(replace(HOME, location="EUROPE-WEST4"), EUROPE)),
        "name a bucket in us-central1 as google.bucket in lanner.yaml (google.buckets names one for each further",
    ),
    "REGION_WITHOUT_BUCKET": (
        replace(SOUND, regions=("us-central1", "asia-east1")),
        "google.buckets: {asia-east1: our-bucket-asia-east1}, and make it: gcloud storage buckets create "
        "gs://our-bucket-asia-east1 --project=our-project --location=asia-east1",
    ),
    "PERMISSION_MISSING": (
        replace(SOUND, missing_permissions=frozenset({"aiplatform.customJobs.create", "aiplatform.customJobs.list"})),
        "gcloud projects add-iam-policy-binding our-project "
        "--member=serviceAccount:airflow@our-project.iam.gserviceaccount.com --role=roles/aiplatform.user",
    ),
    "SERVICE_ACCOUNT": (
        replace(SOUND, account_exists=False),
        "gcloud iam service-accounts create trainer --project=our-project",
    ),
    "MACHINE_NOT_OFFERED": (
        replace(SOUND, offered={("us-central1", "nvidia-tesla-t4"): False}),
        "gcloud compute accelerator-types list --filter=name=nvidia-tesla-t4 --project=our-project",
    ),
    "QUOTA": (
        replace(SOUND, limits={("us-central1", T4_QUOTA): 0}),
        f"gcloud beta quotas info list --service={VERTEX} --project=our-project --filter=metric={T4_QUOTA}",
    ),
}


def test_a_sound_project_is_left_in_peace() -> None:
    assert check(RULES, SOUND) == []


def test_what_could_not_be_learned_is_not_judged() -> None:
    assert check(RULES, GoogleFacts("p", (BucketFacts("b", ("us-central1",)),), "c", ("us-central1",))) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_fault_is_found_alone_with_its_remedy(rule: Rule[GoogleFacts]) -> None:
    code = rule.code
    facts, remedy = FAULTS[code]
    [finding] = check(RULES, facts)
    assert finding.code == code
    assert remedy in finding.remedy
    assert finding.source.startswith("https://cloud.google.com/")
    assert str(finding).startswith(f"{code}: ")


@pytest.mark.parametrize("name", ["our-bucket", "our-europe"])
def test_permissions_on_a_bucket_are_granted_on_that_bucket(name: str) -> None:
    without = {name: frozenset({"storage.objects.get"})}
    buckets = tuple(replace(each, missing_permissions=without.get(each.name)) for each in SOUND.buckets)
    [finding] = check(RULES, replace(SOUND, buckets=buckets))
    assert finding.wrong.endswith(f"lacks storage.objects.get on gs://{name}.")
    assert f"gcloud storage buckets add-iam-policy-binding gs://{name} " in finding.remedy
    assert f'bucket = "{name}"' in finding.terraform


def test_a_bucket_of_a_region_without_jobs_may_lie_anywhere() -> None:
    wrong = replace(EUROPE, location="ASIA")
    assert check(RULES, replace(SOUND, buckets=(HOME, wrong))) == []
    [finding] = check(RULES, replace(SOUND, buckets=(HOME, wrong), regions=("us-central1", "europe-west4")))
    assert finding.code == "BUCKET_ELSEWHERE"
    assert "name a bucket in europe-west4 as google.buckets.europe-west4" in finding.remedy


@pytest.mark.parametrize(
    ("location", "found"), [("NAM4", []), ("US-CENTRAL1", ["REGION_WITHOUT_BUCKET"]), (None, ["REGION_WITHOUT_BUCKET"])]
)
def test_a_region_needs_a_bucket_unless_the_first_is_there_too(location: str | None, found: list[str]) -> None:
    facts = replace(SOUND, buckets=(replace(HOME, location=location),), regions=("us-central1", "us-east1"))
    assert [finding.code for finding in check(RULES, facts)] == found


def test_a_bucket_is_made_in_its_region() -> None:
    [finding] = check(RULES, replace(SOUND, buckets=(HOME, replace(EUROPE, location=""))))
    assert (
        "gcloud storage buckets create gs://our-europe --project=our-project --location=europe-west4" in finding.remedy
    )
    assert finding.terraform.startswith('resource "google_storage_bucket" "lanner_europe_west4" {')


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


def test_what_terraform_can_mend_is_said_as_terraform() -> None:
    """Only a bucket that lies elsewhere and a machine that is nowhere near need a decision first."""
    without = {code for code, (facts, _) in FAULTS.items() if not check(RULES, facts)[0].terraform}
    assert without == {"BUCKET_ELSEWHERE", "MACHINE_NOT_OFFERED"}


def test_to_act_as_the_jobs_account_is_granted_on_that_account() -> None:
    [finding] = check(RULES, replace(SOUND, missing_permissions=frozenset({"iam.serviceAccounts.actAs"})))
    assert f"gcloud iam service-accounts add-iam-policy-binding {TRAINER} --project=our-project" in finding.remedy
    assert "--role=roles/iam.serviceAccountUser" in finding.remedy


def test_a_person_who_asks_is_granted_by_their_own_name() -> None:
    facts = replace(SOUND, caller="", missing_permissions=frozenset({"logging.logEntries.list"}))
    [finding] = check(RULES, facts)
    assert '--member=user:"$(gcloud config get account)"' in finding.remedy


def test_the_jobs_account_needs_the_bucket_and_the_agent_needs_the_account() -> None:
    buckets = tuple(replace(each, account_uses_it=False) for each in (HOME, EUROPE))
    found = check(RULES, replace(SOUND, buckets=buckets, agent_acts=False))
    assert [finding.code for finding in found] == ["SERVICE_ACCOUNT"] * 3
    for finding, name in zip(found, ("our-bucket", "our-europe"), strict=False):
        assert f"gs://{name} --member=serviceAccount:{TRAINER} --role=roles/storage.objectUser" in finding.remedy
    assert f"--member=serviceAccount:{AGENT} --role=roles/iam.serviceAccountTokenCreator" in found[2].remedy
    assert len({finding.terraform.partition("{")[0] for finding in found}) == 3, "no two of one name"


@pytest.mark.parametrize(("spot", "prefix"), [(False, ""), (True, "preemptible_")])
def test_every_preset_takes_its_quota(spot: bool, prefix: str) -> None:
    took = {name: dict(machine.quota_use(spot=spot)) for name, machine in PRESETS.items()}
    common = f"{VERTEX}/custom_model_training_{prefix}"
    assert took == {
        "cpu": {f"{common}cpus": 8},
        "t4": {f"{common}cpus": 8, f"{common}nvidia_t4_gpus": 1},
        "l4": {f"{common}g2_cpus": 8, f"{common}nvidia_l4_gpus": 1},
        "a100": {f"{common}a2_cpus": 12, f"{common}nvidia_a100_gpus": 1},
        "t4x4": {f"{common}cpus": 16, f"{common}nvidia_t4_gpus": 4},
        "workers": {f"{common}cpus": 16},
        "tpu": {f"{common}tpu_v2": 8},
    }


def test_an_evaluator_takes_its_part_of_the_quota() -> None:
    common = f"{VERTEX}/custom_model_training"
    asked = AskedMachine("cpu", "us-central1", evaluator="t4")
    assert asked.quota_use() == {f"{common}_cpus": 16, T4_QUOTA: 1}
    assert asked.in_compute_engine == ("n1-standard-8", "nvidia-tesla-t4")
    [finding] = check(RULES, replace(SOUND, machines=(asked,), limits={("us-central1", f"{common}_cpus"): 15}))
    assert finding.wrong.startswith(f"cpu with evaluator t4 takes 16 of {common}_cpus in us-central1;")
    [finding] = check(RULES, replace(SOUND, machines=(asked,), offered={("us-central1", "nvidia-tesla-t4"): False}))
    assert finding.wrong.endswith("Vertex AI has no t4 there.")


def bucket(limit: str | None, **dimensions: str) -> dict[str, object]:
    return {"dimensions": dimensions} | ({} if limit is None else {"effectiveLimit": limit})


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([[bucket("1"), bucket("4", region="us-central1")]], 4),
        ([[bucket("1"), bucket("4", region="europe-west4")]], 1),
        ([[bucket(None)]], 0),
        ([[bucket("-1")]], -1),
        ([[bucket("-1")], [bucket("7")]], 7),
        ([[bucket("7", region="europe-west4")]], None),
        ([], None),
    ],
    ids=["region", "default", "nought is left out", "unlimited", "the least", "not there", "none"],
)
def test_a_quota_in_a_region(limits: list[list[dict[str, object]]], expected: int | None) -> None:
    metric = {"consumerQuotaLimits": [{"quotaBuckets": buckets} for buckets in limits]}
    assert limit_in(metric, "us-central1") == expected


def policy(role: str, member: str, **more: object) -> dict[str, object]:
    return {"bindings": [{"role": role, "members": [member], **more}]}


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([policy("roles/storage.objectUser", f"serviceAccount:{TRAINER}")], True),
        ([None, policy("roles/storage.objectUser", f"serviceAccount:{TRAINER}")], True),
        ([policy("roles/storage.objectViewer", f"serviceAccount:{TRAINER}")], False),
        ([policy("roles/storage.objectUser", "serviceAccount:another@p.iam.gserviceaccount.com")], False),
        ([{}], False),
        ([None], None),
        ([policy("projects/p/roles/ours", f"serviceAccount:{TRAINER}")], None),
        ([policy("roles/storage.objectUser", "group:trainers@example.com")], None),
        ([policy("roles/storage.objectUser", f"serviceAccount:{TRAINER}", condition={"expression": "x"})], None),
    ],
    ids=["held", "held in one", "too little", "another", "empty", "unread", "custom role", "group", "condition"],
)
def test_what_policies_tell_of_an_account(policies: list[dict[str, object] | None], expected: bool | None) -> None:
    assert holds(TRAINER, {"roles/storage.objectUser"}, policies) is expected
