"""What is known of an AWS account before a job is submitted. ``gathering`` finds it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from include.checks.aws.instances import AskedInstance


@dataclass(frozen=True)
class Quota:
    """One of Service Quotas'."""

    value: float
    code: str  # "L-3F53BF0F"
    adjustable: bool = True


@dataclass(frozen=True)
class AwsFacts:
    """What the rules are asked about. None, or no entry: it could not be learned, and is not judged.

    Attributes:
        region: of the jobs and the bucket.
        bucket, prefix: the bucket's name, and what all of ours in it begins with.
        instances: on which jobs may run.
        role: that jobs run as: its ARN, or its name.
        namespace: what the names of our jobs begin with.
        caller: ARN of whoever submits; "" where AWS refused the credentials, with the reason in ``refusal``.
        bucket_region: in which the bucket lies; "" where there is none of this name.
        bucket_forbidden: may the caller not look into it, although there is one?
        role_arn: of the role, as IAM has it; "" where there is no such role.
        role_trusts: may SageMaker act as the role?
        missing: actions that the caller lacks.
        role_missing: actions that the role lacks.
        quotas: of the region, by name; of a name that Service Quotas does not know there is no entry.
        running: instances in use at this moment, by the name of their quota.
        offered: by instance type: does EC2 have it in the region?
        image, image_exists: the training image where it is one of our own, and whether the registry has it.
        kms_key, kms_state: a key that is to be used, and its state ("Enabled"; "" where there is none).
        network: subnets and security groups that jobs are to use.
        network_missing: those of them that there are not.
        unknown: what could not be learned, each with the reason.
    """

    region: str
    bucket: str
    role: str
    instances: tuple[AskedInstance, ...] = ()
    prefix: str = "lanner"
    namespace: str = "lanner"
    caller: str | None = None
    refusal: str = ""
    bucket_region: str | None = None
    bucket_forbidden: bool = False
    role_arn: str | None = None
    role_trusts: bool | None = None
    missing: frozenset[str] | None = None
    role_missing: frozenset[str] | None = None
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)
    offered: Mapping[str, bool] = field(default_factory=dict)
    image: str = ""
    image_exists: bool | None = None
    kms_key: str = ""
    kms_state: str | None = None
    network: tuple[str, ...] = ()
    network_missing: frozenset[str] | None = None
    unknown: tuple[str, ...] = ()

    @property
    def account(self) -> str:
        """The caller's account, twelve digits; "ACCOUNT" where it is not known."""
        parts = (self.caller or "").split(":")
        return parts[4] if len(parts) > 4 else "ACCOUNT"

    @property
    def trains_builtin(self) -> bool:
        """Is AWS's own detector among what is to be trained?"""
        return any(asked.builtin for asked in self.instances)

    @property
    def role_name(self) -> str:
        return self.role.rpartition("/")[2]

    @property
    def anything_known(self) -> bool:
        """Was anything learned at all? If not, the credentials or the network are at fault, and no rule has spoken."""
        looked = (self.caller or None, self.bucket_region, self.role_arn)
        return any(each is not None for each in looked) or bool(self.quotas or self.offered)
