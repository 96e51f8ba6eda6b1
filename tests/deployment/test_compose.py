"""docker-compose.yaml and the Dockerfiles: the specification's schema, and that all they refer to is there.

``compose-spec.json`` is the schema of https://github.com/compose-spec/compose-spec (Apache-2.0, its licence beside it),
as the package check-jsonschema 0.39.0 brings it.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
COMPOSE = PROJECT / "docker-compose.yaml"
DOCKERFILES = [PROJECT / "Dockerfile", PROJECT / "include" / "trainer" / "Dockerfile"]
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?P<default>:?[-?][^}]*)?\}")
SECRETS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "ADMIN_PASSWORD", "JWT_SECRET", "API_SECRET_KEY", "FERNET_KEY"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return YAML(typ="safe").load(COMPOSE)


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return set(listed.stdout.splitlines())


def environments(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service.get("environment", {}) for name, service in compose["services"].items()}


def airflow_services(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in compose["services"].items() if each["image"].startswith("lanner:")}


def test_it_follows_the_specification(compose: dict[str, Any]) -> None:
    validator = Draft202012Validator(json.loads((HERE / "compose-spec.json").read_text()))
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(compose)] == []
    broken = {**compose, "services": {"worker": {"imagee": "x"}}}
    assert list(validator.iter_errors(broken)), "the schema would let anything pass"


def test_the_services_that_airflow_needs_are_there(compose: dict[str, Any]) -> None:
    components = {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
    assert set(compose["services"]) == components | {"migrate", "postgres", "redis"}
    for name in components | {"postgres", "redis"}:
        assert "healthcheck" in compose["services"][name], name
        assert compose["services"][name]["restart"] == "unless-stopped"


def test_what_is_waited_for_exists_and_can_be_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
            else:
                assert (how["condition"], services[other]["restart"]) == ("service_completed_successfully", "no")
    assert set(services["migrate"]["depends_on"]) == {"postgres"}


def test_every_volume_is_declared_and_every_declared_one_used(compose: dict[str, Any]) -> None:
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", ())]
    named = {mount.partition(":")[0] for mount in mounts if isinstance(mount, str)}
    assert named == set(compose["volumes"])


def test_only_this_host_can_reach_it_and_only_the_ui(compose: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert list(ports) == ["api-server"]
    assert all(port.startswith("127.0.0.1:") for port in ports["api-server"])


def test_every_variable_is_in_the_example_and_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    example = (PROJECT / ".env.example").read_text()
    documented = dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$", example, re.MULTILINE))
    used = {found[1]: found["default"] or "" for found in VARIABLE.finditer(COMPOSE.read_text())}
    passed_on = {name for each in environments(compose).values() for name, value in each.items() if value is None}
    assert set(used) | passed_on == set(documented)
    assert {name for name in used if used[name].startswith(":?")} == SECRETS
    assert {name for name, value in documented.items() if name in SECRETS and value} == set()
    assert {name for name in used if name not in SECRETS and not used[name].startswith(":-")} == set()
    for name, default in used.items():
        assert name in SECRETS or documented[name] == default.removeprefix(":-")


def test_no_secret_is_written_into_the_files(compose: dict[str, Any]) -> None:
    for name, environment in environments(compose).items():
        for variable, value in environment.items():
            if re.search(r"PASSWORD$|SECRET|FERNET|AUTH$", variable):
                assert VARIABLE.fullmatch(value), f"{name}: {variable}"


def test_all_components_share_what_they_must(compose: dict[str, Any]) -> None:
    shared = [
        {name: value for name, value in service["environment"].items() if name != "ADMIN_PASSWORD"}
        for service in airflow_services(compose).values()
    ]
    assert len(shared) == 6
    assert all(each == shared[0] for each in shared)


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()} - {"lanner:local"}
    for file in DOCKERFILES:
        images |= set(re.findall(r"^FROM (\S+)$", file.read_text(), re.MULTILINE))
    assert len(images) == 3
    assert {image for image in images if not re.search(r":\d+\.\d+(\.\d+)?-", image)} == set()


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_what_is_copied_is_in_the_repository_and_not_ignored(file: Path) -> None:
    folder = file.parent.relative_to(PROJECT)
    copied = [
        source for line in re.findall(r"^COPY (.+)$", file.read_text(), re.MULTILINE) for source in line.split()[:-1]
    ]
    assert copied
    for source in copied:
        path = (folder / source).as_posix()
        assert any(name == path or name.startswith(f"{path}/") for name in tracked()), path
    ignore = file.parent / ".dockerignore"
    if ignore.exists():
        lines = ignore.read_text().splitlines()
        assert "*" in lines
        assert set(copied) == {line[1:] for line in lines if line.startswith("!")}


def test_the_image_does_not_run_as_root() -> None:
    assert re.findall(r"^USER (\S+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE) == ["lanner"]


def test_the_image_finds_the_code_where_it_was_copied(compose: dict[str, Any]) -> None:
    """Folders that the image names are below those that it copies; mounts go where the settings look."""
    text = (PROJECT / "Dockerfile").read_text()
    [path] = re.findall(r"PYTHONPATH=(\S+)", text)
    assert [part.removeprefix("/opt/lanner").lstrip("/") for part in path.split(":")] == [
        "",
        "plugins",
        "include/trainer/src",
    ]
    worker = compose["services"]["worker"]
    targets = {mount["target"] if isinstance(mount, dict) else mount.split(":")[1] for mount in worker["volumes"]}
    for variable in ("LANNER_HOME", "LANNER_SETTINGS", "AIRFLOW_HOME"):
        [value] = re.findall(rf"{variable}=(\S+)", text)
        assert value in targets, variable


def test_the_trainers_tensorflow_is_the_locks() -> None:
    locked = re.findall(r"^tensorflow==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert set(re.findall(r"tensorflow[\w-]*(?:\[and-cuda\])?==([\d.]+)", DOCKERFILES[1].read_text())) == set(locked)


def airflow_commands(compose: dict[str, Any]) -> list[list[str]]:
    """Commands of services and of health checks that are Airflow's."""
    commands = []
    for service in airflow_services(compose).values():
        tests = service.get("healthcheck", {}).get("test", [])
        for words in (service["command"], shlex.split(tests[1]) if tests[:1] == ["CMD-SHELL"] else tests[1:]):
            if words[:1] == ["airflow"]:
                commands.append(list(words))
    return commands


