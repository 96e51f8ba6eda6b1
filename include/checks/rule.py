"""A rule looks at facts and says what would go wrong: with a code, what to do, and where it is documented."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Facts = TypeVar("Facts")


class Fault(NamedTuple):
    """What a rule found: what is wrong, how to mend it, and the same as Terraform where that can do it."""

    wrong: str
    remedy: str
    terraform: str = ""


@dataclass(frozen=True)
class Finding:
    """Something that would make a job fail."""

    code: str  # stable, in capitals: "BUCKET_MISSING"
    wrong: str  # what was found, and what was expected
    remedy: str  # what to do, with the command where there is one
    source: str  # URL of the documentation
    terraform: str = ""  # the remedy for whoever keeps a project by Terraform

    def __str__(self) -> str:
        return f"{self.code}: {self.wrong} {self.remedy} ({self.source})"


@dataclass(frozen=True)
class Rule(Generic[Facts]):
    """One known fault.

    Attributes:
        look: what is wrong and its remedy, once for each time that the fault is there.
    """

    code: str
    source: str
    look: Callable[[Facts], Iterable[Fault]]

    def findings(self, facts: Facts) -> list[Finding]:
        found = self.look(facts)
        return [Finding(self.code, fault.wrong, fault.remedy, self.source, fault.terraform) for fault in found]


def check(rules: Sequence[Rule[Facts]], facts: Facts) -> list[Finding]:
    """Everything that all rules find, so that it can be mended in one go."""
    return [finding for rule in rules for finding in rule.findings(facts)]
