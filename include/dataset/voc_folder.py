"""Which VOC annotation belongs to which image."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from include.dataset.annotation import Annotation, Candidate
from include.dataset.quarantine import Notes, Problem, Refused
from include.dataset.source import SourceFiles, image_stem
from include.dataset.voc import read_annotation

MAX_XML_BYTES = 4 << 20  # 13,000 boxes as labelImg writes them; parsed, hostile files take a hundred times their bytes


def voc_candidates(files: SourceFiles, notes: Notes) -> Iterator[Candidate]:
    """Pair images and annotations, one candidate for every image and for every annotation without one.

    The annotation file's own name decides, not the ``filename`` inside it, which is often left over from a copy
    or a rename: an image of the same stem beside the XML, or else anywhere in the batch. Only where there is none
    is ``filename`` asked. Memory grows with the number of files, not with their contents.
    """
    pairs, left_over = pair_by_stem(files)
    claims: dict[str, list[str]] = defaultdict(list)
    for xml, image in pairs.items():
        claims[image].append(xml)

    free = _by_stem(image for image in files.images if image not in claims)
    for xml, candidates in left_over.items():
        named = _filename(files, xml)
        if candidates:
            choices = [image for image in candidates if PurePosixPath(image).name == named]
        else:
            choices = free.get(_normal(image_stem(named)), [])
        if len(choices) == 1:
            notes.add("annotation matched by the filename inside it, because its own name did not decide", xml)
            claims[choices[0]].append(xml)
        else:
            code = "ambiguous_image" if candidates else "annotation_without_image"
            yield _orphan(files, xml, Problem(code, xml, "filename", ", ".join(candidates) or named))

    for image in files.images:
        yield _candidate(files, image, claims.get(image, []), notes)


def pair_by_stem(files: SourceFiles) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Annotation → image where the stem decides; annotation → candidates (several or none) where it does not."""
    images = _by_stem(files.images)
    pairs: dict[str, str] = {}
    left_over: dict[str, list[str]] = {}
    for xml in files.xml:
        folder, _, name = xml.rpartition("/")
        candidates = images.get(_normal(name[: -len(".xml")]), [])
        if len(candidates) == 1:
            pairs[xml] = candidates[0]
            continue
        beside = [image for image in candidates if image.rpartition("/")[0] == folder]
        same_name = folder.rpartition("/")[2]
        subfolder = [image for image in candidates if image.rpartition("/")[0].rpartition("/")[2] == same_name]
        for choice in (beside, subfolder):
            if len(choice) == 1:
                pairs[xml] = choice[0]
                break
        else:
            left_over[xml] = beside or candidates
    return pairs, left_over


def _candidate(files: SourceFiles, image: str, claims: list[str], notes: Notes) -> Candidate:
    """An image with the annotations that claim it, of which there should be one."""
    annotations, problems = [], []
    for xml in claims:
        try:
            annotations.append(_read(files, xml))
        except Refused as refused:
            problems.append(refused.problem)
    boxes = sum(len(annotation.boxes) for annotation in annotations)
    if len(claims) > 1:
        return Candidate(image, problem=Problem("several_annotations", image, value=", ".join(claims)), boxes=boxes)
    if not annotations:
        return Candidate(image, problem=problems[0] if problems else Problem("image_without_annotation", image))
    annotation = annotations[0]
    if annotation.image and _normal(image_stem(_slashes(annotation.image))) != _normal(image_stem(image)):
        notes.add(
            "filename in the annotation names another image; the annotation file's own name was believed",
            f"{annotation.file} says {annotation.image}",
        )
    return Candidate.pair(image, annotation)


def _orphan(files: SourceFiles, xml: str, problem: Problem) -> Candidate:
    """An annotation that no image belongs to."""
    try:
        return Candidate(problem=problem, boxes=len(_read(files, xml).boxes))
    except Refused as refused:
        return Candidate(problem=refused.problem)


def _filename(files: SourceFiles, xml: str) -> str:
    """The name of the image that an annotation gives, without folders; empty where it cannot be read."""
    try:
        return PurePosixPath(_slashes(_read(files, xml).image)).name
    except Refused:
        return ""


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


def _read(files: SourceFiles, xml: str) -> Annotation:
    return read_annotation(files.read(xml, MAX_XML_BYTES), xml)


def _by_stem(images: Iterator[str] | tuple[str, ...]) -> dict[str, list[str]]:
    stems: dict[str, list[str]] = defaultdict(list)
    for image in images:
        stems[_normal(image_stem(image))].append(image)
    return stems


def _normal(name: str) -> str:
    """One spelling for names that macOS decomposes and others compose (é as one character)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
