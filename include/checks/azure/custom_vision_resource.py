"""Rules about a Custom Vision resource: that its keys work, and what it has room for. Those about a job are others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from include.checks.azure.custom_vision import EXPORT, LIMITS, PREDICT, TIERS, no_resource_id, unexportable
from include.checks.rule import Fault, Rule
from include.custom_vision_training import EXPORTABLE

PREDICTING = frozenset({"CustomVision.Prediction", "CognitiveServices"})  # kinds of resources


@dataclass(frozen=True)
class Resource:
    """A resource of Azure's, of the provider ``Microsoft.CognitiveServices``.

    Attributes:
        kind: "CustomVision.Training" and the like; "" where there is none.
        endpoint: URL.
    """

    kind: str
    name: str = ""
    group: str = ""
    tier: str = ""
    region: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class VisionFacts:
    """What the rules are asked about. None: it could not be learned, and is not judged.

    Attributes:
        endpoint: of the training resource.
        tier: as the settings have it.
        domains: that trainings ask for, by name.
        exports: that are asked for.
        namespace: with it the names of our projects begin.
        prediction_id, prediction_endpoint: of the resource that predicts, as the connection has them.
        refused: why the training key is not accepted, in the service's words; "": it is.
        prediction_refused: the same of the prediction key.
        absent_domains, closed_domains: those that the service has not, or whose models it says cannot be exported.
        projects: names of all that there are now.
        training, predicting: the resources, as Azure's management has them.
        unknown: what could not be learned, each with the reason.
    """

    endpoint: str
    tier: str
    domains: tuple[str, ...]
    exports: tuple[str, ...] = ()
    namespace: str = "lanner"
    prediction_id: str = ""
    prediction_endpoint: str = ""
    refused: str | None = None
    prediction_refused: str | None = None
    absent_domains: frozenset[str] | None = None
    closed_domains: frozenset[str] | None = None
    projects: tuple[str, ...] | None = None
    training: Resource | None = None
    predicting: Resource | None = None
    unknown: tuple[str, ...] = ()

    @property
    def anything_known(self) -> bool:
        """Was anything learned at all? If not, the network is at fault, and no rule has spoken."""
        looked = (self.refused, self.prediction_refused, self.projects, self.training, self.predicting)
        return any(each is not None for each in looked)


_KEYS = "az cognitiveservices account keys list --name {} --resource-group {}"


def _key(facts: VisionFacts) -> Iterable[Fault]:
    if facts.refused:
        yield Fault(
            f"{facts.endpoint} does not accept the training key: {facts.refused}",
            "Put one of the two that this prints into the connection (custom_vision.connection), as its password, or "
            f"correct its host: {_KEYS.format('OUR-VISION', 'OUR-GROUP')}",
        )


def _prediction_key(facts: VisionFacts) -> Iterable[Fault]:
    if facts.prediction_refused:
        yield Fault(
            f"{facts.prediction_endpoint or facts.endpoint} does not accept the prediction key: "
            f"{facts.prediction_refused}",
            "Put one of the two that this prints into the connection's extra, as prediction_api_key, and the endpoint "
            f"of the same resource as prediction_endpoint: {_KEYS.format('OUR-VISION-PREDICTION', 'OUR-GROUP')}",
        )


def _domain(facts: VisionFacts) -> Iterable[Fault]:
    for domain in sorted(facts.absent_domains or ()):
        yield Fault(
            f"The resource has no domain {domain!r}.",
            "Choose another as training.domain of the target custom_vision in lanner.yaml.",
        )
    for domain in sorted(facts.closed_domains or ()):
        if facts.exports and domain in EXPORTABLE:
            yield Fault(
                f"The resource says that models of the domain {domain!r} cannot be exported; asked for are "
                f"{', '.join(facts.exports)}.",
                "Choose another as training.domain of the target custom_vision in lanner.yaml, or ask for no exports "
                "(custom_vision.exports: []).",
            )


def _full(facts: VisionFacts) -> Iterable[Fault]:
    """Projects of ours may be done with and make room, or be the very one that is to be adopted."""
    tier = TIERS[facts.tier]
    others = [name for name in facts.projects or () if not name.startswith(f"{facts.namespace}-")]
    if len(others) >= tier.projects:
        raised = "use a resource of tier S0" if tier.name == "F0" else "use a resource of its own"
        yield Fault(
            f"All {tier.projects} projects of a resource of tier {tier.name} are in use, none of them by the namespace "
            f"{facts.namespace}; each training needs one for its time.",
            f"Delete what nobody needs, by https://www.customvision.ai, or {raised}.",
        )


def _tier(facts: VisionFacts) -> Iterable[Fault]:
    if facts.training is not None and facts.training.kind and facts.training.tier != facts.tier:
        yield Fault(
            f"The resource {facts.training.name} is of tier {facts.training.tier}, custom_vision.tier says "
            f"{facts.tier}: its limits and its prices would be taken for others.",
            f"Set custom_vision.tier to {facts.training.tier} in lanner.yaml; or change the resource: az "
            f"cognitiveservices account update --name {facts.training.name} --resource-group {facts.training.group} "
            f"--sku {facts.tier}",
        )


def _predicting(facts: VisionFacts) -> Iterable[Fault]:
    found = facts.predicting
    if found is None:
        return
    if not found.kind:
        yield Fault(
            f"There is no resource {facts.prediction_id} (prediction_resource_id in the extra of the connection).",
            "Which there are: az cognitiveservices account list --query \"[?starts_with(kind, 'CustomVision')].id\" "
            "--output tsv",
        )
        return
    if found.kind not in PREDICTING:
        yield Fault(
            f"The resource {found.name} is of kind {found.kind}; models are published to one of "
            f"{' or '.join(sorted(PREDICTING))}.",
            f"Name another as prediction_resource_id in the connection's extra, or make one: {_make(facts, found)}",
        )
    named = facts.prediction_endpoint or facts.endpoint
    if not _same_host(found.endpoint, named):
        yield Fault(
            f"prediction_resource_id is {found.name}, which answers at {found.endpoint}; the connection asks {named}: "
            "models would be published to one resource, and another would be asked.",
            "Let prediction_endpoint, prediction_api_key and prediction_resource_id of the connection's extra be those "
            "of one resource.",
        )
    if facts.training is not None and facts.training.kind and facts.training.region != found.region:
        yield Fault(
            f"{facts.training.name} trains in {facts.training.region}, {found.name} predicts in {found.region}: a "
            "model cannot be published from one region to another.",
            f"Make one beside it: {_make(facts, facts.training)}",
        )


def _make(facts: VisionFacts, beside: Resource) -> str:
    """The command that makes a resource for prediction beside another one."""
    name = f"{beside.name}-prediction"
    return (
        f"az cognitiveservices account create --kind CustomVision.Prediction --sku {facts.tier} --name {name} "
        f"--custom-domain {name} --resource-group {beside.group} --location {beside.region} --yes"
    )


def _same_host(one: str, other: str) -> bool:
    """Hosts of a region (``eastus.api.cognitive.microsoft.com``) are shared by all its resources."""
    hosts = {urlsplit(each).netloc.lower() for each in (one, other)}
    return len(hosts) == 1 or any(".api.cognitive." in host for host in hosts)


def _no_resource_id(facts: VisionFacts) -> Iterable[Fault]:
    return no_resource_id(facts.prediction_id)


def _unexportable(facts: VisionFacts) -> Iterable[Fault]:
    return (fault for domain in facts.domains for fault in unexportable(domain, facts.exports))


_AUTHENTICATION = "https://learn.microsoft.com/azure/ai-services/authentication"
_DOMAINS = "https://learn.microsoft.com/azure/ai-services/custom-vision-service/select-domain"
JOB_RULES: tuple[Rule[VisionFacts], ...] = (
    Rule("CUSTOM_VISION_KEY", _AUTHENTICATION, _key),
    Rule("PREDICTION_KEY", _AUTHENTICATION, _prediction_key),
    Rule("DOMAIN", _DOMAINS, _domain),
    Rule("PROJECTS_FULL", LIMITS, _full),
    Rule("TIER", LIMITS, _tier),
    Rule("PREDICTION_RESOURCE", PREDICT, _predicting),
)
"""What of the resource would make a job fail."""
RULES: tuple[Rule[VisionFacts], ...] = (
    *JOB_RULES,
    Rule("NO_PREDICTION_RESOURCE", PREDICT, _no_resource_id),
    Rule("NOT_EXPORTABLE", EXPORT, _unexportable),
)
"""These, and what the rules about a job say of each job."""
