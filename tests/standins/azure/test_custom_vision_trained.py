"""One training to its end, and all that may be done with it. The others are about how it comes to that."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException,
    Export,
    ImageIdCreateBatch,
    ImageIdCreateEntry,
    Iteration,
    Project,
    SuggestedTagAndRegionQueryToken,
    Tag,
)

from tests.standins.azure.custom_vision_account import COMPACT_S1
from tests.standins.azure.custom_vision_client import (
    PREDICTION_RESOURCE,
    CustomVisionClient,
    custom_vision_standin,
)
from tests.standins.azure.custom_vision_fixtures import QUICK, drawn, entry, picture, refused, region, send
from tests.standins.azure.custom_vision_model import resized
from tests.standins.processes import until

IMAGES = 30


@dataclass(frozen=True)
class Trained:
    """A client, and a project whose first iteration is trained."""

    client: CustomVisionClient
    project: Project
    tags: list[Tag]
    iteration: Iteration
    sent: Path

    @property
    def ids(self) -> tuple[str, str]:
        return self.project.id, self.iteration.id


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("trained")
    with custom_vision_standin(folder / "state", *QUICK, "--sent", str(folder / "sent")) as server:
        client = CustomVisionClient(server.url)
        api = client.training
        project = api.create_project("squares", domain_id=COMPACT_S1, target_export_platforms=["TensorFlow"])
        tags = [api.create_tag(project.id, name) for name in ("square", "picture")]
        entries = []
        for seed in range(IMAGES):
            contents, edges = drawn(seed)
            entries.append(entry(contents, region(tags[0], edges), region(tags[1], (0, 0, 1, 1))))
        assert send(client, project, *entries).is_batch_successful
        iteration = client.reaches(project.id, api.train_project(project.id).id, {"Completed"}, seconds=1200)
        yield Trained(client, project, tags, iteration, folder / "sent")


def test_it_tells_when_it_was_trained_and_what_it_can_become(trained: Trained) -> None:
    assert trained.iteration.exportable
    assert {"TensorFlow", "CoreML"} <= set(trained.iteration.exportable_to)
    assert trained.iteration.training_time_in_minutes >= 1
    assert trained.iteration.trained_at > trained.iteration.created
    assert [each.id for each in trained.client.training.get_iterations(trained.project.id)] == [trained.iteration.id]


def test_it_is_not_trained_again_for_nothing(trained: Trained) -> None:
    api = trained.client.training
    with pytest.raises(CustomVisionErrorException) as error:
        api.train_project(trained.project.id)
    assert refused(error) == (400, "BadRequestTrainingNotNeeded", "Nothing changed since last training")
    trained.client.control("next", {"hold": "Training", "count": 2})
    for how in ({"force_train": True}, {"training_type": "Advanced", "reserved_budget_in_hours": 1}):
        again = api.train_project(trained.project.id, **how)
        api.delete_iteration(trained.project.id, again.id)


def test_it_is_measured_on_images_that_it_held_out(trained: Trained) -> None:
    """The figures are those of its own answers for these images."""
    api = trained.client.training
    images = api.get_image_performances(*trained.ids)
    assert len(images) == api.get_image_performance_count(*trained.ids) == IMAGES // 5
    assert all(len(image.regions) == 2 and image.predictions for image in images)
    everything = api.get_iteration_performance(*trained.ids, threshold=0, overlap_threshold=0)
    nothing = api.get_iteration_performance(*trained.ids, threshold=1, overlap_threshold=0.5)
    assert {tag.name for tag in everything.per_tag_performance} == {"square", "picture"}
    assert everything.recall == 1  # each object is found, however improbable and far away
    assert (nothing.precision, nothing.recall) == (0, 0)
    assert 0 < everything.average_precision <= 1
    mean = sum(tag.average_precision for tag in everything.per_tag_performance) / 2
    assert everything.average_precision == pytest.approx(mean)


def test_it_answers_under_its_name_while_it_is_published(trained: Trained) -> None:
    api, detect = trained.client.training, trained.client.prediction
    with pytest.raises(Exception, match="not published"):
        detect.detect_image_with_no_store(trained.project.id, "first", picture(1))
    assert api.publish_iteration(*trained.ids, "first", PREDICTION_RESOURCE)
    found = detect.detect_image_with_no_store(trained.project.id, "first", picture(1))
    assert (found.project, found.iteration) == trained.ids
    assert {each.tag_name for each in found.predictions} <= {"square", "picture"}
    probabilities = [each.probability for each in found.predictions]
    assert probabilities == sorted(probabilities, reverse=True)
    boxes = [each.bounding_box for each in found.predictions]
    assert all(box.left >= 0 and box.left + box.width <= 1 + 1e-6 and box.height > 0 for box in boxes)
    with pytest.raises(CustomVisionErrorException) as error:
        api.publish_iteration(*trained.ids, "second", PREDICTION_RESOURCE)
    assert refused(error)[1:] == ("BadRequestIterationIsPublished", "Iteration is already published as: first")
    for remove in (lambda: api.delete_iteration(*trained.ids), lambda: api.delete_project(trained.project.id)):
        with pytest.raises(CustomVisionErrorException) as error:
            remove()
        assert refused(error)[1] == "BadRequestIterationIsPublished"
    assert api.publish_iteration(*trained.ids, "second", PREDICTION_RESOURCE, overwrite=True)
    assert api.get_iteration(*trained.ids).publish_name == "second"
    api.unpublish_iteration(*trained.ids)
    with pytest.raises(CustomVisionErrorException) as error:
        api.unpublish_iteration(*trained.ids)
    assert refused(error)[1] == "BadRequestIterationNotPublished"


def test_where_it_cannot_be_published(trained: Trained) -> None:
    for name, resource, code in (
        ("x", "my-resource", "BadRequestInvalidPublishTarget"),
        (" ", PREDICTION_RESOURCE, "BadRequestInvalidPublishName"),
    ):
        with pytest.raises(CustomVisionErrorException) as error:
            trained.client.training.publish_iteration(*trained.ids, name, resource)
        assert refused(error)[1] == code


def test_images_for_predictions_have_their_own_limits(trained: Trained) -> None:
    api, detect = trained.client.training, trained.client.prediction
    api.publish_iteration(*trained.ids, "limits", PREDICTION_RESOURCE)
    try:
        for image, code in (
            (picture(1) + bytes(4 << 20), "BadRequestImageSizeBytes"),
            (b"text", "BadRequestImageFormat"),
        ):
            with pytest.raises(Exception, match="Image") as error:
                detect.detect_image_with_no_store(trained.project.id, "limits", image)
            assert error.value.error.code == code
    finally:
        api.unpublish_iteration(*trained.ids)


def test_a_stored_prediction_can_become_a_training_image(trained: Trained) -> None:
    """One that is not stored leaves no trace, but for the copy of all that was sent."""
    api = trained.client.training
    stored = api.quick_test_image(trained.project.id, picture(200), iteration_id=trained.iteration.id)
    unstored = api.quick_test_image(trained.project.id, picture(201), iteration_id=trained.iteration.id, store=False)
    batch = api.create_images_from_predictions(trained.project.id, by_id(stored.id))
    assert [each.status for each in batch.images] == ["OK"]
    with pytest.raises(CustomVisionErrorException) as error:
        api.create_images_from_predictions(trained.project.id, by_id(unstored.id))
    assert refused(error)[1] == "BadRequestPredictionIdsMissing"
    api.delete_images(trained.project.id, [batch.images[0].image.id])
    api.delete_prediction(trained.project.id, [stored.id])
    kept = {file.read_bytes() for file in trained.sent.rglob("predictions/*")}
    assert {picture(200), picture(201)} <= kept
    assert len(list(trained.sent.rglob("images/*"))) >= IMAGES


def by_id(prediction: str) -> ImageIdCreateBatch:
    return ImageIdCreateBatch(images=[ImageIdCreateEntry(id=prediction)])


def test_it_suggests_regions_for_untagged_images(trained: Trained) -> None:
    """The uncertain first, page by page, as the smart labeller of the portal does."""
    api = trained.client.training
    batch = send(trained.client, trained.project, *(entry(picture(seed)) for seed in range(300, 303)))
    ids = [each.image.id for each in batch.images]
    try:
        suggested = api.suggest_tags_and_regions(*trained.ids, ids)
        assert len(suggested) == 3
        assert all(0 <= each.prediction_uncertainty <= 1 for each in suggested)
        token = SuggestedTagAndRegionQueryToken(threshold=0.0, max_count=2, sort_by="UncertaintyDescending")
        first = api.query_suggested_images(*trained.ids, token)
        second = api.query_suggested_images(*trained.ids, first.token)
        told = [*first.results, *second.results]
        with_any = [image for image, each in zip(ids, suggested, strict=True) if each.predictions]
        assert sorted(each.id for each in told) == sorted(with_any)
        doubts = [each.prediction_uncertainty for each in told]
        assert doubts == sorted(doubts, reverse=True)
        counts = api.query_suggested_image_count(*trained.ids, tag_ids=[trained.tags[0].id], threshold=0.0)
        assert set(counts) <= {trained.tags[0].id}
    finally:
        api.delete_images(trained.project.id, ids)


@pytest.fixture(scope="module")
def exports(trained: Trained) -> dict[tuple[str, str | None], Export]:
    """Exports that have ended, by platform and flavor."""
    api = trained.client.training
    wanted = [("TensorFlow", None), ("TensorFlow", "TensorFlowLite"), ("CoreML", None), ("ONNX", None)]
    for platform, flavor in wanted:
        asked = api.export_iteration(*trained.ids, platform, flavor=flavor)
        assert (asked.status, asked.download_uri) == ("Exporting", None)

    def ended() -> list[Export]:
        found = api.get_exports(*trained.ids)
        return found if all(each.status != "Exporting" for each in found) else []

    return {(each.platform, each.flavor): each for each in until(ended, 120, "the end of all exports")}


def archive(export: Export) -> zipfile.ZipFile:
    """What an export's address gives, without a key."""
    with urllib.request.urlopen(export.download_uri) as answer:
        return zipfile.ZipFile(io.BytesIO(answer.read()))


