"""Pascal VOC annotation files: one XML per image.

Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html (section "Annotation").
"""

from __future__ import annotations

from math import isfinite, nan
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
        Refused: ``bad_xml``, or ``forbidden_xml`` for any DTD or entity declaration (billion laughs, XXE).
    """
    reader = _Reader(file)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text.append
    parser.StartDoctypeDeclHandler = reader.forbid
    parser.EntityDeclHandler = reader.forbid
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Refused("bad_xml", file, f"line {error.lineno}", expat.ErrorString(error.code)) from error
    except Refused:
        raise
    except (LookupError, ValueError) as error:  # an encoding that expat or Python does not know
        raise Refused("bad_xml", file, value=error) from error
    return reader.annotation()


class _Reader:
    """Collects the few fields that matter while expat walks the file. Faster than a tree, and refuses DTDs."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.path: list[str] = []
        self.text: list[str] = []
        self.head: dict[str, str] = {}
        self.object: dict[str, str] = {}
        self.boxes: list[Box] = []
        self.problems: list[Problem] = []

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if not self.path and name != "annotation":
            raise Refused("bad_xml", self.file, "the root element", name)
        self.path.append(name)
        self.text.clear()

    def end(self, name: str) -> None:
        path = self.path
        path.pop()
        depth = len(path)
        if depth == 1:
            if name == "object":
                self._finish_object()
            elif name == "filename":
                self.head[name] = "".join(self.text).strip()
        elif (depth == 2 and path[1] == "object") or (depth == 3 and path[2] == "bndbox" and path[1] == "object"):
            self.object[name] = "".join(self.text).strip()
        elif depth == 2 and path[1] == "size":
            self.head[name] = "".join(self.text).strip()
        self.text.clear()

    def forbid(self, *_declaration: object) -> None:
        raise Refused("forbidden_xml", self.file)

    def _finish_object(self) -> None:
        where = f"object[{len(self.boxes)}]/bndbox"
        corners = [number(self.object.get(corner, "")) for corner in CORNERS]
        for corner, value in zip(CORNERS, corners, strict=True):
            if not isfinite(value):
                given = self.object.get(corner, "")
                self.problems.append(Problem("not_a_number", self.file, f"{where}/{corner}", given))
        xmin, ymin, xmax, ymax = corners
        difficult = self.object.get("difficult") == "1"
        self.boxes.append(Box(self.object.get("name", ""), xmin, ymin, xmax, ymax, difficult))
        self.object.clear()

    def annotation(self) -> Annotation:
        return Annotation(
            file=self.file,
            image=self.head.get("filename", ""),
            width=pixels(number(self.head.get("width", ""))),
            height=pixels(number(self.head.get("height", ""))),
            boxes=tuple(self.boxes),
            where=tuple(f"object[{index}]/bndbox" for index in range(len(self.boxes))),
            problems=tuple(self.problems),
        )


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
