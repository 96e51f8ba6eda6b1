"""What docs/aws.md says of policies, checks, machines, settings and connections is what the code does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from include import settings
from include.checks.__main__ import parser
from include.checks.aws import builtin as aws_builtin
from include.checks.aws import rules as aws
from include.checks.aws.access import ACTIONS, ROLE_TRUST, SMOKE_POLICY
from include.checks.aws.machines import PRESETS
from include.costs.__main__ import main as costs
from training_services.sagemaker.builtin import BUILTIN_PRESETS
from training_services.sagemaker.cloud import AwsCloud

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "aws.md").read_text()
COMMANDS = PAGE.replace("\\\n", " ").splitlines()
[EXAMPLE] = re.findall(r"```yaml\n(aws:.*?)```", PAGE, re.DOTALL)


def test_policies_that_are_named_exist() -> None:
    named = set(re.findall(r"\baws-[a-z-]+\.json", PAGE)) | {ROLE_TRUST, SMOKE_POLICY}
    named |= {f"aws-{name}.json" for name in re.findall(r"^grant \S+ (\w+)", PAGE, re.MULTILINE)}
    assert named > {each.policy for each in ACTIONS.values()}
    assert {name for name in named if not (DOCS / "policies" / name).exists()} == set()


def tables() -> list[list[str]]:
    """The codes of each table of rules."""
    found = re.findall(r"^\| code \| what \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [re.findall(r"^\| `([A-Z0-9_]+)` \| \S", rows, re.MULTILINE) for rows in found]


def test_every_rule_is_in_its_table_and_no_other() -> None:
    assert tables() == [[rule.code for rule in aws.RULES], [rule.code for rule in aws_builtin.RULES]]


def test_the_four_that_everybody_meets_are_rules_of_the_built_in_detector() -> None:
    [rows] = re.findall(r"^\| what SageMaker says .*\n\|---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    lasts = [re.findall(r"`([A-Z0-9_]+)`", row)[-1] for row in rows.splitlines()]
    assert lasts == [rule.code for rule in aws_builtin.RULES[:4]]


def test_every_preset_is_in_the_table_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9]+)`[^|]*\| ([^|]+) \|", PAGE, re.MULTILINE))
    assert list(rows) == list(PRESETS)
    assert all(machine.instance_type in rows[name] for name, machine in PRESETS.items())
    [builtin] = re.findall(r"^\*\*Machines\*\*: (.*) of the table above", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", builtin) == sorted(BUILTIN_PRESETS, key=builtin.index)


def test_the_settings_are_valid(tmp_path: Path) -> None:
    (tmp_path / "lanner.yaml").write_text(EXAMPLE)
    current = settings.load(tmp_path / "lanner.yaml")
    assert current.require_aws().bucket == "our-bucket"
    assert {machine.preset for machine in current.machines("sagemaker")} <= set(PRESETS)
    assert {machine.preset for machine in current.machines("sagemaker_builtin")} <= set(BUILTIN_PRESETS)


def test_the_checks_and_the_prices_are_called_as_they_can_be(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line[line.index("python -m") :] for line in COMMANDS if re.match(r"(AWS_\S+ )?python -m", line)]
    checks = [shlex.split(line)[3:] for line in lines if "include.checks" in line]
    assert checks
    assert all(parser().parse_args(each) for each in checks)
    [estimate] = [shlex.split(line)[3:] for line in lines if "include.costs" in line]
    assert costs(estimate) == 0
    assert "SageMaker" in capsys.readouterr().out


def connections() -> list[dict[str, Any]]:
    exports = [line for line in COMMANDS if line.startswith("export AIRFLOW_CONN_AWS_DEFAULT=")]
    others = [{"conn_type": "aws"} | json.loads(f"{{{text}}}") for text in re.findall(r'\(`("extra": .*?)`\)', PAGE)]
    return [json.loads(shlex.split(line)[1].partition("=")[2]) for line in exports] + others


def test_airflow_understands_the_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[lanner-airflow]\naws_access_key_id = AKIAP\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    real, rehearsed, profile, _ = connections()
    keys = {}
    for name, connection in {"real": real, "rehearsed": rehearsed, "profile": profile}.items():
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        cloud = AwsCloud.of_connection("aws_default", "us-east-1")
        keys[name] = cloud.session.get_credentials().access_key
        if name == "rehearsed":
            ports = {service: int(url.rpartition(":")[2]) for service, url in cloud.endpoints.items()}
            assert ports == {"": 18860} | dict.fromkeys(("sagemaker", "sagemaker-runtime", "service-quotas"), 18880)
            assert cloud.client("s3").meta.endpoint_url == "http://127.0.0.1:18860"
        else:
            assert cloud.endpoints == {}
    assert keys == {"real": "AKIA…", "rehearsed": "rehearsal", "profile": "AKIAP"}


@pytest.mark.parametrize("page", ["aws.md", "policies/README.md"])
def test_no_link_within_the_docs_leads_to_a_heading_that_there_is_not(page: str) -> None:
    file = DOCS / page
    links = re.findall(r"\]\(([^):]*)#([a-z0-9-]+)\)", file.read_text())
    assert links
    for target, anchor in links:
        headings = re.findall(r"^#+ (.*)$", (file.parent / target if target else file).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}, (
            page,
            anchor,
        )
