"""What docs/azure.md and docs/custom_vision.md say of roles, checks, machines and settings is what the code does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from include import settings
from include.checks.__main__ import parser
from include.checks.azure import custom_vision, custom_vision_resource
from include.checks.azure.access import ACTIONS, PROVIDER, ROLE, STORAGE_ROLE
from include.checks.azure.machines import PRESETS
from include.checks.azure.rules import RULES
from include.costs.prices import PriceList, WorkerPool
from tests.standins.azure.azure_ml_service import PERMISSIONS_READ, RESOURCES_READ, Service
from training_jobs import smoke
from training_services.custom_vision.answering import PREDICTION
from training_services.custom_vision.service import ANYWHERE, COMPUTE_HOUR, STORED_IMAGES

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE, VISION = ((DOCS / name).read_text() for name in ("azure.md", "custom_vision.md"))
COMMANDS = (PAGE + VISION).replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("policy", sorted({each.policy for each in ACTIONS.values()}))
def test_a_role_holds_exactly_what_the_calls_need(policy: str) -> None:
    role = json.loads((DOCS / "policies" / policy).read_text())
    for field, on_data in (("Actions", False), ("DataActions", True)):
        wanted = [name for name, each in ACTIONS.items() if each.policy == policy and each.on_data is on_data]
        assert role[field] == sorted(wanted)
    assert (role["NotActions"], role["NotDataActions"], role["IsCustom"]) == ([], [], True)
    assert f"[`{policy}`](policies/{policy})" in PAGE


def test_the_stand_in_asks_for_no_action_that_the_roles_do_not_hold() -> None:
    nothing: Any = SimpleNamespace(workspace=None, permissions=None, resource=None)
    service = Service(nothing, cast("Any", None), nothing)
    asked = {action for _, _, action, _ in service._routes} | {PERMISSIONS_READ, RESOURCES_READ}
    asked.add(f"{PROVIDER}/workspaces/experiments/runs/read")
    not_calls = {"environments/build/action", "environments/readSecrets/action", "metadata/artifacts/write"}
    of_jobs = {f"{PROVIDER}/workspaces/{name}" for name in not_calls}
    assert asked | of_jobs == {name for name, each in ACTIONS.items() if not each.on_data}


def test_the_roles_are_those_that_the_checks_advise() -> None:
    roles = set(re.findall(r"--role \"?([A-Z][A-Za-z ]+)\"?\s", "\n".join(COMMANDS)))
    assert roles == {ROLE, STORAGE_ROLE, "Reader"}
    assert all(f"| {role} |" in PAGE for role in (ROLE, STORAGE_ROLE))


def tables(page: str) -> list[list[str]]:
    """The codes of each table of rules."""
    found = re.findall(r"^\| code \| what \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [re.findall(r"`([A-Z0-9_]+)`", "".join(row.split("|")[1] for row in rows.splitlines())) for rows in found]


def test_every_rule_is_in_its_table_and_no_other() -> None:
    assert tables(PAGE) == [[rule.code for rule in RULES]]
    of_jobs = ["EMPTY_SIDE", *(rule.code for rule in custom_vision.RULES)]
    assert tables(VISION) == [[rule.code for rule in custom_vision_resource.JOB_RULES], of_jobs]


def test_every_preset_is_in_the_table_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9]+)`[^|]*\| ([^|]+) \| (?:`lanner|$)", PAGE, re.MULTILINE))
    assert list(rows) == list(PRESETS)
    assert all(machine.vm_size in rows[name] for name, machine in PRESETS.items())


@pytest.mark.parametrize("page", [PAGE, VISION], ids=["azure", "custom_vision"])
def test_the_settings_are_valid(page: str, tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "lanner.yaml").write_text(example)
    current = settings.load(tmp_path / "lanner.yaml")
    assert {machine.preset for machine in current.machines("azure_ml")} <= set(PRESETS)
    assert {target for each in current.collections.values() for target in each.targets} > {"local"}


def test_the_checks_are_called_as_they_can_be() -> None:
    called = [line for line in COMMANDS if line.startswith("python -m include.checks")]
    assert len(called) == 3
    for line in called:
        parser().parse_args(shlex.split(line)[3:])
    options = vars(parser().parse_args(["azure"]))
    named = {name for name in re.findall(r"`--([a-z-]+)[ `]", PAGE) if name != "role"}
    assert {name for name in named if name.replace("-", "_") not in options} == set()


def test_the_smoke_is_let_through_by_the_budget_that_the_page_names() -> None:
    [budget] = re.findall(r"make smoke TARGET=custom_vision BUDGET=(\d+)", VISION)
    prices = PriceList("custom_vision")
    training = prices.job([WorkerPool(COMPUTE_HOUR)], smoke.MAX_HOURS * 3600, ANYWHERE)
    images = smoke.FOR_CUSTOM_VISION
    assert training + prices.units(PREDICTION, images) + prices.units(STORED_IMAGES, images) <= int(budget)


@pytest.mark.parametrize("page", ["azure.md", "custom_vision.md"])
def test_links_lead_to_what_there_is(page: str) -> None:
    file = DOCS / page
    links = re.findall(r"\]\(([^):#]*)(?:#([a-z0-9-]+))?\)", file.read_text())
    assert links
    for target, anchor in links:
        there = file.parent / target if target else file
        assert there.exists(), target
        headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE) if anchor else []
        slugs = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
        assert not anchor or anchor in slugs, (target, anchor)
