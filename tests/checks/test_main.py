"""``python -m include.checks google`` with real credentials, clients and calls, against a project on this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.checks.__main__ import MISSING, READY, WRONG, main
from tests.checks.conftest import AGENT, BUCKET, EUROPE_BUCKET, ID, TRAINER, Rehearsed

SETTINGS = f"""\
google: {{bucket: {BUCKET}, service_account: {TRAINER}}}
collections:
  digits: {{source: images, targets: {{vertex: {{machines: [{{preset: t4}}]}}}}}}
"""

TWO_REGIONS = f"""\
google: {{bucket: {BUCKET}, buckets: {{europe-west4: {EUROPE_BUCKET}}}, service_account: {TRAINER}}}
collections:
  digits:
    source: images
    targets: {{vertex: {{machines: [{{preset: cpu}}, {{preset: cpu, region: europe-west4}}]}}}}
"""


@pytest.fixture(autouse=True)
def settings(lanner: Path) -> None:
    (lanner / "lanner.yaml").write_text(SETTINGS)


def asked(rehearsed: Rehearsed, *arguments: str) -> int:
    endpoints = [f"--endpoint={service}={url}" for service, url in rehearsed.endpoints.items()]
    return main(["google", *arguments, *endpoints])


def codes(printed: str) -> list[str]:
    return re.findall(r"^([A-Z_]+): ", printed, re.MULTILINE)


def test_a_sound_project_is_ready(rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(rehearsed) == READY
    printed = capsys.readouterr().out
    assert printed.startswith(f"Project {ID}, bucket gs://{BUCKET}, machines: t4 in us-central1.")
    assert printed.endswith("Nothing is missing.\n")
    assert "Not checked" not in printed


@pytest.mark.parametrize(
    ("evaluator", "code", "said"),
    [
        ("t4", READY, f"Project {ID}, bucket gs://{BUCKET}, machines: cpu with evaluator t4 in us-central1."),
        ("k80", WRONG, "error: There is no machine preset 'k80'"),
        ("workers", WRONG, "error: evaluator is 'workers', which is 2 machines; one machine evaluates"),
        ("tpu", WRONG, "error: evaluator is 'tpu', which is a TPU"),
    ],
)
def test_the_evaluator_of_the_settings_is_looked_at(
    rehearsed: Rehearsed, lanner: Path, capsys: pytest.CaptureFixture[str], evaluator: str, code: int, said: str
) -> None:
    machine = f"{{preset: cpu, evaluator: {evaluator}}}"
    (lanner / "lanner.yaml").write_text(SETTINGS.replace("{preset: t4}", machine))
    assert asked(rehearsed) == code
    printed = capsys.readouterr()
    assert (printed.out + printed.err).startswith(said)


def test_everything_that_is_missing_is_said_at_once(rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]) -> None:
    project = rehearsed.project
    project.apis.remove("aiplatform.googleapis.com")
    project.permissions -= {"aiplatform.customJobs.create", "storage.objects.delete", "iam.serviceAccounts.actAs"}
    project.buckets[BUCKET]["location"] = "EUROPE-WEST4"
    project.policies = {}
    project.quotas = dict.fromkeys(project.quotas, 0)
    project.zones["nvidia-tesla-t4"] = ["asia-east1-a"]
    assert asked(rehearsed) == MISSING
    printed = capsys.readouterr().out
    assert codes(printed) == [
        "API_DISABLED",
        "BUCKET_ELSEWHERE",
        *["PERMISSION_MISSING"] * 3,
        *["SERVICE_ACCOUNT"] * 2,
        "MACHINE_NOT_OFFERED",
        *["QUOTA"] * 2,
    ]
    assert f"serviceAccount:{AGENT} --role=roles/iam.serviceAccountTokenCreator" in printed
    assert printed.endswith("10 to mend.\n")


def test_an_account_that_there_is_not(rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]) -> None:
    rehearsed.project.accounts.clear()
    assert asked(rehearsed) == MISSING
    assert f"gcloud iam service-accounts create trainer --project={ID}" in capsys.readouterr().out


def test_what_may_not_be_looked_at_is_neither_missing_nor_passed_over(
    rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every permission that only looks is taken away, and Compute Engine is off."""
    from include.checks.google.access import PERMISSIONS

    rehearsed.project.permissions -= {name for name, each in PERMISSIONS.items() if each.looks}
    rehearsed.project.apis.remove("compute.googleapis.com")
    assert asked(rehearsed) == READY
    printed = capsys.readouterr().out
    unchecked = printed.partition("Not checked:\n")[2]
    for what in (f"bucket gs://{BUCKET}:", "enabled APIs:", "the service account:", "quota aiplatform", "machine n1-"):
        assert what in unchecked
    assert "compute.googleapis.com has not been used" in unchecked
    assert re.search(r"Nothing is missing, \d could not be checked\.\n$", printed)


