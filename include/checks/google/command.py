"""``python -m include.checks google``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from include import settings
from include.checks.command import add_endpoint, endpoints_of, exit_code
from include.checks.google.machines import PRESETS
from include.checks.google.setup import asked_machines, look, make_missing_buckets, report
from include.clouds.google_project import GoogleProject
from include.settings import GoogleSettings, Machine

if TYPE_CHECKING:
    from include.checks.command import Clouds


def add_google(clouds: Clouds) -> None:
    google = clouds.add_parser(
        "google",
        help="APIs, buckets, permissions, service account, machines and quota for Vertex AI",
        description="Looks with the SDK's own credentials: those of `gcloud auth application-default login`, or of the "
        "key file that GOOGLE_APPLICATION_CREDENTIALS names. Airflow's connection is looked at by the DAG setup_google."
        " Defaults are those of lanner.yaml.",
        epilog="Exit code: 0 nothing is missing, 1 something is, 2 it could not look at all. What a permission or an "
        "API that is off kept from being looked at is listed, and does not count as missing. "
        "examples: python -m include.checks google --bucket our-bucket --machine t4 --spot     "
        "python -m include.checks google --terraform > missing.tf",
    )
    google.add_argument("--project", help="its id (default: google.project in lanner.yaml, else the credentials')")
    google.add_argument("--bucket", help="without gs://; those of other regions stand in lanner.yaml alone")
    google.add_argument("--region", help="of the jobs and the bucket")
    google.add_argument("--service-account", metavar="EMAIL", help="that jobs run as")
    google.add_argument(
        "--machine",
        action="append",
        choices=PRESETS,
        help=f"on which to train: {', '.join(PRESETS)}; again for more (default: those of the targets named vertex)",
        metavar="PRESET",
    )
    google.add_argument("--spot", action="store_true", help="of --machine: may be taken away, has quotas of its own")
    google.add_argument("--create-bucket", action="store_true", help="make each bucket that there is not")
    google.add_argument(
        "--terraform", action="store_true", help="print what is missing as Terraform; all else goes to standard error"
    )
    add_endpoint(
        google,
        "where a service answers instead of Google's own, for rehearsals and private networks; again for more. The "
        "others are not asked then",
    )
    google.set_defaults(run=check_google)


def check_google(options: argparse.Namespace) -> int:
    """Look, make buckets if asked to, and print what is missing. Returns an exit code."""
    google, machines = _asked(options)
    project = GoogleProject.of_environment(google.project, endpoints_of(options))
    talk = sys.stderr if options.terraform else sys.stdout
    asked = asked_machines(google, machines)
    facts, findings = look(project, google, asked)
    if options.create_bucket and make_missing_buckets(project, facts, lambda words: print(words, file=talk)):
        facts, findings = look(project, google, asked)
    print(report(facts, findings), file=talk)
    if options.terraform:
        print("\n\n".join(dict.fromkeys(finding.terraform for finding in findings if finding.terraform)))
    return exit_code(findings, anything_known=facts.anything_known)


def _asked(options: argparse.Namespace) -> tuple[GoogleSettings, list[Machine]]:
    """lanner.yaml's settings, and on top of them the command line's."""
    current = settings.load()
    fields = current.google.model_dump() if current.google else {}
    given = {name: getattr(options, name) for name in ("project", "bucket", "region", "service_account")}
    if options.region in (buckets := fields.get("buckets", {})):  # that bucket is the one at home then
        fields["bucket"], buckets[fields["region"]] = buckets.pop(options.region), fields["bucket"]
    fields |= {name: value for name, value in given.items() if value is not None}
    if "bucket" not in fields:
        raise ValueError(
            f"No bucket is named: use --bucket, or add a section google: to {settings.settings_file()}; docs/google.md "
            "has an example."
        )
    if options.spot and not options.machine:
        raise ValueError("--spot needs --machine; the machines of lanner.yaml say so themselves.")
    machines = [Machine(preset=name, spot=options.spot) for name in options.machine or ()]
    return GoogleSettings(**fields), machines or current.machines("vertex")
