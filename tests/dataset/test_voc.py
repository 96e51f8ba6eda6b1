"""Reading and writing single VOC files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.dataset.annotation import Annotation, Box
from include.dataset.quarantine import Refused
from include.dataset.voc import read_annotation, write_annotation

LABELLED = b"""<?xml version="1.0"?>
<annotation verified="yes">
  <folder>x</folder><filename> a&amp;b.jpg </filename>
  <size><width>640</width><height>480</height><depth>3</depth></size>
  <object>
    <name>person</name><pose>Left</pose><truncated>1</truncated><difficult>1</difficult>
    <part><name>head</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part>
    <bndbox><xmax>100.5</xmax><xmin>10</xmin><ymin>2e1</ymin><ymax> 90 </ymax></bndbox>
  </object>
</annotation>"""


def test_reads_the_object_and_not_its_parts() -> None:
    annotation = read_annotation(LABELLED, "a.xml")
    assert (annotation.image, annotation.width, annotation.height) == ("a&b.jpg", 640, 480)
    assert annotation.boxes == (Box("person", 10, 20, 100.5, 90, difficult=True),)
    assert annotation.problems == ()


def test_numbers_that_are_none_are_reported_with_their_text_and_the_box_is_counted() -> None:
    text = LABELLED.replace(b"100.5", b"wide").replace(b"2e1", b"inf").replace(b"<xmin>10</xmin>", b"")
    annotation = read_annotation(text, "a.xml")
    assert len(annotation.boxes) == 1
    assert {(problem.field, problem.value) for problem in annotation.problems} == {
        ("object[0]/bndbox/xmin", ""),
        ("object[0]/bndbox/ymin", "inf"),
        ("object[0]/bndbox/xmax", "wide"),
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "bad_xml"),
        (LABELLED[:200], "bad_xml"),
        (b"<html></html>", "bad_xml"),
        (b'<?xml version="1.0" encoding="klingon"?><annotation/>', "bad_xml"),
        (b"<!DOCTYPE annotation><annotation/>", "forbidden_xml"),
        (b'<!DOCTYPE a [<!ENTITY l SYSTEM "file:///etc/hostname">]><annotation>&l;</annotation>', "forbidden_xml"),
    ],
)
def test_refuses(text: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read_annotation(text, "a.xml")
    assert refused.value.problem.code == code
    assert "a.xml" in str(refused.value)


finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)


@given(names, st.lists(st.builds(Box, names, finite, finite, finite, finite, st.booleans())))
def test_what_is_written_is_read_back_to_the_last_bit(image: str, boxes: list[Box]) -> None:
    written = write_annotation(Annotation("", image, 640, 480, tuple(boxes)))
    read = read_annotation(written, "a.xml")
    assert (read.image, read.width, read.height, read.boxes) == (image, 640, 480, tuple(boxes))
