"""What makes a training on SageMaker fail although nothing in its data is wrong."""

from __future__ import annotations

from include.checks.aws import access as aws_access
from include.checks.aws import bucket as aws_bucket
from include.checks.aws import capacity as aws_capacity
from include.checks.aws.facts import AwsFacts
from include.checks.rule import Rule

__all__ = ["RULES", "AwsFacts"]

RULES: tuple[Rule[AwsFacts], ...] = (*aws_access.RULES, *aws_bucket.RULES, *aws_capacity.RULES)
