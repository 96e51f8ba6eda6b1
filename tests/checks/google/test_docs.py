"""What docs/google.md says of permissions, checks, machines, settings and connections is what the code does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from include import settings
from include.checks.__main__ import parser
from include.checks.google.access import JOB_ROLE, PERMISSIONS, needed
from include.checks.google.machines import PRESETS
from include.checks.google.rules import APIS, RULES
from tests.checks.conftest import ID, Rehearsed
from training_services.vertex.cloud import GoogleCloud

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "google.md").read_text()
COMMANDS = PAGE.replace("\\\n", " ").splitlines()


def custom_roles() -> dict[str, set[str]]:
    found = re.findall(r"gcloud iam roles create (\w+) .*?--permissions=(\S+)", PAGE, re.DOTALL)
    return {name: set(permissions.split(",")) for name, permissions in found}


def test_the_custom_roles_hold_exactly_what_the_calls_need() -> None:
    assert custom_roles() == {
        "lannerJobs": needed("project"),
        "lannerFiles": needed("bucket"),
        "lannerChecks": {name for name, permission in PERMISSIONS.items() if permission.looks},
    }
    assert needed("account") == {"iam.serviceAccounts.actAs"}, "the docs name this one alone"


def test_the_predefined_roles_are_those_that_the_checks_advise() -> None:
    granted = {
        (where, role)
        for where, member, role in re.findall(
            r"gcloud (projects|storage buckets|iam service-accounts) add-iam-policy-binding .*?--member=(\S+)\s+"
            r"--role=(roles/\S+)",
            "\n".join(COMMANDS),
        )
        if member == "$AIRFLOW"
    }
    where = {"project": "projects", "bucket": "storage buckets", "account": "iam service-accounts"}
    assert granted == {(where[each.on], each.role) for each in PERMISSIONS.values() if not each.looks}
    assert f"--member=serviceAccount:$TRAINER    --role={JOB_ROLE}" in "\n".join(COMMANDS)


def test_the_apis_are_those_that_are_checked() -> None:
    [enabled] = [line for line in COMMANDS if line.startswith("gcloud services enable aiplatform")]
    assert set(enabled.split()) & set(APIS) == set(APIS)


def test_every_rule_is_in_the_table_and_no_other() -> None:
    assert re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE) == [rule.code for rule in RULES]


def test_every_preset_is_in_the_table_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9]+)`[^|]*\| ([^|]+) \|", PAGE, re.MULTILINE))
    assert list(rows) == list(PRESETS)
    assert all(machine.is_tpu or machine.machine_type in rows[name] for name, machine in PRESETS.items())


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL), ids=["one", "two regions"])
def test_the_settings_are_valid(example: str, tmp_path: Path) -> None:
    (tmp_path / "lanner.yaml").write_text(example)
    current = settings.load(tmp_path / "lanner.yaml")
    google = current.require_google()
    assert {machine.preset for machine in current.machines("vertex")} <= set(PRESETS)
    assert all(google.bucket_in(machine.region or google.region) for machine in current.machines("vertex"))


def test_the_checks_are_called_as_they_can_be() -> None:
    called = [line for line in COMMANDS if line.startswith("python -m include.checks")]
    assert called
    for line in called:
        parser().parse_args(shlex.split(line)[3:])
    options = vars(parser().parse_args(["google"]))
    named = set(re.findall(r"`--([a-z-]+)`", PAGE))
    assert {name for name in named if name.replace("-", "_") not in options} == set()


def connections() -> list[dict[str, object]]:
    exports = [line for line in COMMANDS if line.startswith("export AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT=")]
    return [json.loads(shlex.split(line)[1].partition("=")[2]) for line in exports]


@pytest.mark.parametrize("number", [0, 1], ids=["real", "rehearsed"])
def test_airflow_understands_the_connections(
    number: int, rehearsed: Rehearsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connections()[number]
    extra = connection["extra"]
    assert isinstance(extra, dict)
    if "key_path" in extra:
        extra["key_path"] = str(tmp_path / "key.json")  # which the project's fixture has made
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))
    cloud = GoogleCloud.of_connection("google_cloud_default")
    assert cloud.project == extra["project"]
    assert cloud.endpoints == extra.get("endpoints", {})
    assert cloud.caller == (f"airflow@{ID}.iam.gserviceaccount.com" if "key_path" in extra else "")


@pytest.mark.parametrize("page", ["google.md", "aws.md", "policies/README.md", "from_the_chapter.md", "deployment.md"])
def test_linked_files_exist(page: str) -> None:
    links = set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (DOCS / page).read_text()))
    assert links
    assert {link for link in links if not ((DOCS / page).parent / link).exists()} == set()
