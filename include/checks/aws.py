"""What makes a training on SageMaker fail although nothing in its data is wrong."""

from __future__ import annotations

from include.checks import aws_access, aws_bucket, aws_capacity
from include.checks.aws_facts import AwsFacts
from include.checks.rule import Rule

__all__ = ["RULES", "AwsFacts"]

RULES: tuple[Rule[AwsFacts], ...] = (*aws_access.RULES, *aws_bucket.RULES, *aws_capacity.RULES)