def test_every_command_is_one_of_airflows(compose: dict[str, Any]) -> None:
    from airflow.cli.cli_parser import get_parser

    commands = [command for command in airflow_commands(compose) if "celery" not in command]
    assert len(commands) == 6
    for command in commands:
        get_parser().parse_args(command[1:])


def test_every_option_is_one_of_airflows(compose: dict[str, Any]) -> None:
    from airflow.configuration import conf

    known = conf.configuration_description
    for variable in compose["services"]["worker"]["environment"]:
        section, _, key = variable.removeprefix("AIRFLOW__").lower().partition("__")
        if variable.startswith("AIRFLOW__") and section != "celery":
            assert key in known[section]["options"], variable


def test_the_migration_writes_the_password_where_airflow_looks(compose: dict[str, Any], tmp_path: Path) -> None:
    """The command itself, with something in the place of `airflow`."""
    service = compose["services"]["migrate"]
    (tmp_path / "airflow").write_text("#!/bin/sh\n")
    (tmp_path / "airflow").chmod(0o755)
    script = service["command"][-1].replace("$$", "$")
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin:/usr/local/bin",
        "AIRFLOW_HOME": str(tmp_path),
        "ADMIN_PASSWORD": 'a"b',
    }
    script = script.replace("python ", "python3 ")
    subprocess.run(["bash", "-ec", script], env=environment, check=True)
    written = tmp_path / Path(service["environment"]["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).name
    assert json.loads(written.read_text()) == {"admin": 'a"b'}
    assert written.stat().st_mode & 0o077 == 0
