"""Pascal VOC annotation files: one XML per image.

Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html (section "Annotation").
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from include.dataset.annotation import Annotation


def write_annotation(annotation: Annotation) -> bytes:
    """An annotation as a VOC XML file. Coordinates that are whole numbers are written without a point."""
    lines = [
        "<annotation>",
        f"  <filename>{escape(annotation.image)}</filename>",
        f"  <size><width>{annotation.width}</width><height>{annotation.height}</height><depth>3</depth></size>",
    ]
    for box in annotation.boxes:
        corners = "".join(f"<{name}>{getattr(box, name):g}</{name}>" for name in ("xmin", "ymin", "xmax", "ymax"))
        lines.append(
            f"  <object><name>{escape(box.label)}</name><difficult>{box.difficult:d}</difficult>"
            f"<bndbox>{corners}</bndbox></object>"
        )
    lines.append("</annotation>\n")
    return "\n".join(lines).encode()
