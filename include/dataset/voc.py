"""Pascal VOC annotation files: one XML per image.

Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html (section "Annotation").
"""

from __future__ import annotations

from math import isfinite, nan
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import escape

from include.dataset.annotation import Annotation, Box, pixels
from include.dataset.quarantine import Problem, Refused

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_annotation(data: bytes, file: str) -> Annotation:
    """Read one VOC file; ``file`` is its name for messages.

    Objects are taken from ``annotation/object``; boxes of an object's parts are passed over. A coordinate that is
    no finite number becomes NaN and one of the annotation's problems, so that every box is counted.

    Raises:
        Refused: ``bad_xml``, or ``forbidden_xml`` for any DTD, hence any entity (billion laughs, XXE).
    """
    parser = ElementTree.XMLParser() if _is_plain(data) else ElementTree.XMLParser(target=_NoDtd(file))
    try:
        parser.feed(data)
        root = parser.close()
    except ElementTree.ParseError as error:
        raise Refused("bad_xml", file, f"line {error.position[0]}", expat.ErrorString(error.code)) from error
    except Refused:
        raise
    except (LookupError, ValueError) as error:  # an encoding that expat or Python does not know
        raise Refused("bad_xml", file, value=error) from error
    if root.tag != "annotation":
        raise Refused("bad_xml", file, "the root element", root.tag)
    width = height = image = path = ""
    boxes: list[Box] = []
    problems: list[Problem] = []
    for element in root:
        if element.tag == "object":
            boxes.append(_box(element, file, len(boxes), problems))
        elif element.tag == "filename":
            image = _text(element)
        elif element.tag == "path":
            path = _text(element)
        elif element.tag == "size":
            width, height = element.findtext("width", ""), element.findtext("height", "")
    return Annotation(
        file=file,
        image=image,
        width=pixels(number(width)),
        height=pixels(number(height)),
        boxes=tuple(boxes),
        where=tuple([f"object[{index}]/bndbox" for index in range(len(boxes))]),
        problems=tuple(problems),
        path=path,
    )


def _is_plain(data: bytes) -> bool:
    """Is this XML that cannot hold a declaration? Without ``<?`` and zero bytes it is UTF-8, where ``<!`` starts each.

    The plain tree builder is a quarter faster than one that is asked about declarations.
    """
    return b"<!" not in data and b"<?" not in data and b"\0" not in data


class _NoDtd(ElementTree.TreeBuilder):
    """Builds the tree, in C; stops at a document type declaration, without which there are no entities either."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file

    def doctype(self, *_declaration: object) -> None:
        raise Refused("forbidden_xml", self.file)


def _box(element: ElementTree.Element, file: str, index: int, problems: list[Problem]) -> Box:
    """The box of one object; coordinates that are none are added to ``problems``."""
    label, difficult = "", False
    given: dict[str, str | None] = {}
    for field in element:
        tag = field.tag
        if tag == "bndbox":
            given = {corner.tag: corner.text for corner in field}
        elif tag == "name":
            label = _text(field)
        elif tag == "difficult":
            difficult = _text(field) == "1"
    try:
        xmin, ymin, xmax, ymax = corners = [float(given[corner]) for corner in CORNERS]  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        xmin, ymin, xmax, ymax = corners = [number(given.get(corner) or "") for corner in CORNERS]
    if not isfinite(xmin + ymin + xmax + ymax):
        for corner, value in zip(CORNERS, corners, strict=True):
            if not isfinite(value):
                where = f"object[{index}]/bndbox/{corner}"
                problems.append(Problem("not_a_number", file, where, (given.get(corner) or "").strip()))
    return Box(label, xmin, ymin, xmax, ymax, difficult)


def _text(element: ElementTree.Element) -> str:
    return (element.text or "").strip()


def number(text: str) -> float:
    """The number that a text holds, or NaN."""
    try:
        return float(text)
    except ValueError:
        return nan


def write_annotation(annotation: Annotation) -> bytes:
    """An annotation as a VOC XML file. Coordinates that are whole numbers are written without a point."""
    lines = [
        "<annotation>",
        f"  <filename>{escape(annotation.image)}</filename>",
        f"  <size><width>{annotation.width}</width><height>{annotation.height}</height><depth>3</depth></size>",
    ]
    for box in annotation.boxes:
        corners = "".join(f"<{name}>{_plain(getattr(box, name))}</{name}>" for name in CORNERS)
        lines.append(
            f"  <object><name>{escape(box.label)}</name><difficult>{box.difficult:d}</difficult>"
            f"<bndbox>{corners}</bndbox></object>"
        )
    lines.append("</annotation>\n")
    return "\n".join(lines).encode()


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
