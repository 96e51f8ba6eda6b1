"""``python -m include.checks azure``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include import settings
from include.checks.azure import custom_vision_setup, setup
from include.checks.azure.environment import (
    SERVICES,
    management_of,
    storage_of,
    vision_account_of,
    workspace_of,
)
from include.checks.azure.machines import PRESETS
from include.checks.command import add_endpoint, endpoints_of, exit_code
from include.settings import AzureSettings, Machine, Settings

if TYPE_CHECKING:
    from include.checks.command import Clouds

TARGETS = (setup.TARGET, custom_vision_setup.TARGET)
OF_WORKSPACE = ("subscription", "resource_group", "workspace", "region")


def add_azure(clouds: Clouds) -> None:
    azure = clouds.add_parser(
        "azure",
        help="workspace, storage, clusters and quota for Azure Machine Learning; keys, tier and projects of Custom "
        "Vision",
        description="Looks as Airflow's connections say where their variables (AIRFLOW_CONN_AZURE_DEFAULT, "
        "AIRFLOW_CONN_WASB_DEFAULT, AIRFLOW_CONN_CUSTOM_VISION_DEFAULT) are set in the environment; else with the "
        "SDK's own credentials: those of `az login`, or of AZURE_CLIENT_ID and its fellows. Defaults are those of "
        "lanner.yaml.",
        epilog="Exit code: 0 nothing is missing, 1 something is, 2 it could not look at all, or not at one of the "
        "targets. What a permission kept from being looked at is listed, and does not count as missing. example: "
        "python -m include.checks azure --target azure_ml --resource-group lanner --workspace lanner --machine t4 "
        "--spot",
    )
    azure.add_argument(
        "--target",
        choices=TARGETS,
        action="append",
        help="again for both (default: those that lanner.yaml or the options name)",
    )
    azure.add_argument(
        "--subscription", help="its id (default: lanner.yaml's, the connection's, AZURE_SUBSCRIPTION_ID)"
    )
    azure.add_argument("--resource-group", help="of the workspace")
    azure.add_argument("--workspace", help="of Azure Machine Learning")
    azure.add_argument("--region", help="of the workspace")
    azure.add_argument(
        "--machine",
        action="append",
        choices=PRESETS,
        metavar="PRESET",
        help=f"on which to train: {', '.join(PRESETS)}; again for more (default: those of the targets named azure_ml)",
    )
    azure.add_argument("--spot", action="store_true", help="of --machine: may be taken away, has a quota of its own")
    add_endpoint(
        azure,
        f"where a service ({', '.join(SERVICES)}) answers instead of Azure's own, for rehearsals and private networks; "
        "again for more. The others are not asked then",
    )
    azure.set_defaults(run=check_azure)


def check_azure(options: argparse.Namespace) -> int:
    """Look at each target, and print what is missing. Returns an exit code, the worst of all."""
    current, endpoints = settings.load(), endpoints_of(options)
    if unknown := endpoints.keys() - set(SERVICES):
        raise ValueError(f"--endpoint {min(unknown)}: there are {', '.join(SERVICES)}.")
    if options.spot and not options.machine:
        raise ValueError("--spot needs --machine; the machines of lanner.yaml say so themselves.")
    looks = {setup.TARGET: check_workspace, custom_vision_setup.TARGET: check_vision}
    codes = []
    for number, target in enumerate(_targets(options, current)):
        print("\n" * (number > 0), end="")
        codes.append(looks[target](options, current, endpoints))
    return max(codes)


def check_workspace(options: argparse.Namespace, current: Settings, endpoints: Mapping[str, str]) -> int:
    """Look at the workspace of Azure Machine Learning."""
    fields: dict[str, Any] = current.azure.model_dump() if current.azure else {}
    fields |= {name: getattr(options, name) for name in OF_WORKSPACE if getattr(options, name) is not None}
    if missing := {"resource_group", "workspace"} - fields.keys():
        raise ValueError(
            f"No {' and no '.join(sorted(missing))} is named: use --resource-group and --workspace, or add a section "
            f"azure: to {settings.settings_file()}; docs/azure.md has an example."
        )
    azure = AzureSettings(**fields)
    machines = [Machine(preset=name, spot=options.spot) for name in options.machine or ()]
    clusters = setup.asked_clusters(azure, machines or current.machines(setup.TARGET))
    facts, findings = setup.look(workspace_of(azure, endpoints), azure, clusters, storage_of(azure, endpoints))
    print(setup.report(facts, findings))
    return exit_code(findings, anything_known=facts.anything_known)


def check_vision(_: argparse.Namespace, current: Settings, endpoints: Mapping[str, str]) -> int:
    """Look at the resource of Custom Vision."""
    vision = current.custom_vision
    account = vision_account_of(vision, endpoints)
    facts, findings = custom_vision_setup.look(
        account,
        vision,
        custom_vision_setup.asked_domains(current),
        current.namespace,
        management_of(current.azure, account.prediction_resource, endpoints),
    )
    print(custom_vision_setup.report(facts, findings))
    return exit_code(findings, anything_known=facts.anything_known)


def _targets(options: argparse.Namespace, current: Settings) -> list[str]:
    """Those named; else those that lanner.yaml uses, or for which there is a connection."""
    if options.target:
        return list(dict.fromkeys(options.target))
    in_use = {target for collection in current.collections.values() for target in collection.targets}
    if current.azure or any(getattr(options, name) is not None for name in OF_WORKSPACE):
        in_use.add(setup.TARGET)
    if f"AIRFLOW_CONN_{current.custom_vision.connection.upper()}" in os.environ:
        in_use.add(custom_vision_setup.TARGET)
    return [target for target in TARGETS if target in in_use] or [setup.TARGET]
