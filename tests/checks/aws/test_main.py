"""``python -m include.checks aws`` with boto3's own credentials, clients and calls, against moto over HTTP."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from include.checks.__main__ import MISSING, READY, WRONG, main
from include.clouds.aws_account import AwsAccount
from tests.checks.conftest import TRUST

BUCKET, REGION = "our-bucket", "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/trainer"
SETTINGS = f"""\
aws: {{bucket: {BUCKET}, region: {REGION}, role: '{ROLE}'}}
collections:
  digits: {{source: images, targets: {{sagemaker: {{machines: [{{preset: cpu}}]}}}}}}
"""


@pytest.fixture(autouse=True)
def settings(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lanner / "lanner.yaml").write_text(SETTINGS)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def account(moto: str) -> AwsAccount:
    """In which there are bucket and role."""
    account = AwsAccount.of_environment(REGION, {"": moto})
    account.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    account.client("iam").create_role(RoleName="trainer", AssumeRolePolicyDocument=json.dumps(TRUST))
    return account


def codes(printed: str) -> list[str]:
    return re.findall(r"^([A-Z_]+): ", printed, re.MULTILINE)


def test_a_sound_account_is_ready(account: AwsAccount, moto: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aws", "--endpoint", f"all={moto}"]) == READY
    printed = capsys.readouterr().out
    assert re.search(r"^arn:aws:sts::123456789012:\S+, bucket our-bucket, region eu-west-1, machines: ml\.m5", printed)
    assert "Not checked:" in printed  # moto has neither SageMaker's quotas nor a policy simulator
    assert re.search(r"Nothing is missing, \d could not be checked\.\n$", printed)


def test_everything_that_is_missing_is_said_at_once(moto: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["aws", "--instance", "ml.m5.2xlarge", "--instance", "ml.g5.tiny", "--builtin"]
    assert main([*command, "--endpoint", f"all={moto}"]) == MISSING
    printed = capsys.readouterr().out
    assert codes(printed) == [
        "ROLE",
        "BUCKET_MISSING",
        "INSTANCE_UNKNOWN",
        "INSTANCE_NOT_OFFERED",
        "INSTANCE_FOR_BUILTIN",
    ]
    assert f"aws s3 mb s3://{BUCKET} --region {REGION}" in printed


def test_where_nothing_can_be_looked_at_it_does_not_say_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aws", "--endpoint", "s3=http://127.0.0.1:9"]) == WRONG
    assert "Not checked:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--spot"], "--spot and --builtin need --instance"),
        (["--bucket", "Our_Bucket"], "bucket"),
        (["--endpoint", "s3"], "expected SERVICE=URL"),
    ],
)
def test_what_was_asked_wrongly(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aws", *arguments]) == WRONG
    assert said in capsys.readouterr().err


def test_without_settings_bucket_and_role_must_be_named(lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lanner / "lanner.yaml").unlink()
    assert main(["aws"]) == WRONG
    assert "No bucket and no role is named: use --bucket and --role" in capsys.readouterr().err
