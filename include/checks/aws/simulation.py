"""What a user or a role may do, asked of IAM's policy simulator, and what a role's trust policy says.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from include.checks.aws.access import SERVICE, resources
from include.checks.aws.facts import AwsFacts

PASSED_TO = {"ContextKeyName": "iam:PassedToService", "ContextKeyValues": [SERVICE], "ContextKeyType": "string"}


def look_at_actions(iam: Any, principal: str, facts: AwsFacts, actions: Mapping[str, str]) -> frozenset[str]:
    """Those of the actions that are denied.

    Args:
        principal: ARN of a user or role, whose own policies are looked at. What the bucket's policy, a service control
            policy or a boundary of a session denies besides is not all in the answer.
        actions: each with what it is done on (see ``access.resources``).
    """
    by_resource: dict[str, list[str]] = defaultdict(list)
    for action, on in actions.items():
        by_resource[on].append(action)
    denied: set[str] = set()
    for on, names in by_resource.items():
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=principal,
            ActionNames=sorted(names),
            ResourceArns=resources(facts, on),
            ContextEntries=[PASSED_TO],
        )
        for page in pages:
            for each in page["EvaluationResults"]:
                if each["EvalDecision"] != "allowed" and not each.get("MissingContextValues"):
                    denied.add(each["EvalActionName"])
    return frozenset(denied)


def principal_of(iam: Any, caller: str) -> str:
    """Whose policies count for a caller: a session's are those of its role, whose path only IAM knows."""
    kind, _, path = caller.rpartition(":")[2].partition("/")
    if kind != "assumed-role":
        return caller
    return str(iam.get_role(RoleName=path.partition("/")[0])["Role"]["Arn"])


def trusts(document: Mapping[str, Any]) -> bool:
    """Does a trust policy let SageMaker act as the role? Conditions are not looked at.

    >>> trusts({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
    ...                       "Principal": {"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}}})
    True
    """
    statements = _listed(document.get("Statement"))
    return any(
        each.get("Effect") == "Allow"
        and {"sts:AssumeRole", "sts:*", "*"}.intersection(_listed(each.get("Action")))
        and isinstance(each.get("Principal"), Mapping)
        and SERVICE in _listed(each["Principal"].get("Service"))
        for each in statements
    )


def _listed(value: Any) -> list[Any]:
    """IAM writes one thing as itself, several as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