def test_a_quota_that_the_service_does_not_know_is_noted(
    rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(rehearsed, "--machine", "t4", "--spot") == READY
    assert "custom_model_training_preemptible_nvidia_t4_gpus: " in capsys.readouterr().out


def test_with_credentials_that_are_refused_it_does_not_say_ready(
    rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsed.project.broken["/token"] = 400
    assert asked(rehearsed) == WRONG
    assert "The credentials were refused" in capsys.readouterr().out


def test_the_bucket_is_made_when_asked_and_not_before(rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]) -> None:
    rehearsed.project.permissions.add("storage.buckets.create")
    rehearsed.project.buckets.clear()
    assert asked(rehearsed) == MISSING
    assert codes(capsys.readouterr().out) == ["BUCKET_MISSING"]
    assert rehearsed.project.buckets == {}

    assert asked(rehearsed, "--create-bucket") == READY
    printed = capsys.readouterr().out
    assert printed.index("Making gs://our-bucket in us-central1") < printed.index("Nothing is missing")
    made = rehearsed.project.buckets[BUCKET]
    assert made["location"] == "US-CENTRAL1"
    assert made["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert made["iamConfiguration"]["publicAccessPrevention"] == "enforced"

    assert asked(rehearsed, "--create-bucket") == READY
    assert "nothing was made" in capsys.readouterr().out


def test_the_bucket_of_each_region_is_looked_at(
    rehearsed: Rehearsed, lanner: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lanner / "lanner.yaml").write_text(TWO_REGIONS)
    project = rehearsed.project
    assert asked(rehearsed) == MISSING
    printed = capsys.readouterr().out
    assert printed.startswith(f"Project {ID}, buckets gs://{BUCKET}, gs://{EUROPE_BUCKET}, machines: cpu in us-")
    assert codes(printed) == ["BUCKET_MISSING"]

    project.permissions.add("storage.buckets.create")
    assert asked(rehearsed, "--create-bucket") == MISSING
    printed = capsys.readouterr().out
    assert f"gs://{BUCKET} is there, in US-CENTRAL1: nothing was made." in printed
    assert f"Making gs://{EUROPE_BUCKET} in europe-west4" in printed
    assert project.buckets[EUROPE_BUCKET]["location"] == "EUROPE-WEST4"
    assert codes(printed) == ["SERVICE_ACCOUNT"], "the jobs' account has no role on the new one"

    project.policies[EUROPE_BUCKET] = project.policies[BUCKET]
    assert asked(rehearsed) == READY
    project.denied[EUROPE_BUCKET] = {"storage.objects.get"}
    project.buckets[EUROPE_BUCKET]["location"] = "ASIA"
    capsys.readouterr()
    assert asked(rehearsed) == MISSING
    printed = capsys.readouterr().out
    assert codes(printed) == ["BUCKET_ELSEWHERE", "PERMISSION_MISSING"]
    assert f"lacks storage.objects.get on gs://{EUROPE_BUCKET}" in printed


def test_a_region_that_has_no_bucket(rehearsed: Rehearsed, lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = TWO_REGIONS.replace(f"buckets: {{europe-west4: {EUROPE_BUCKET}}}, ", "")
    (lanner / "lanner.yaml").write_text(one)
    assert asked(rehearsed) == MISSING
    printed = capsys.readouterr().out
    assert codes(printed) == ["REGION_WITHOUT_BUCKET"]
    assert f"google.buckets: {{europe-west4: {BUCKET}-europe-west4}}" in printed


def test_a_region_that_is_asked_for_has_its_own_bucket(
    rehearsed: Rehearsed, lanner: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lanner / "lanner.yaml").write_text(TWO_REGIONS)
    rehearsed.project.buckets[EUROPE_BUCKET] = {"name": EUROPE_BUCKET, "location": "EUROPE-WEST4"}
    rehearsed.project.policies[EUROPE_BUCKET] = rehearsed.project.policies[BUCKET]
    assert asked(rehearsed, "--region", "europe-west4", "--machine", "cpu") == READY
    assert f"buckets gs://{EUROPE_BUCKET}, gs://{BUCKET}, machines: cpu in europe-west4." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("bucket", "region", "may", "said"),
    [
        ("taken-name", "us-central1", True, "is another project's"),
        ("ours", "nowhere", True, "cannot be made in nowhere"),
        ("ours", "us-central1", False, "It takes storage.buckets.create on project our-project"),
    ],
)
def test_why_a_bucket_cannot_be_made(
    rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str], bucket: str, region: str, may: bool, said: str
) -> None:
    rehearsed.project.permissions |= {"storage.buckets.create", "storage.buckets.list"} if may else set()
    assert asked(rehearsed, "--bucket", bucket, "--region", region, "--create-bucket") == WRONG
    assert said in capsys.readouterr().err


def test_terraform_alone_goes_to_standard_output(rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]) -> None:
    rehearsed.project.buckets.clear()
    rehearsed.project.apis.remove("logging.googleapis.com")
    assert asked(rehearsed, "--terraform") == MISSING
    printed = capsys.readouterr()
    assert printed.out.startswith('resource "google_project_service" "logging" {')
    assert 'resource "google_storage_bucket" "lanner" {' in printed.out
    assert printed.out.count("{") == printed.out.count("}")
    assert "BUCKET_MISSING" in printed.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--spot"], "--spot needs --machine"),
        (["--bucket", "Our_Bucket"], "bucket"),
        (["--endpoint", "storage"], "expected SERVICE=URL"),
    ],
)
def test_what_was_asked_wrongly(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["google", *arguments]) == WRONG
    assert said in capsys.readouterr().err


def test_without_settings_a_bucket_must_be_named(lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lanner / "lanner.yaml").unlink()
    assert main(["google"]) == WRONG
    assert "use --bucket" in capsys.readouterr().err


def test_without_credentials_it_says_how_to_log_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/key.json")
    assert main(["google"]) == WRONG
    assert "gcloud auth application-default login" in capsys.readouterr().err
