"""``python -m include.checks aws``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from include import settings
from include.checks.aws.instances import ANSWERING, AskedInstance
from include.checks.aws.setup import ANY_MACHINE, BUILTIN_TARGET, TARGET, asked_instances, look, report
from include.checks.command import add_endpoint, endpoints_of, exit_code
from include.clouds.aws_account import AwsAccount
from include.settings import AwsSettings

if TYPE_CHECKING:
    from include.checks.command import Clouds


def add_aws(clouds: Clouds) -> None:
    aws = clouds.add_parser(
        "aws",
        help="identity, role, bucket, permissions, machines and quota for SageMaker",
        description="Looks with the SDK's own credentials: those of `aws configure`, `aws sso login` or AWS_PROFILE. "
        "Airflow's connection is looked at by the DAG setup_aws. Defaults are those of lanner.yaml.",
        epilog="Exit code: 0 nothing is missing, 1 something is, 2 it could not look at all. What a permission kept "
        "from being looked at is listed, and does not count as missing. example: python -m include.checks aws --bucket "
        "our-bucket --role arn:aws:iam::123456789012:role/lanner-trainer --instance ml.g5.xlarge --spot",
    )
    aws.add_argument("--bucket", help="without s3://")
    aws.add_argument("--region", help="of the jobs and the bucket")
    aws.add_argument("--role", metavar="ARN", help="that jobs run as")
    aws.add_argument(
        "--instance",
        action="append",
        metavar="TYPE",
        help="on which to train, such as ml.g5.xlarge; again for more (default: the machines of the targets "
        f"{TARGET} and {BUILTIN_TARGET})",
    )
    aws.add_argument("--spot", action="store_true", help="of --instance: may be taken away, has a quota of its own")
    aws.add_argument("--builtin", action="store_true", help="of --instance: for SageMaker's own object detection")
    add_endpoint(
        aws,
        "where a service (s3, iam, sts, sagemaker, service-quotas, ec2 …; all: every other) answers instead of AWS's "
        "own, for rehearsals and private networks; again for more. The others are not asked then",
    )
    aws.set_defaults(run=check_aws)


def check_aws(options: argparse.Namespace) -> int:
    """Look, and print what is missing. Returns an exit code."""
    current = settings.load()
    fields: dict[str, Any] = current.aws.model_dump() if current.aws else {}
    given = {name: getattr(options, name) for name in ("bucket", "region", "role")}
    fields |= {name: value for name, value in given.items() if value is not None}
    if missing := {"bucket", "role"} - fields.keys():
        raise ValueError(
            f"No {' and no '.join(sorted(missing))} is named: use --bucket and --role, or add a section aws: to "
            f"{settings.settings_file()}; docs/aws.md has an example."
        )
    if (options.spot or options.builtin) and not options.instance:
        raise ValueError("--spot and --builtin need --instance; the machines of lanner.yaml say so themselves.")
    aws = AwsSettings(**fields)
    instances = [AskedInstance(name, options.spot, builtin=options.builtin) for name in options.instance or ()]
    instances += [ANSWERING] if options.builtin else []
    if not instances:
        instances = asked_instances(current.machines(TARGET))
        instances += asked_instances(current.machines(BUILTIN_TARGET), builtin=True)
    endpoints = {service if service != "all" else "": url for service, url in endpoints_of(options).items()}
    account = AwsAccount.of_environment(aws.region, endpoints)
    facts, findings = look(account, aws, instances or asked_instances([ANY_MACHINE]), current.namespace)
    print(report(facts, findings))
    return exit_code(findings, anything_known=facts.anything_known)
