"""Who needs which action for a training on SageMaker, and the rules about it.

``ACTIONS`` names every action that our calls need, and no other; docs/policies has the documents made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from include.checks.aws.capacity import ECR
from include.checks.aws.facts import AwsFacts
from include.checks.aws.instances import ENDPOINT
from include.checks.rule import Fault, Rule

SERVICE = "sagemaker.amazonaws.com"
AWS_CONTAINERS = "763104351884"  # whose registry has AWS's containers, in most regions
LOGS = "/aws/sagemaker"  # what the names of SageMaker's log groups begin with

# Documents in docs/policies.
USER_POLICY, BUILTIN_POLICY, CHECKS_POLICY = "aws-submit.json", "aws-builtin.json", "aws-checks.json"
ENDPOINT_POLICY, SMOKE_POLICY = "aws-endpoint.json", "aws-smoke.json"
ROLE_POLICY, ROLE_TRUST, ROLE_EXTRAS = "aws-job-role.json", "aws-job-role-trust.json", "aws-job-role-extras.json"


@dataclass(frozen=True)
class Action:
    """One action of whoever submits.

    Attributes:
        on: "jobs", "models", "transforms", "endpoints" (and their configurations), "bucket", "objects", "answers"
            (objects that are removed again), "role", "logs", or "all" where AWS knows no resource.
        calls: our calls that need it, by service and operation.
        policy: the document that grants it.
        elsewhere: other documents that do, each with what it is done on there.
    """

    on: str
    calls: tuple[str, ...]
    policy: str = USER_POLICY
    elsewhere: tuple[tuple[str, str], ...] = ()


def _each(policy: str, on: str, *operations: str) -> dict[str, Action]:
    """Actions that are called as the operations that need them, which is the rule."""
    return {name: Action(on, (name.replace(":", "."),), policy) for name in operations}


_MODEL, _TRANSFORM = "sagemaker:{}Model", "sagemaker:{}TransformJob"
ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        **_each(
            USER_POLICY,
            "jobs",
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob",
        ),
        "sagemaker:AddTags": Action("jobs", ("sagemaker.CreateTrainingJob",)),
        "sagemaker:ListTrainingJobs": Action("all", ("sagemaker.ListTrainingJobs",)),
        "iam:PassRole": Action("role", ("sagemaker.CreateTrainingJob", "sagemaker.CreateModel")),
        "s3:ListBucket": Action("bucket", ("s3.ListObjectsV2", "s3.HeadBucket")),
        "s3:GetObject": Action("objects", ("s3.GetObject", "s3.HeadObject")),
        "s3:PutObject": Action(
            "objects", ("s3.PutObject", "s3.CreateMultipartUpload", "s3.UploadPart", "s3.CompleteMultipartUpload")
        ),
        "s3:AbortMultipartUpload": Action("objects", ("s3.AbortMultipartUpload",)),
        "logs:FilterLogEvents": Action("logs", ("logs.FilterLogEvents",)),
        **_each(BUILTIN_POLICY, "models", *(_MODEL.format(verb) for verb in ("Create", "Delete"))),
        **_each(BUILTIN_POLICY, "transforms", *(_TRANSFORM.format(verb) for verb in ("Create", "Describe", "Stop"))),
        **_each(
            ENDPOINT_POLICY,
            "endpoints",
            "sagemaker:CreateEndpointConfig",
            "sagemaker:DeleteEndpointConfig",
            "sagemaker:CreateEndpoint",
            "sagemaker:DescribeEndpoint",
            "sagemaker:DeleteEndpoint",
        ),
        "sagemaker:InvokeEndpoint": Action("endpoints", ("sagemaker-runtime.InvokeEndpoint",), ENDPOINT_POLICY),
        **_each(SMOKE_POLICY, "jobs", "sagemaker:DeleteTrainingJob"),
        **_each(
            SMOKE_POLICY,
            "all",
            "sagemaker:ListTransformJobs",
            "sagemaker:ListEndpoints",
            "sagemaker:ListEndpointConfigs",
            "sagemaker:ListModels",
        ),
        "s3:DeleteObject": Action("answers", ("s3.DeleteObjects",), BUILTIN_POLICY, ((SMOKE_POLICY, "objects"),)),
        **_each(CHECKS_POLICY, "role", "iam:GetRole"),
        **_each(
            CHECKS_POLICY,
            "all",
            "iam:SimulatePrincipalPolicy",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeSubnets",
            "ec2:DescribeSecurityGroups",
            "ecr:DescribeImages",
            "kms:DescribeKey",
        ),
        "servicequotas:ListServiceQuotas": Action("all", ("service-quotas.ListServiceQuotas",), CHECKS_POLICY),
        "servicequotas:ListAWSDefaultServiceQuotas": Action(
            "all", ("service-quotas.ListAWSDefaultServiceQuotas",), CHECKS_POLICY
        ),
    }
)
FREE_CALLS = frozenset({"sts.GetCallerIdentity"})  # that need no permission

# What the job itself does. It is the role that fetches the image, AWS's TensorFlow container, too; only those of the
# built-in algorithms are fetched by AWS itself.
# https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createtrainingjob-perms
# https://github.com/aws/deep-learning-containers/issues/759
ROLE_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "s3:ListBucket": "bucket",
        "s3:GetObject": "objects",
        "s3:PutObject": "objects",
        "logs:CreateLogGroup": "logs",
        "logs:CreateLogStream": "logs",
        "logs:DescribeLogStreams": "logs",
        "logs:PutLogEvents": "logs",
        "cloudwatch:PutMetricData": "all",
        "ecr:GetAuthorizationToken": "all",
        "ecr:BatchCheckLayerAvailability": "image",
        "ecr:GetDownloadUrlForLayer": "image",
        "ecr:BatchGetImage": "image",
    }
)


def needed(facts: AwsFacts) -> Mapping[str, str]:
    """The actions without which nothing of what is asked for runs, each with what it is done on."""
    policies = {USER_POLICY, *([BUILTIN_POLICY] if facts.trains_builtin else [])}
    if any(asked.use == ENDPOINT for asked in facts.instances):
        policies |= {BUILTIN_POLICY, ENDPOINT_POLICY}
    return {name: each.on for name, each in ACTIONS.items() if each.policy in policies}


def resources(facts: AwsFacts, on: str) -> list[str]:
    """ARNs of what an action is done on."""
    partition = partition_of(facts.region)
    sagemaker = f"arn:{partition}:sagemaker:{facts.region}:{facts.account}"
    role = facts.role_arn or f"arn:{partition}:iam::{facts.account}:role/{facts.role_name}"
    return {
        "jobs": [f"{sagemaker}:training-job/{facts.namespace}-check"],
        "models": [f"{sagemaker}:model/{facts.namespace}-check"],
        "transforms": [f"{sagemaker}:transform-job/{facts.namespace}-check"],
        "endpoints": [f"{sagemaker}:{kind}/{facts.namespace}-check" for kind in ("endpoint", "endpoint-config")],
        "bucket": [f"arn:{partition}:s3:::{facts.bucket}"],
        "objects": [f"arn:{partition}:s3:::{facts.bucket}/{facts.prefix}/check"],
        "answers": [f"arn:{partition}:s3:::{facts.bucket}/{facts.prefix}/predictions/check"],
        "role": [role],
        "image": [f"arn:{partition}:ecr:{facts.region}:{_repository(facts.image)}"],
        "logs": [f"arn:{partition}:logs:{facts.region}:{facts.account}:log-group:{LOGS}/TrainingJobs:log-stream:check"],
        "all": ["*"],
    }[on]


def _repository(image: str) -> str:
    """ECR's repository of an image, with the account whose it is; without an image of our own, AWS's for TensorFlow.

    >>> _repository("123456789012.dkr.ecr.eu-west-1.amazonaws.com/lanner/trainer:1")
    '123456789012:repository/lanner/trainer'
    """
    found = ECR.fullmatch(image)
    if not found:
        return f"{AWS_CONTAINERS}:repository/tensorflow-training"
    return f"{found['account']}:repository/{found['image'].partition('@')[0].partition(':')[0]}"


def partition_of(region: str) -> str:
    """
    >>> partition_of("cn-north-1"), partition_of("us-gov-west-1"), partition_of("eu-west-1")
    ('aws-cn', 'aws-us-gov', 'aws')
    """
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")


def _identity(facts: AwsFacts) -> Iterable[Fault]:
    if facts.caller == "":
        yield Fault(
            f"AWS does not accept the credentials: {facts.refusal}",
            "Log in anew: aws sso login, or aws configure; then look who you are: aws sts get-caller-identity. For "
            "Airflow put the new keys into its connection.",
        )


def _missing(facts: AwsFacts) -> Iterable[Fault]:
    by_policy: dict[str, list[str]] = {}
    for name in sorted(facts.missing or ()):
        by_policy.setdefault(ACTIONS[name].policy, []).append(name)
    for policy, names in by_policy.items():
        yield Fault(
            f"{facts.caller} lacks {', '.join(names)}.",
            f"Grant it: {_attach(facts, policy)} (its placeholders filled in).",
        )


def _role(facts: AwsFacts) -> Iterable[Fault]:
    name = facts.role_name
    if facts.role_arn == "":
        yield Fault(
            f"There is no role {name}, which jobs are to run as (aws.role).",
            f"Make it: aws iam create-role --role-name {name} --assume-role-policy-document "
            f"file://docs/policies/{ROLE_TRUST} && {_put_role_policy(name)}",
        )
    if facts.role_trusts is False:
        yield Fault(
            f"SageMaker may not act as the role {name}: {SERVICE} is not in its trust policy, and the job would be "
            'refused ("Could not assume role").',
            f"Let it: aws iam update-assume-role-policy --role-name {name} --policy-document "
            f"file://docs/policies/{ROLE_TRUST}",
        )


def _role_missing(facts: AwsFacts) -> Iterable[Fault]:
    missing = set(facts.role_missing or ())
    remedy = f"Grant it: {_put_role_policy(facts.role_name)} (its placeholders filled in)."
    if "s3:ListBucket" in missing:
        yield Fault(
            f"Jobs would run as {facts.role_name}, which lacks s3:ListBucket on {facts.bucket}. SageMaker then says "
            '"No S3 objects found under S3 URL", although they are there.',
            remedy,
        )
    if rest := sorted(missing - {"s3:ListBucket"}):
        if facts.image and "ecr:BatchGetImage" in rest:
            remedy += f" {facts.image} needs the statement OwnImage of docs/policies/{ROLE_EXTRAS} besides."
        yield Fault(f"Jobs would run as {facts.role_name}, which lacks {', '.join(rest)}.", remedy)


def _put_role_policy(name: str) -> str:
    return (
        f"aws iam put-role-policy --role-name {name} --policy-name lanner-job "
        f"--policy-document file://docs/policies/{ROLE_POLICY}"
    )


def _attach(facts: AwsFacts, policy: str) -> str:
    """The command that gives the caller a policy, as a user or as a role."""
    kind, _, path = (facts.caller or "").rpartition(":")[2].partition("/")
    if kind == "assumed-role":
        who = f"put-role-policy --role-name {path.partition('/')[0]}"
    else:
        who = f"put-user-policy --user-name {path.rpartition('/')[2] or 'USER'}"
    name = policy.removesuffix(".json").replace("aws-", "lanner-")
    return f"aws iam {who} --policy-name {name} --policy-document file://docs/policies/{policy}"


_ROLES = "https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html"
RULES: tuple[Rule[AwsFacts], ...] = (
    Rule("IDENTITY", "https://docs.aws.amazon.com/cli/latest/reference/sts/get-caller-identity.html", _identity),
    Rule(
        "PERMISSION_MISSING", "https://docs.aws.amazon.com/sagemaker/latest/dg/api-permissions-reference.html", _missing
    ),
    Rule("ROLE", f"{_ROLES}#sagemaker-roles-create-execution-role", _role),
    Rule("ROLE_PERMISSION", f"{_ROLES}#sagemaker-roles-createtrainingjob-perms", _role_missing),
)
