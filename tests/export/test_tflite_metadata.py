from __future__ import annotations

import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from include.export.tflite_metadata import BUFFER_ALIGNMENT, build_metadata
from tests.toy_collection import COLOURS


@pytest.fixture(params=["tflite_fp32", "tflite_fp16", "tflite_int8"])
def file(request, exports):
    return exports[request.param]


def read_table(data: bytes, position: int | None = None) -> flatbuffers.table.Table:
    root = flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0)
    return flatbuffers.table.Table(data, root if position is None else position)


def field(table: flatbuffers.table.Table, slot: int) -> int:
    """Position of a field's value in the buffer."""
    offset = table.Offset(4 + 2 * slot)
    assert offset, f"field {slot} is not set"
    return offset + table.Pos


def text(table: flatbuffers.table.Table, slot: int) -> str:
    return table.String(field(table, slot)).decode()


def tables(table: flatbuffers.table.Table, slot: int) -> list[flatbuffers.table.Table]:
    start = table.Vector(field(table, slot) - table.Pos)
    length = table.VectorLen(field(table, slot) - table.Pos)
    return [flatbuffers.table.Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(length)]


def embedded_metadata(model: schema.Model) -> bytes:
    (entry,) = [
        entry for i in range(model.MetadataLength()) if (entry := model.Metadata(i)).Name() == b"TFLITE_METADATA"
    ]
    return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()


def test_labels_are_a_file_inside_in_the_order_of_the_class_ids(file):
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode().splitlines() == list(COLOURS)


def test_metadata_describes_the_tensors_in_the_model_s_own_order(file):
    model = schema.Model.GetRootAs(file.read_bytes(), 0)
    metadata = embedded_metadata(model)
    assert metadata[4:8] == b"M001"

    (subgraph,) = tables(read_table(metadata), 3)
    signature = model.SignatureDefs(0)
    names = {signature.Outputs(i).TensorIndex(): signature.Outputs(i).Name().decode() for i in range(4)}
    expected = [names[index] for index in model.Subgraphs(0).OutputsAsNumpy()]
    assert [text(output, 0) for output in tables(subgraph, 3)] == expected
    assert [text(image, 0) for image in tables(subgraph, 2)] == ["image"]


def test_the_classes_output_names_the_labels_file():
    metadata = build_metadata(["image"], ["detection_scores", "detection_classes"], input_size=64)
    (subgraph,) = tables(read_table(metadata), 3)
    scores, classes = tables(subgraph, 3)
    (labels,) = tables(classes, 6)
    assert text(labels, 0) == "labels.txt"
    assert labels.Get(flatbuffers.number_types.Int8Flags, field(labels, 2)) == 3  # TENSOR_VALUE_LABELS
    assert scores.Offset(4 + 2 * 6) == 0


def test_weights_stay_aligned_for_reading_in_place(file):
    data = file.read_bytes()
    model = schema.Model.GetRootAs(data, 0)
    base = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    for i in range(model.BuffersLength()):
        if not (buffer := model.Buffers(i)).DataIsNone():
            assert (buffer.DataAsNumpy().__array_interface__["data"][0] - base) % BUFFER_ALIGNMENT == 0


def test_the_boxes_output_says_which_edge_stands_where():
    metadata = build_metadata(["image"], ["detection_boxes"], input_size=64)
    (subgraph,) = tables(read_table(metadata), 3)
    (boxes,) = tables(subgraph, 3)
    content = flatbuffers.table.Table(metadata, boxes.Indirect(field(boxes, 3)))
    assert content.Get(flatbuffers.number_types.Uint8Flags, field(content, 0)) == 3  # BoundingBoxProperties
    properties = flatbuffers.table.Table(metadata, content.Indirect(field(content, 1)))
    order = properties.GetVectorAsNumpy(flatbuffers.number_types.Uint32Flags, field(properties, 0) - properties.Pos)
    edges = ("ymin", "xmin", "ymax", "xmax")
    assert [edges[i] for i in order] == ["xmin", "ymin", "xmax", "ymax"], "left, top, right, bottom"
