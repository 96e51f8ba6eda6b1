"""Why an image is set aside: the table of causes, and how each is told to the person who can mend it.

The rule: **an image is used with all of its boxes or not at all.** With one bad box left out, the detector would
be taught that the object there is background; so a bad box sets aside its whole image.
"""

from __future__ import annotations

from typing import NamedTuple

from include.documents import Fault

LONGEST_VALUE = 160  # characters of a file's own text that a message repeats


class Cause(NamedTuple):
    what: str
    remedy: str


CAUSES: dict[str, Cause] = {
    # the image
    "unreadable_file": Cause("The file cannot be read", "Check that it is an ordinary file and its permissions."),
    "leaves_source": Cause("The path leads out of the batch's folder", "Copy the file into the folder."),
    "bad_file_name": Cause("The file's name is too long or not valid UTF-8", "Rename the file."),
    "link_in_archive": Cause(
        "The archive holds a link here, which could lead anywhere", "Pack the file itself (tar -h follows links)."
    ),
    "name_twice": Cause("The archive holds this name twice; the first is kept", "Give each file a name of its own."),
    "decompression_bomb": Cause(
        "The packed file grows more than two hundredfold when it is unpacked", "Pack the batch again without it."
    ),
    "file_too_large": Cause("The file has more bytes than are allowed", "Save it smaller, or split it."),
    "unsupported_format": Cause("The contents are neither JPEG nor PNG", "Save the image as JPEG or PNG."),
    "truncated_image": Cause("The image cannot be decoded to its end", "Copy it again from where it came from."),
    "too_many_pixels": Cause("The image has more pixels than are allowed", "Save it at a lower resolution."),
    "exif_rotated": Cause(
        "The image is stored turned on its side (EXIF orientation 5-8), so its boxes may be meant either way",
        "Save the image upright (exiftran -ai, or jpegtran) and check its boxes.",
    ),
    "duplicate_image": Cause("The same bytes are in the batch under another name, which is kept", "Remove one."),
    "image_without_annotation": Cause(
        "No annotation belongs to the image", "Annotate it; if nothing is on it, with an annotation without objects."
    ),
    # the annotation
    "annotation_without_image": Cause("No image belongs to the annotation", "Add the image, or remove the annotation."),
    "ambiguous_image": Cause(
        "Several images could belong to the annotation", "Give each pair a name of its own, or put them side by side."
    ),
    "several_annotations": Cause("Several annotations belong to the same image", "Keep the right one."),
    "bad_xml": Cause("The annotation is not well-formed VOC XML", "Save it again with your annotation tool."),
    "forbidden_xml": Cause(
        "The XML declares a DTD or an entity, which annotations never need and attacks do", "Remove the declaration."
    ),
    "bad_json": Cause("The annotation is not the JSON that COCO describes", "Export it again."),
    "unknown_image_id": Cause("A box refers to an image that the file does not list", "Export the file again."),
    "no_image_size": Cause("The annotation does not say how large its image is", "Save it again with its size."),
    "size_mismatch": Cause(
        "The annotation was made for an image of another size", "Annotate this image, or bring back that one."
    ),
    # a box
    "not_a_number": Cause("A coordinate is missing or no finite number", "Draw the box again."),
    "empty_box": Cause("The box has no area", "Remove the box or draw it again."),
    "inverted_box": Cause("The box's minimum lies beyond its maximum", "Swap the corners."),
    "box_outside": Cause("The box reaches more than 1 px beyond the image", "Draw the box again."),
    "bad_class_name": Cause("The class's name is missing or not printable", "Name the object's class."),
    "unknown_class": Cause(
        "The class is not among those that the collection declares", "Correct the name, or declare the class."
    ),
}


class Problem(NamedTuple):
    """One cause, found in one place: the file (relative to the source), the field in it, the value there."""

    code: str
    file: str
    field: str = ""
    value: str = ""


class Refused(ValueError):
    """Raised by what reads a file or an image when a ``Problem`` makes it unusable."""

    def __init__(self, code: str, file: str, field: str = "", value: object = "") -> None:
        self.problem = Problem(code, file, field, str(value))
        super().__init__(f"{printable(file)} {field}: {CAUSES[code].what} ({printable(str(value))})")


def fault(problem: Problem, *, images: int = 0, boxes: int = 0) -> Fault:
    """A problem as the batch's quarantine records it, with the number of images and boxes that it costs."""
    what, remedy = CAUSES[problem.code]
    return Fault(
        code=problem.code,
        file=printable(problem.file),
        field=problem.field,
        value=printable(problem.value),
        message=f"{what}. {remedy}",
        images=images,
        boxes=boxes,
    )


def printable(text: str) -> str:
    """Text of unknown origin, shortened and fit for a document: no control characters, no half surrogates."""
    if len(text) > LONGEST_VALUE:
        text = text[:LONGEST_VALUE] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Notes:
    """What was odd but harmless, told once per kind with a count and the first example."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, example: str) -> None:
        count, first = self._kinds.get(kind, (0, example))
        self._kinds[kind] = (count + 1, first)

    def told(self) -> tuple[str, ...]:
        return tuple(f"{count} x {kind} (first: {printable(first)})" for kind, (count, first) in self._kinds.items())
