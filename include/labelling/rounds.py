"""Rounds of labelling: which there were, which is open, and how the next one is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from include.dataset.annotation import Box
from include.dataset.box_check import box_problem, clip
from include.dataset.build import all_batches
from include.dataset.manifest import encode_line, read_manifest, write_hashed
from include.labelling.choosing import choose, uncertainty
from include.labelling.documents import LONGEST_LABEL, Pool, ReviewDocument, RoundDocument, RoundImage, Suggestion
from include.labelling.labeller import Labeller, Proposal
from include.labelling.pool import PoolImage, Survey, survey
from include.settings import LabellingSettings
from include.store import Store

Round = tuple[RoundDocument, ReviewDocument | None]


def rounds_of(store: Store, collection: str, batch: str) -> list[Round]:
    """All rounds of a batch in their order, each with its review; only the last one may be without."""
    rounds: list[Round] = []
    for number in count(1):
        found = store.newest(RoundDocument, collection, f"{batch}:{number}")
        if found is None:
            return rounds
        review = store.newest(ReviewDocument, collection, f"{batch}:{number}")
        rounds.append((found[1], review[1] if review else None))
    raise AssertionError("unreachable")


def open_rounds(store: Store, collection: str) -> Iterator[RoundDocument]:
    """The rounds of a collection that wait for a person."""
    names, closed = (
        {pointer.rpartition("/")[2] for pointer in store.files(f"{collection}/newest/{kind.kind}")}
        for kind in (RoundDocument, ReviewDocument)
    )
    for name in sorted(names - closed):
        batch, _, number = name.rpartition("_")
        found = store.newest(RoundDocument, collection, f"{batch}:{number}")
        if found is not None:
            yield found[1]


def open_round(
    store: Store,
    folder: Path,
    labeller: Labeller,
    *,
    collection: str,
    batch: str,
    source: str,
    classes: Sequence[str],
    any_class: bool,
    settings: LabellingSettings,
) -> RoundDocument | None:
    """The round that is open, else a new one of images that nobody has decided about; None: none is left.

    Args:
        folder: of the batch, on this machine.
        source: what the settings call it.
        classes: to choose from, in the order of their ids.
        any_class: others may be named.
    """
    rounds = rounds_of(store, collection, batch)
    if rounds and rounds[-1][1] is None:
        return rounds[-1][0]
    decided = decisions(rounds)
    found = survey(folder, _labelled_elsewhere(store, collection, decided))
    waiting = [image for image in found.images if image.facts.sha256 not in decided]
    if not waiting:
        return None
    shown = sorted(waiting, key=lambda image: image.facts.sha256)[: settings.look_at]
    proposals = list(labeller.suggest(shown))
    unsure = [uncertainty(each) for each in proposals]
    looks = [image.look for image in shown]
    seen = [image.look for image in found.images if image.facts.sha256 in decided]
    allowed = None if any_class else frozenset(classes)
    images = []
    for index in choose(unsure, looks, settings.images, seen=seen):
        image = shown[index]
        suggestions = suggested(image, proposals[index], settings.threshold, allowed)
        images.append(_round_image(image, unsure[index], suggestions))
        store.write(images[-1].stored(collection), image.read())
    document = RoundDocument(
        collection=collection,
        key=f"{batch}:{len(rounds) + 1}",
        source=source,
        labeller=labeller.name,
        classes=tuple(classes),
        any_class=any_class,
        images=tuple(images),
        pool=pool(found, decided),
        quarantine=write_hashed(
            store,
            (encode_line(each.model_dump()) for each in found.faults),
            lambda sha: f"{collection}/quarantine/{sha}.jsonl",
        ),
    )
    store.put(document)
    return document


def decisions(rounds: Sequence[Round]) -> dict[str, str]:
    """By SHA-256, what was decided of images in earlier rounds: ``labelled`` or ``skipped``."""
    return {
        image.sha256: image.decision
        for _, review in rounds
        if review is not None
        for image in review.images
        if image.decision != "undecided"
    }


def pool(found: Survey, decided: dict[str, str]) -> Pool:
    """Where the images stand. One that was decided counts even if its file is gone from the source."""
    here = {image.facts.sha256 for image in found.images}
    return Pool(
        found=found.found + len(decided.keys() - here),
        labelled=sum(decision == "labelled" for decision in decided.values()),
        skipped=sum(decision == "skipped" for decision in decided.values()),
        set_aside=len(found.faults),
        left=len(here - decided.keys()),
    )


def suggested(
    image: PoolImage, proposals: Sequence[Proposal], threshold: float, allowed: frozenset[str] | None
) -> list[Suggestion]:
    """What a person is shown of a labeller's proposals: whole pixels inside the image, of classes that may be used."""
    suggestions = []
    width, height = image.facts.width, image.facts.height
    for proposal in proposals:
        xmin, ymin, xmax, ymax = map(round, proposal[2:])
        box = clip(Box(proposal.label, xmin, ymin, xmax, ymax), width, height)
        known = box.label in allowed if allowed is not None else _is_name(box.label)
        if known and proposal.score >= threshold and box_problem(box, width, height) is None:
            corners = {name: int(getattr(box, name)) for name in ("xmin", "ymin", "xmax", "ymax")}
            suggestions.append(Suggestion(label=box.label, score=round(proposal.score, 4), **corners))
    return suggestions


def _is_name(label: str) -> bool:
    return 0 < len(label) <= LONGEST_LABEL and label.isprintable()


def _round_image(image: PoolImage, unsure: float, suggestions: Sequence[Suggestion]) -> RoundImage:
    return RoundImage(
        sha256=image.facts.sha256,
        file=image.file,
        width=image.facts.width,
        height=image.facts.height,
        format=image.facts.format,
        uncertainty=unsure,
        suggestions=tuple(suggestions),
    )


def _labelled_elsewhere(store: Store, collection: str, decided: dict[str, str]) -> set[str]:
    """SHA-256 of the images that the collection's batches have, but for those that came of labelling this one."""
    manifests = [document.manifest for _, document in all_batches(store, collection)]
    return {image.sha256 for path in manifests for image in read_manifest(store, path)} - decided.keys()
