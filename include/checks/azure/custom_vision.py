"""What makes a training on Custom Vision fail, looked at before an image is sent or an hour paid.

Limits, read 2026-11-29: https://learn.microsoft.com/azure/ai-services/custom-vision-service/limits-and-quotas
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from include.checks.rule import Fault, Rule
from include.custom_vision_training import ADVANCED, EXPORTABLE, CustomVisionConfiguration
from include.dataset.custom_vision_images import CustomVisionData


@dataclass(frozen=True)
class Tier:
    """What a resource of one tier may have.

    Attributes:
        projects: at one time.
        images, tags: of a project.
        images_of_a_tag: at least, for object detection.
    """

    name: str
    projects: int
    images: int
    tags: int
    images_of_a_tag: int = 15


TIERS: Mapping[str, Tier] = MappingProxyType(
    {"F0": Tier("F0", projects=2, images=5_000, tags=50), "S0": Tier("S0", projects=100, images=100_000, tags=500)}
)


@dataclass(frozen=True)
class CustomVisionJob:
    """A job as it is to be submitted, and the data for it.

    Attributes:
        max_hours: the job's own limit, after which it is cancelled.
        prediction_resource: that is to answer for the hold-out; empty: the connection names none.
        exports: what of the model is to be exported.
        machines: that are asked for; the service has none to choose from.
    """

    data: CustomVisionData
    configuration: CustomVisionConfiguration
    tier: Tier
    max_hours: float
    prediction_resource: str
    exports: tuple[str, ...] = ()
    machines: int = 0


def _few_images(job: CustomVisionJob) -> Iterable[Fault]:
    least = job.tier.images_of_a_tag
    for class_id, count in job.data.images_of_each_class().items():
        if count < least:
            yield Fault(
                f"Class {job.data.names[class_id]!r} is in {count} images of train and validation that Custom Vision "
                f"takes; it trains no tag with fewer than {least} (Microsoft recommends 50).",
                "Add images of it; or leave it out: name the others as classes of the collection in lanner.yaml.",
            )


def _many_images(job: CustomVisionJob) -> Iterable[Fault]:
    if len(job.data.images) > job.tier.images:
        raised = "Use a resource of tier S0, or fewer" if job.tier.name == "F0" else "Use fewer"
        yield Fault(
            f"There are {len(job.data.images)} images with boxes; a project of tier {job.tier.name} holds "
            f"{job.tier.images}.",
            f"{raised} images.",
        )


def _many_tags(job: CustomVisionJob) -> Iterable[Fault]:
    if len(job.data.names) > job.tier.tags:
        yield Fault(
            f"There are {len(job.data.names)} classes; a project of tier {job.tier.name} has {job.tier.tags} tags.",
            "Name fewer classes of the collection in lanner.yaml, or use a resource of a higher tier.",
        )


def _same_names(job: CustomVisionJob) -> Iterable[Fault]:
    """From memory, not verified: tags are told apart without regard to case."""
    seen: dict[str, str] = {}
    for name in job.data.names.values():
        other = seen.setdefault(name.strip().casefold(), name)
        if other != name:
            yield Fault(
                f"Classes {other!r} and {name!r} differ only in case, and would be one tag.",
                "Call one of them otherwise in the annotations.",
            )


def _hours(job: CustomVisionJob) -> Iterable[Fault]:
    if job.configuration.training == ADVANCED and job.configuration.hours > job.max_hours:
        yield Fault(
            f"The training may use {job.configuration.hours} h, and would be cancelled after {job.max_hours:g} h, the "
            "target's max_hours; a training of Custom Vision that is cancelled leaves nothing.",
            f"Set max_hours of the target to more than {job.configuration.hours} in lanner.yaml, or lower its hours.",
        )


def _export(job: CustomVisionJob) -> Iterable[Fault]:
    return unexportable(job.configuration.domain, job.exports)


def unexportable(domain: str, exports: Collection[str]) -> Iterator[Fault]:
    """A domain whose models cannot be exported, where that is asked for."""
    if exports and domain not in EXPORTABLE:
        yield Fault(
            f"Models of the domain {domain!r} cannot be exported; asked for are {', '.join(exports)}.",
            f"Choose the domain {' or '.join(sorted(EXPORTABLE))} (training.domain of the target in lanner.yaml), or "
            "ask for no exports (custom_vision.exports: []); then the model can only be used in the cloud.",
        )


def _predictions(job: CustomVisionJob) -> Iterable[Fault]:
    return no_resource_id(job.prediction_resource)


def no_resource_id(given: str) -> Iterator[Fault]:
    """What should name the resource that predicts, and does not."""
    if not given.startswith("/subscriptions/"):
        found = f"is {given!r}" if given else "is missing"
        yield Fault(
            f"prediction_resource_id {found} in the extra of the Airflow connection; the model is to answer for the "
            "hold-out there.",
            "Take what this prints: az cognitiveservices account show --name OUR-PREDICTION --resource-group OUR-GROUP "
            "--query id --output tsv",
        )


def _machines(job: CustomVisionJob) -> Iterable[Fault]:
    if job.machines:
        yield Fault(
            f"{job.machines} machines are named for it, and Custom Vision has none to choose from.",
            "Leave machines of the target out in lanner.yaml.",
        )


LIMITS = "https://learn.microsoft.com/azure/ai-services/custom-vision-service/limits-and-quotas"
EXPORT = "https://learn.microsoft.com/azure/ai-services/custom-vision-service/export-your-model"
_DETECTOR = "https://learn.microsoft.com/azure/ai-services/custom-vision-service/get-started-build-detector"
PREDICT = "https://learn.microsoft.com/azure/ai-services/custom-vision-service/use-prediction-api"
RULES: tuple[Rule[CustomVisionJob], ...] = (
    Rule("TAG_WITH_FEW_IMAGES", LIMITS, _few_images),
    Rule("TOO_MANY_IMAGES", LIMITS, _many_images),
    Rule("TOO_MANY_TAGS", LIMITS, _many_tags),
    Rule("TAGS_ALIKE", _DETECTOR, _same_names),
    Rule("HOURS_BEYOND_LIMIT", _DETECTOR, _hours),
    Rule("NOT_EXPORTABLE", EXPORT, _export),
    Rule("NO_PREDICTION_RESOURCE", PREDICT, _predictions),
    Rule("NO_MACHINES", _DETECTOR, _machines),
)
