"""Which VOC annotation belongs to which image."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from include.dataset.annotation import Annotation, Candidate
from include.dataset.quarantine import Notes, Problem, Refused
from include.dataset.source import SourceFiles, image_stem, read_inside
from include.dataset.voc import read_annotation

MAX_XML_BYTES = 16 << 20


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
        if candidates:
            yield _without_image(files, xml, "ambiguous_image", ", ".join(candidates))
            continue
        try:
            named = image_stem(_read(files, xml).image.replace("\\", "/"))
        except Refused:
            named = ""
        if len(free.get(_normal(named), ())) == 1:
            image = free[_normal(named)][0]
            notes.add("annotation matched by the filename inside it; no image has the annotation's own name", xml)
            claims[image].append(xml)
        else:
            yield _without_image(files, xml, "annotation_without_image", named)

    for image in files.images:
        yield _with_image(files, image, claims.get(image, []), notes)


def pair_by_stem(files: SourceFiles) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Annotation → image where the stem decides; annotation → candidates (several or none) where it does not."""
    images = _by_stem(files.images)
    pairs: dict[str, str] = {}
    left_over: dict[str, list[str]] = {}
    for xml in files.xml:
        path = PurePosixPath(xml)
        candidates = images.get(_normal(path.stem), [])
        beside = [image for image in candidates if PurePosixPath(image).parent == path.parent]
        subfolder = [image for image in candidates if PurePosixPath(image).parent.name == path.parent.name]
        for choice in (beside, candidates, subfolder):
            if len(choice) == 1:
                pairs[xml] = choice[0]
                break
        else:
            left_over[xml] = beside or candidates
    return pairs, left_over


def _with_image(files: SourceFiles, image: str, annotations: list[str], notes: Notes) -> Candidate:
    if not annotations:
        return Candidate(image, problem=Problem("image_without_annotation", image))
    try:
        read = [_read(files, xml) for xml in annotations]
    except Refused as refused:
        return Candidate(image, problem=refused.problem)
    if len(read) > 1:
        problem = Problem("several_annotations", image, value=", ".join(annotations))
        return Candidate(image, problem=problem, boxes=sum(len(annotation.boxes) for annotation in read))
    annotation = read[0]
    if annotation.image and _normal(image_stem(annotation.image)) != _normal(image_stem(image)):
        notes.add(
            "filename in the annotation names another image; the annotation file's own name was believed",
            f"{annotation.file} says {annotation.image}",
        )
    return Candidate(image, annotation)


def _without_image(files: SourceFiles, xml: str, code: str, value: str) -> Candidate:
    try:
        annotation = _read(files, xml)
    except Refused as refused:
        return Candidate(None, Annotation(xml, "", 0, 0, ()), refused.problem)
    return Candidate(None, annotation, Problem(code, xml, "filename", value), len(annotation.boxes))


def _read(files: SourceFiles, xml: str) -> Annotation:
    return read_annotation(read_inside(files.root, xml, MAX_XML_BYTES), xml)


def _by_stem(images: Iterator[str] | tuple[str, ...]) -> dict[str, list[str]]:
    stems: dict[str, list[str]] = defaultdict(list)
    for image in images:
        stems[_normal(image_stem(image))].append(image)
    return stems


def _normal(name: str) -> str:
    """One spelling for names that macOS decomposes and others compose (é as one character)."""
    return unicodedata.normalize("NFC", name)
