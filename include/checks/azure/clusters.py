"""Rules about the compute clusters of a workspace, and about the cores that a region has for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from include.checks.azure.facts import TOTAL, AskedCluster, WorkspaceFacts
from include.checks.rule import Fault, Rule

KIND = "AmlCompute"


def _missing(facts: WorkspaceFacts) -> Iterable[Fault]:
    for asked in facts.asked:
        if asked.name in facts.clusters and not facts.clusters[asked.name].kind:
            yield Fault(
                f"Workspace {facts.workspace} has no compute cluster {asked.name} (preset {asked.preset}"
                f"{', spot' if asked.spot else ''}).",
                f"Make it; it costs nothing while no job runs: {_create(facts, asked)}",
            )


def _create(facts: WorkspaceFacts, asked: AskedCluster) -> str:
    return (
        f"az ml compute create --type {KIND} --name {asked.name} --size {asked.machine.vm_size} --tier {asked.tier} "
        f"--min-instances 0 --max-instances {asked.machine.workers} {facts.in_workspace}"
    )


def _unfit(facts: WorkspaceFacts) -> Iterable[Fault]:
    for asked in facts.asked:
        found = facts.clusters.get(asked.name)
        if found is None or not found.kind:
            continue
        if found.kind != KIND:
            yield Fault(
                f"{asked.name} is {found.kind}; jobs run on {KIND}.",
                f"Name another cluster for {asked.preset} under azure.clusters in lanner.yaml: {_create(facts, asked)}",
            )
            continue
        faults = []
        if found.vm_size.lower() != asked.machine.vm_size.lower():
            faults.append(f"has machines {found.vm_size}, expected {asked.machine.vm_size}")
        if found.low_priority != asked.spot:
            has = "low_priority" if found.low_priority else "dedicated"
            faults.append(f"is of tier {has}, expected {asked.tier} (spot in lanner.yaml)")
        if faults:  # neither can be changed
            yield Fault(
                f"Cluster {asked.name} {' and '.join(faults)}.",
                f"Delete it (az ml compute delete --name {asked.name} {facts.in_workspace}) and make it anew: "
                f"{_create(facts, asked)}; or name another under azure.clusters in lanner.yaml.",
            )
        if found.most < asked.machine.workers:
            yield Fault(
                f"Cluster {asked.name} grows to {found.most} machines; {asked.preset} takes {asked.machine.workers}.",
                f"Let it: az ml compute update --name {asked.name} --max-instances {asked.machine.workers} "
                f"{facts.in_workspace}",
            )


def _keeps_machines(facts: WorkspaceFacts) -> Iterable[Fault]:
    for asked in _once(facts.asked):
        found = facts.clusters.get(asked.name)
        if found is not None and found.least > 0:
            machines = f"{found.least} machine{'s' if found.least > 1 else ''}"
            yield Fault(
                f"Cluster {asked.name} keeps {machines} while no job runs; they are billed every hour, day and night.",
                f"Let it give them back: az ml compute update --name {asked.name} --min-instances 0 "
                f"{facts.in_workspace}",
            )


def _once(clusters: Iterable[AskedCluster]) -> Iterator[AskedCluster]:
    """Each cluster once, although two presets may use it."""
    return iter({asked.name: asked for asked in clusters}.values())


def _not_offered(facts: WorkspaceFacts) -> Iterable[Fault]:
    for asked in facts.asked if facts.sizes else ():
        size = facts.sizes.get(asked.machine.vm_size.lower())
        if size is None or (asked.spot and not size.low_priority):
            how = " of low priority" if size else ""
            yield Fault(
                f"Azure Machine Learning has no {asked.machine.vm_size}{how} in {facts.region} for this subscription.",
                f"Look what there is: az ml compute list-sizes --location {facts.region} --output table. Then name "
                "another preset under machines in lanner.yaml, or make a workspace in another region.",
            )


def _quota(facts: WorkspaceFacts) -> Iterable[Fault]:
    """What is in use is not counted: jobs of a full quota wait, and those that run now may be ours."""
    told = set()
    for asked in facts.asked:
        for family in (facts.family(asked), TOTAL):
            quota = facts.quotas.get((asked.spot, family))
            what = (asked.spot, family, asked.cores)
            if quota is None or quota.limit < 0 or asked.cores <= quota.limit or what in told:
                continue
            told.add(what)
            cores = f"{asked.tier} cores of {family or 'all families together'}"
            yield Fault(
                f"{asked.preset}{', spot,' if asked.spot else ''} takes {asked.cores} {cores} in {facts.region}; the "
                f"quota is {quota.limit}, and {quota.used} are in use. Its cluster would never grow, and the job wait.",
                "Ask for more, which takes hours to days, on the page Quota of https://ml.azure.com; to look: az ml "
                f"compute list-usage --location {facts.region} --output table. Or name another machine in lanner.yaml.",
            )


_CLUSTERS = "https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster"
_COST = "https://learn.microsoft.com/azure/machine-learning/how-to-manage-optimize-cost"
JOB_RULES: tuple[Rule[WorkspaceFacts], ...] = (
    Rule("CLUSTER_MISSING", _CLUSTERS, _missing),
    Rule("CLUSTER_UNFIT", _CLUSTERS, _unfit),
    Rule("MACHINE_NOT_OFFERED", "https://learn.microsoft.com/rest/api/azureml/virtual-machine-sizes", _not_offered),
    Rule("QUOTA", "https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas", _quota),
)
MONEY_RULES: tuple[Rule[WorkspaceFacts], ...] = (Rule("CLUSTER_KEEPS_MACHINES", _COST, _keeps_machines),)