def test_archives_have_what_they_say(exports: dict[tuple[str, str | None], Export]) -> None:
    for key, model in ((("TensorFlow", None), "model.pb"), (("TensorFlow", "TensorFlowLite"), "model.tflite")):
        files = archive(exports[key])
        manifest = json.loads(files.read("cvexport.manifest"))
        assert (manifest["Platform"], manifest["Flavor"], manifest["ModelFileName"]) == (*key, model)
        assert files.read("labels.txt").decode().split() == ["square", "picture"]
        assert json.loads(files.read("metadata_properties.json"))["Image.BitmapPixelFormat"] == "Rgb8"
        assert model in files.namelist()
    assert "NO_MODEL.txt" in archive(exports["CoreML", None]).namelist()
    assert exports["ONNX", None].status == "Failed"


def test_exports_that_cannot_be(trained: Trained, exports: dict[tuple[str, str | None], Export]) -> None:
    api = trained.client.training
    for platform, flavor, code in (
        ("TensorFlow", None, "BadRequestExportAlreadyInProgress"),
        ("TensorFlow", "Linux", "BadRequestExportValidationFailed"),
        ("VAIDK", None, "BadRequestExportValidationFailed"),
    ):
        with pytest.raises(CustomVisionErrorException) as error:
            api.export_iteration(*trained.ids, platform, flavor=flavor)
        assert refused(error)[1] == code
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{exports['CoreML', None].download_uri}-x")


