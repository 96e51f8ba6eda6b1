"""The documents of docs/policies allow what the code does, and no more."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from include.checks.aws import access as aws_access
from include.checks.aws.access import ACTIONS, FREE_CALLS, ROLE_ACTIONS, ROLE_POLICY, ROLE_TRUST
from include.checks.aws.simulation import trusts

POLICIES = Path(__file__).resolve().parents[3] / "docs" / "policies"
WHERE = {  # what an action is done on, as the documents name it
    "jobs": "training-job/NAMESPACE-*",
    "models": "model/NAMESPACE-*",
    "transforms": "transform-job/NAMESPACE-*",
    "endpoints": ("endpoint/NAMESPACE-*", "endpoint-config/NAMESPACE-*"),
    "bucket": "arn:aws:s3:::BUCKET",
    "objects": "arn:aws:s3:::BUCKET/PREFIX/*",
    "answers": "arn:aws:s3:::BUCKET/PREFIX/predictions/*",
    "role": "role/ROLE",
    "logs": "log-group:/aws/sagemaker/*",
    "image": "repository/tensorflow-training",
    "all": "*",
}


def statements(name: str) -> list[dict[str, Any]]:
    document = json.loads((POLICIES / name).read_text())
    assert document["Version"] == "2012-10-17"
    assert all(each["Effect"] == "Allow" for each in document["Statement"])
    return list(document["Statement"])


def granted(name: str) -> dict[str, Any]:
    """Where a document allows each of its actions: a resource, or several."""
    return {action: each["Resource"] for each in statements(name) for action in each["Action"]}


def is_about(resource: Any, on: str) -> bool:
    several = isinstance(resource, list)
    found, expected = (resource, WHERE[on]) if several else ([resource], [WHERE[on]])
    return len(found) == len(expected) and all(map(str.endswith, found, expected))


@pytest.mark.parametrize("policy", sorted({each.policy for each in ACTIONS.values()}))
def test_a_policy_holds_exactly_what_the_calls_need_where_they_need_it(policy: str) -> None:
    wanted = {name: each.on for name, each in ACTIONS.items() if each.policy == policy}
    wanted |= {name: dict(each.elsewhere)[policy] for name, each in ACTIONS.items() if policy in dict(each.elsewhere)}
    found = granted(policy)
    assert found.keys() == wanted.keys()
    for name, on in wanted.items():
        assert is_about(found[name], on), name


def test_the_jobs_role_holds_exactly_what_a_job_does() -> None:
    found = granted(ROLE_POLICY)
    assert found.keys() == ROLE_ACTIONS.keys()
    for name, on in ROLE_ACTIONS.items():
        assert is_about(found[name], on), name
    [trust] = json.loads((POLICIES / ROLE_TRUST).read_text())["Statement"]
    assert trusts({"Statement": trust})


def test_the_role_is_handed_over_to_sagemaker_alone() -> None:
    [statement] = [each for each in statements(aws_access.USER_POLICY) if "iam:PassRole" in each["Action"]]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": aws_access.SERVICE}}


def test_no_policy_has_a_wildcard_action_and_everything_only_where_aws_knows_no_resource() -> None:
    for path in POLICIES.glob("aws-*.json"):
        for each in json.loads(path.read_text())["Statement"]:
            assert not any(
                "*" in action for action in ([each["Action"]] if path.name == ROLE_TRUST else each["Action"])
            )
    everywhere = {name for name, where in granted(aws_access.USER_POLICY).items() if where == "*"}
    assert everywhere == {"sagemaker:ListTrainingJobs"}


def test_every_document_is_in_the_table() -> None:
    named = re.findall(r"^\| `(aws-[a-z-]+\.json)` \|", (POLICIES / "README.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in POLICIES.glob("aws-*.json"))


def test_calls_are_calls_that_there_are() -> None:
    from botocore.session import get_session

    session = get_session()
    for call in {call for each in ACTIONS.values() for call in each.calls} | FREE_CALLS:
        service, _, operation = call.partition(".")
        assert operation in session.get_service_model(service).operation_names, call
