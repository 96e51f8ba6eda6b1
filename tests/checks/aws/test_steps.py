"""The commands of docs/aws.md, run by a real shell: from nothing to an account that is ready, and back to nothing."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from include.checks.__main__ import READY, main
from include.checks.aws.access import ROLE_ACTIONS, needed, resources
from include.checks.aws.facts import AwsFacts
from include.checks.aws.instances import ENDPOINT, AskedInstance
from include.clouds.aws_account import AwsAccount
from tests.checks.aws.aws_cli import Call, read
from training_jobs import smoke

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "aws.md").read_text()
ACCOUNT, REGION, BUCKET = "123456789012", "us-east-1", "our-bucket"  # moto's account, and what the page says
FIRST, SET_UP, REMOVAL, END = (
    PAGE.index(words) for words in ("**1. ", "**6. ", "**Removing everything.**", "## What is checked")
)

# Instead of the CLI: keeps what it was called with, and says whose account it is.
RECORDER = f"""\
#!/bin/bash
printf '%s\\0' "$@" >> "$RECORD"; printf '\\n\\0' >> "$RECORD"
[ "$1" = sts ] && echo {ACCOUNT}
exit 0
"""


def blocks(begin: int, end: int) -> str:
    """The commands of a part of the page, as one script."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE[begin:end], re.DOTALL | re.MULTILINE)
    return "\n".join(text for language, text in found if language == "")


def called(script: str, folder: Path) -> list[Call]:
    """What a script calls the AWS CLI for, run by a real shell; the policies that it fills in are in the folder."""
    tools, record = folder / "tools", folder / "record"
    if not tools.exists():
        tools.mkdir()
        (tools / "aws").write_text(RECORDER)
        (tools / "aws").chmod(0o755)
        (folder / "docs").symlink_to(DOCS)
    record.write_text("")
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "RECORD": str(record), "REGION": REGION, "BUCKET": BUCKET}
    script = "\n".join(line for line in script.splitlines() if "python -m" not in line)
    subprocess.run(["bash", "-euc", script], cwd=folder, env=environment | {"ACCOUNT": ACCOUNT}, check=True)
    lines = record.read_text().split("\n\0")
    return [read(line.split("\0")[:-1], folder) for line in lines if line]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's commands run, and fill in the policies."""
    return tmp_path_factory.mktemp("aws-docs")


@pytest.fixture(scope="module")
def steps(filled: Path) -> list[Call]:
    """What the page's steps 1 to 5 call, from a user's alert to the key of whoever submits."""
    return called(blocks(FIRST, SET_UP), filled)


@pytest.fixture
def account(moto: str, monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return AwsAccount.of_environment(REGION, {"": moto})


def carry_out(calls: list[Call], account: AwsAccount) -> Iterator[dict[str, Any]]:
    for call in calls:
        if call.service == "cli":
            named = [uri.removeprefix("s3://") for uri in call.arguments["uri"]]
            operation = {"s3 mb": "create_bucket", "s3 rb": "delete_bucket"}.get(call.operation)
            if operation:
                yield account.call("s3", operation, Bucket=named[0])
        else:
            yield account.call(call.service, call.operation, **call.arguments)


def test_every_command_is_one_of_the_cli(filled: Path) -> None:
    calls = called(blocks(FIRST, END), filled)
    operations = {call.operation for call in calls}
    assert operations > {"configure", "stop_training_job", "list_endpoints", "request_service_quota_increase"}
    with pytest.raises(ValueError, match="has no --role"):
        read(["iam", "create-role", "--role", "lanner-trainer"], filled)


def test_the_steps_make_an_account_that_the_checks_find_sound(
    steps: list[Call],
    filled: Path,
    account: AwsAccount,
    moto: str,
    lanner: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = list(carry_out(steps, account))
    [key] = [answer["AccessKey"]["AccessKeyId"] for answer in answers if "AccessKey" in answer]
    [example] = re.findall(r"```yaml\n(aws:.*?)```", PAGE, re.DOTALL)
    (lanner / "lanner.yaml").write_text(example)
    assert main(["aws", "--endpoint", f"all={moto}"]) == READY, capsys.readouterr().out

    for group in ("TrainingJobs", "TransformJobs"):  # which jobs make
        account.call("logs", "create_log_group", logGroupName=f"/aws/sagemaker/{group}")
    list(carry_out(called(blocks(REMOVAL, END).replace("AKIAXXXXXXXXXXXXXXXX", key), filled), account))
    assert account.call("iam", "list_users")["Users"] == []
    assert account.call("iam", "list_groups")["Groups"] == []
    assert account.call("iam", "list_roles")["Roles"] == []
    assert account.call("s3", "list_buckets")["Buckets"] == []
    assert account.call("logs", "describe_log_groups")["logGroups"] == []


def granted(calls: list[Call], operation: str) -> list[dict[str, Any]]:
    documents = [json.loads(call.arguments["PolicyDocument"]) for call in calls if call.operation == operation]
    return [statement for document in documents for statement in document["Statement"]]


def allowed(statements: list[dict[str, Any]], action: str, resource: str) -> bool:
    def of(each: dict[str, Any]) -> list[str]:
        return each["Resource"] if isinstance(each["Resource"], list) else [each["Resource"]]

    return any(action in each["Action"] and any(fnmatchcase(resource, one) for one in of(each)) for each in statements)


@pytest.mark.parametrize("name", ["lanner", smoke.NAME])
def test_what_is_granted_suffices_for_trainings_and_for_the_smoke(name: str, steps: list[Call]) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/lanner-trainer"
    instances = (AskedInstance("ml.g5.xlarge", builtin=True),)
    instances += (AskedInstance("ml.m5.xlarge", use=ENDPOINT),) if name == "lanner" else ()
    caller = f"arn:aws:iam::{ACCOUNT}:user/lanner-airflow"
    facts = AwsFacts(REGION, BUCKET, role, instances, prefix=name, namespace=name, caller=caller)
    for principal, actions in (("put_group_policy", needed(facts)), ("put_role_policy", ROLE_ACTIONS)):
        statements = granted(steps, principal)
        for action, on in actions.items():
            assert all(allowed(statements, action, each) for each in resources(facts, on)), action
    may_delete = {
        one: allowed(granted(steps, "put_group_policy"), one, resources(facts, on)[0])
        for one, on in (("sagemaker:DeleteTrainingJob", "jobs"), ("s3:DeleteObject", "objects"))
    }
    assert set(may_delete.values()) == {name == smoke.NAME}, "only the smoke deletes, and only its own"


def test_a_groups_policies_fit_and_a_users_would_not(steps: list[Call]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: 2,048 and 5,120, without blanks."""
    documents = [call.arguments["PolicyDocument"] for call in steps if call.operation == "put_group_policy"]
    assert 2048 < sum(len(re.sub(r"\s", "", each)) for each in documents) < 5120


@pytest.mark.usefixtures("steps")
def test_no_placeholder_is_left_but_those_of_the_extras(filled: Path) -> None:
    files = list((filled / ".lanner" / "policies").rglob("*.json"))
    assert len(files) == 2 * len(list((DOCS / "policies").glob("aws-*.json")))
    for file in files:
        left = set(re.findall(r"\b[A-Z]{3,}\b", file.read_text()))
        assert left <= ({"KEY", "REPOSITORY"} if "extras" in file.name else set()), file
