"""What makes a training on Azure Machine Learning fail although nothing in its data is wrong."""

from __future__ import annotations

from include.checks.azure import access, clusters, workspace
from include.checks.azure.facts import WorkspaceFacts
from include.checks.rule import Rule

__all__ = ["JOB_RULES", "RULES", "WorkspaceFacts"]

JOB_RULES: tuple[Rule[WorkspaceFacts], ...] = (*access.RULES, *workspace.RULES, *clusters.JOB_RULES)
"""What would make a job fail, or wait without end."""
RULES: tuple[Rule[WorkspaceFacts], ...] = (*JOB_RULES, *clusters.MONEY_RULES)
"""These, and what costs money although all works."""