def test_all_forms_of_the_model_agree(
    trained: Trained, exports: dict[tuple[str, str | None], Export], tmp_path: Path
) -> None:
    """Both are read as Microsoft's samples read them: a graph's outputs are what no node uses, LiteRT's have names."""
    lite = tmp_path / "model.tflite"
    lite.write_bytes(archive(exports["TensorFlow", "TensorFlowLite"]).read("model.tflite"))
    answer = trained.client.training.quick_test_image(*trained.ids[:1], picture(7), trained.iteration.id, store=False)
    image = resized(picture(7), 64)[None]
    by_lite = run_lite(lite, image)
    by_graph = run_graph(archive(exports["TensorFlow", None]).read("model.pb"), image)
    assert set(by_graph) == set(by_lite) == {"detected_boxes", "detected_classes", "detected_scores"}
    for name, values in by_lite.items():
        assert len(values) == 64
        count = min(5, int((by_lite["detected_scores"] > 0).sum()))
        np.testing.assert_allclose(by_graph[name][:count], values[:count], atol=1e-3)
    best = answer.predictions[0]
    assert best.probability == pytest.approx(by_lite["detected_scores"][0], abs=1e-6)
    assert best.tag_id == trained.tags[by_lite["detected_classes"][0]].id
    assert best.bounding_box.left == pytest.approx(by_lite["detected_boxes"][0][0], abs=1e-6)


def run_lite(path: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return {each["name"]: interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()}


def run_graph(content: bytes, image: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef.FromString(content)
    used = {name.split(":")[0] for node in graph_def.node for name in node.input}
    outputs = [node.name for node in graph_def.node if node.name not in used]
    (source,) = [node.name for node in graph_def.node if node.op == "Placeholder"]
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        tf.import_graph_def(graph_def, name="")
        found = session.run([f"{name}:0" for name in outputs], {f"{source}:0": image})
    return dict(zip(outputs, found, strict=True))
