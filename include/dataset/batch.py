"""Checks one batch of annotated images: what is sound goes into its manifest, the rest into its quarantine.

Stateless: the outcome depends on the batch's files and the arguments alone, so batches may be checked in any
order and at the same time. Sides, class ids and duplicates of earlier batches are decided later (``build.py``).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

from include.dataset.annotation import Box, Candidate
from include.dataset.box_check import check_boxes, check_size
from include.dataset.coco import Entry, coco_candidates, load_instances
from include.dataset.given_split import given_sides
from include.dataset.image_check import MAX_BYTES, ImageFacts, inspect_image
from include.dataset.manifest import SoundImage, encode_line, write_hashed
from include.dataset.near_duplicates import look_alikes
from include.dataset.quarantine import Notes, Problem, Refused, fault
from include.dataset.source import SourceFiles, image_stem, kind_of, list_source
from include.dataset.voc_folder import voc_candidates
from include.documents import BatchDocument, Count, Fault, Side
from include.store import Store

Progress = Callable[[int, int], None]
READ = {"images", "xml", "json"}  # kinds of files whose reading tells why they cannot be read


def check_batch(
    source: str | Path,
    *,
    store: Store,
    collection: str,
    key: str,
    classes: Sequence[str] | None = None,
    split: Literal["hash", "given"] = "hash",
    progress: Progress | None = None,
) -> str:
    """Check the batch in the folder ``source`` and put its ``BatchDocument`` into the store. Returns its path.

    What counts as found: every image file, every VOC file without an image, every image that a COCO file lists and
    the batch lacks, is one image; every object of an annotation that could be parsed is one box. Then, always,
    ``found == used + quarantined``.

    Args:
        classes: the classes that the collection declares; a box of another sets its image aside. None: any.
        split: ``given`` records the side that image sets or folders give an image.
        progress: called with the number of images checked and their total (which counts image files only).

    Raises:
        NotADirectoryError: ``source`` is no folder.
        ValueError: there is neither an image nor an annotation in it.
    """
    root = Path(source)
    files = list_source(root)
    check = BatchCheck(files, frozenset(classes) if classes is not None else None)
    instances, problems = load_instances(files)
    if not files.images and not files.xml and not instances:
        raise ValueError(
            f"{root} has no images and no annotations. Expected JPEG or PNG images with Pascal VOC XML files of the "
            "same names, or a COCO JSON file, in the folder or below it."
        )
    candidates = list_candidates(files, instances, check.notes)
    if split == "given":
        check.sides = given_sides(files, check.notes)
    problems += [problem for path, problem in files.unread.items() if kind_of(path) not in READ]
    strays = (Candidate(problem=problem, images=0) for problem in problems)
    for link in files.not_followed:
        check.notes.add("folder that is a symbolic link, not looked into", link)

    manifest = write_hashed(
        store,
        (encode_line(image.to_json()) for image in check.sound_images(chain(strays, candidates), progress)),
        lambda sha: f"{collection}/manifests/{sha}.jsonl",
    )
    check.note_look_alikes()
    quarantine = write_hashed(
        store,
        (encode_line(each.model_dump()) for each in check.faults),
        lambda sha: f"{collection}/quarantine/{sha}.jsonl",
    )
    return store.put(
        BatchDocument(
            collection=collection,
            key=key,
            source=str(source),
            format="coco" if instances and not files.xml else "voc",
            images=check.images(),
            boxes=check.boxes(),
            classes=dict(sorted(check.classes_used.items())),
            faults=dict(sorted(Counter(each.code for each in check.faults).items())),
            manifest=manifest,
            quarantine=quarantine,
            notes=check.notes.told(),
        )
    )


def list_candidates(files: SourceFiles, instances: dict[str, Entry], notes: Notes) -> Iterator[Candidate]:
    """Images and annotations of a batch, paired: by its VOC files if it has any, else by its COCO files."""
    if not files.xml:
        return coco_candidates(files, instances, notes)
    for path in instances:
        notes.add("COCO file passed over, because the batch has VOC files", path)
    return voc_candidates(files, notes)


class BatchCheck:
    """Examines candidates one by one, and keeps count. Holds a hash per image, never an image."""

    def __init__(self, files: SourceFiles, classes: frozenset[str] | None) -> None:
        self.files = files
        self.classes = classes
        self.sides: dict[str, Side] = {}
        self.notes = Notes()
        self.faults: list[Fault] = []
        self.classes_used: Counter[str] = Counter()
        self._images_found = self._images_used = self._boxes_found = 0
        self._kept: dict[str, tuple[str, int]] = {}  # sha256 → file, and a hash of its boxes
        self._looks = array("Q")  # the difference hashes of the same images, in the same order

    def images(self) -> Count:
        quarantined = sum(each.images for each in self.faults)
        return Count(found=self._images_found, used=self._images_used, quarantined=quarantined)

    def boxes(self) -> Count:
        quarantined = sum(each.boxes for each in self.faults)
        return Count(found=self._boxes_found, used=self.classes_used.total(), quarantined=quarantined)

    def sound_images(self, candidates: Iterable[Candidate], progress: Progress | None) -> Iterator[SoundImage]:
        """The images to be used, with all of their boxes; what is not is added to the faults."""
        done = 0
        for candidate in candidates:
            images, boxes = candidate.images, candidate.boxes
            self._images_found += images
            self._boxes_found += boxes
            image, problems = self._examine(candidate)
            if image is not None and not problems:
                self._images_used += 1
                self.classes_used.update(box.label for box in image.boxes)
                yield image
            for problem in problems:
                self.faults.append(fault(problem, images=images, boxes=boxes))
                images = boxes = 0  # the first of an image's problems bears all that the image costs
            if candidate.image is not None and progress:
                done += 1
                progress(done, len(self.files.images))

    def _examine(self, candidate: Candidate) -> tuple[SoundImage | None, list[Problem]]:
        unread = self.files.unread.get(candidate.image or "")
        if candidate.problem or unread:
            return None, [problem for problem in (unread, candidate.problem) if problem]
        path, annotation = candidate.image, candidate.annotation
        assert path and annotation, "a candidate without a problem is a whole pair"
        try:
            facts = inspect_image(self.files.read(path, MAX_BYTES), path)
        except Refused as refused:
            return None, [refused.problem, *annotation.problems]
        problems = check_size(annotation, facts.width, facts.height, self.notes)
        boxes, box_problems = check_boxes(annotation, facts.width, facts.height, self.classes, self.notes)
        problems += box_problems
        if not problems:
            problems += self._duplicate(path, facts, boxes)
        if problems:
            return None, problems
        self._note_oddities(path, facts)
        self._looks.append(facts.dhash)
        return SoundImage(
            path,
            facts.sha256,
            facts.bytes,
            facts.width,
            facts.height,
            facts.format,
            f"{facts.dhash:016x}",
            boxes,
            self.sides.get(path),
            facts.crc32c,
        ), []

    def _duplicate(self, path: str, facts: ImageFacts, boxes: tuple[Box, ...]) -> list[Problem]:
        kept, kept_boxes = self._kept.setdefault(facts.sha256, (path, hash(boxes)))
        if kept == path:
            return []
        difference = "" if hash(boxes) == kept_boxes else ", which has other boxes: see which are right"
        return [Problem("duplicate_image", path, "sha256", f"same as {kept}{difference}")]

    def note_look_alikes(self) -> None:
        """Tell which of the images used look like others, once all have been examined."""
        files = [file for file, _ in self._kept.values()]
        for first, *others in look_alikes(self._looks):
            for other in others:
                self.notes.add(
                    "image looks like another of the batch (scaled, re-encoded, a frame later); they stay on one side",
                    f"{files[other]} like {files[first]}",
                )

    def _note_oddities(self, path: str, facts: ImageFacts) -> None:
        suffix = path.removeprefix(path[: path.rfind("/") + 1] + image_stem(path)).lower()
        if (suffix == ".png") != (facts.format == "png"):
            self.notes.add("image's suffix and contents differ; the contents were believed", path)
        if facts.frames > 1:
            self.notes.add("animated image; its first frame is used", path)
        if facts.orientation > 1:
            self.notes.add("EXIF orientation 2-4 (mirrored or upside down) is not applied; check the boxes", path)
