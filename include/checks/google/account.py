"""Finds out whether jobs can run as the service account of lanner.yaml, from the policies that name it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from include.checks.google.access import AGENT_ROLE, JOB_ROLE, home_of
from include.clouds.google_project import GoogleProject

ENOUGH_ON_BUCKET = frozenset({JOB_ROLE, "roles/storage.objectAdmin", "roles/storage.admin"})
ENOUGH_OF_AGENT = frozenset({AGENT_ROLE, "roles/aiplatform.serviceAgent"})
# Of these it is known that, alone or together, they do not let a job write over its checkpoints, nor an agent act.
NOT_ENOUGH = frozenset(
    {
        "roles/storage.objectViewer",
        "roles/storage.objectCreator",
        "roles/storage.legacyBucketReader",
        "roles/logging.logWriter",
        "roles/logging.viewer",
        "roles/monitoring.metricWriter",
        "roles/artifactregistry.reader",
        "roles/aiplatform.user",
        "roles/aiplatform.viewer",
        "roles/iam.serviceAccountUser",
    }
)
Policy = Mapping[str, Any]
Learn = Callable[[str, Callable[[], Any]], Any]


@dataclass(frozen=True)
class AccountFacts:
    """As in ``GoogleFacts``, and which buckets it may use, by their names; None: not known."""

    exists: bool | None = None
    uses: Mapping[str, bool | None] = field(default_factory=dict)
    agent: str = ""
    agent_acts: bool | None = None


def look_at_account(project: GoogleProject, buckets: Iterable[str], account: str, learn: Learn) -> AccountFacts:
    """What is known of the account that jobs run as.

    Args:
        buckets: that it is to use.
        learn: runs a look; None, and a note, if that fails.
    """
    exists = learn("the service account", lambda: _exists(project, account))
    if not exists:
        return AccountFacts(exists)
    on_project = learn("the project's policy", lambda: _project_policy(project))
    on_account = learn("the service account's policy", lambda: _account_policy(project, account))
    agent = learn("the project's number", lambda: _agent(project)) or ""
    at_home = home_of(account, project.project) == project.project
    acts = holds(agent, ENOUGH_OF_AGENT, [on_account, *([on_project] if at_home else [])]) if agent else None
    uses: dict[str, bool | None] = {}
    for bucket in buckets:
        on_bucket = learn(f"the policy of gs://{bucket}", partial(_bucket_policy, project, bucket))
        uses[bucket] = holds(account, ENOUGH_ON_BUCKET, [on_bucket, on_project])
    answers = {f"whether {account} may use gs://{bucket}": answer for bucket, answer in uses.items()}
    for what, answer in (answers | {"whether Vertex AI's agent may act": acts}).items():
        if answer is None:
            learn(what, _undecided)
    return AccountFacts(exists, uses, agent, acts)


def holds(account: str, enough: Collection[str], policies: Iterable[Policy | None]) -> bool | None:
    """Does an account hold one of some roles by any of these policies? None: they do not tell.

    They do not where one of them could not be read, where the account has a role whose permissions are not known here
    (a custom one), or where a role that is enough is bound to a group, or under a condition.
    """
    undecided = False
    for policy in policies:
        if policy is None:
            undecided = True
            continue
        for binding in policy.get("bindings", ()):
            role, members = binding["role"], binding.get("members", ())
            named = f"serviceAccount:{account}" in members
            if named and role in enough and not binding.get("condition"):
                return True
            if named and role not in NOT_ENOUGH:
                undecided = True
            if role in enough and any(_is_collective(member) for member in members):
                undecided = True
    return None if undecided else False


def _is_collective(member: str) -> bool:
    return not member.startswith(("user:", "serviceAccount:", "deleted:", "projectOwner:", "projectViewer:"))


def _undecided() -> None:
    raise LookupError(
        "the policies that can be read do not tell (custom roles, groups, conditions, or one that cannot be read)"
    )


def _exists(project: GoogleProject, account: str) -> bool:
    accounts = project.discovered("iam", "v1").projects().serviceAccounts()
    home = home_of(account, project.project)
    try:
        project.call(accounts.get(name=f"projects/{home}/serviceAccounts/{account}"))
    except FileNotFoundError:
        return False
    return True


def _project_policy(project: GoogleProject) -> Policy:
    projects = project.discovered("cloudresourcemanager", "v3").projects()
    body = {"options": {"requestedPolicyVersion": 3}}
    return project.call(projects.getIamPolicy(resource=f"projects/{project.project}", body=body))


def _bucket_policy(project: GoogleProject, bucket: str) -> Policy:
    policy = project.storage.bucket(bucket).get_iam_policy(requested_policy_version=3, timeout=30)
    return {"bindings": policy.bindings}


def _account_policy(project: GoogleProject, account: str) -> Policy:
    accounts = project.discovered("iam", "v1").projects().serviceAccounts()
    resource = f"projects/{home_of(account, project.project)}/serviceAccounts/{account}"
    return project.call(accounts.getIamPolicy(resource=resource, options_requestedPolicyVersion=3))


def _agent(project: GoogleProject) -> str:
    """The account by which Vertex AI starts jobs in this project."""
    projects = project.discovered("cloudresourcemanager", "v3").projects()
    number = project.call(projects.get(name=f"projects/{project.project}"))["name"].rpartition("/")[2]
    return f"service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
