"""A job of the built-in detector: each rule finds its fault, among them the four that everybody meets first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.builtin_detector import BuiltinConfiguration, hyperparameters
from include.checks.aws.builtin import RULES
from include.checks.aws.builtin_job import FOUR, IMAGE_TYPES, BuiltinJob, Channel
from include.checks.aws.hyperparameters import HYPERPARAMETERS
from include.checks.rule import Rule, check

CHANNELS = tuple(
    Channel(name, f"s3://our-bucket/lanner/{name}", "application/x-image", objects=20, region="us-east-1")
    for name in FOUR
)
PIPES = tuple(
    replace(
        channel,
        uri=f"{channel.uri}.manifest",
        content_type="application/x-recordio",
        data_type="AugmentedManifestFile",
        input_mode="Pipe",
        wrapper="RecordIO",
        attributes=("source-ref", "bounding-box"),
    )
    for channel in CHANNELS[:2]
)
DATA = {"num_classes": 2, "num_training_samples": 100, "label_width": 350}
CHAPTER = hyperparameters(BuiltinConfiguration.preset("default").to_json(), DATA)
SOUND = BuiltinJob(
    region="us-east-1",
    role="arn:aws:iam::123456789012:role/lanner-trainer",
    channels=CHANNELS,
    hyperparameters=CHAPTER,
    training_images=100,
    validation_images=20,
    classes=2,
    most_boxes=69,
)


def channels(**changes: object) -> BuiltinJob:
    """A job of which the first channel is another."""
    return replace(SOUND, channels=(replace(CHANNELS[0], **changes), *CHANNELS[1:]))  # type: ignore[arg-type]


def pipes(**changes: object) -> BuiltinJob:
    """A job in Pipe mode of which the first channel is another."""
    return replace(SOUND, channels=(replace(PIPES[0], **changes), PIPES[1]))  # type: ignore[arg-type]


def given(**changes: str) -> BuiltinJob:
    return replace(SOUND, hyperparameters=CHAPTER | changes)


FAULTS = {
    "S3_PREFIX": (channels(objects=0), "aws s3 ls s3://our-bucket/lanner/"),
    "BATCH_TOO_LARGE": (given(mini_batch_size="20"), "mini_batch_size: 19 or less"),
    "CONTENT_TYPE": (channels(content_type=""), "aws sagemaker create-training-job --input-data-config"),
    "CHANNEL_NAMES": (channels(name="train_channel"), "Name them train, validation, train_annotation"),
    "HYPERPARAMETER": (given(base_network="resnet-101"), "base_network: one of vgg-16, resnet-50"),
    "DATA_MISMATCH": (replace(SOUND, most_boxes=70), "label_width: 352 or more"),
    "INPUT_MODE": (pipes(input_mode="File"), "Set InputMode to Pipe"),
    "MANIFEST_FILE": (pipes(uri="s3://our-bucket/lanner/train/"), "Name the manifest itself"),
    "RECORD_WRAPPER": (pipes(wrapper="None"), "Set RecordWrapperType to RecordIO"),
    "ATTRIBUTE_NAMES": (pipes(attributes=("bounding-box", "source-ref")), "source-ref, bounding-box, in this order"),
}


@pytest.mark.parametrize(
    "job",
    [
        SOUND,
        replace(SOUND, hyperparameters={"num_classes": "2", "num_training_samples": "100"}, validation_images=33),
        replace(SOUND, channels=PIPES),
        replace(SOUND, channels=tuple(replace(each, content_type="application/x-recordio") for each in CHANNELS[:2])),
        replace(SOUND, channels=(*CHANNELS, replace(CHANNELS[0], name="model", content_type=IMAGE_TYPES[1]))),
        replace(SOUND, channels=tuple(replace(each, objects=None, region=None) for each in CHANNELS)),
    ],
    ids=["the chapter's", "defaults", "augmented manifest", "RecordIO", "incremental", "nothing known"],
)
def test_a_sound_job_is_left_in_peace(job: BuiltinJob) -> None:
    assert check(RULES, job) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_fault_is_found_alone_with_its_remedy(rule: Rule[BuiltinJob]) -> None:
    job, remedy = FAULTS[rule.code]
    [finding] = check(RULES, job)
    assert finding.code == rule.code
    assert remedy in finding.remedy
    assert finding.source.startswith("https://docs.aws.amazon.com/sagemaker/")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objects": 0}, "nothing lies under s3://our-bucket/lanner/train"),
        ({"region": ""}, "there is no bucket our-bucket"),
        ({"region": "eu-west-1"}, "our-bucket lies in eu-west-1, the job would run in us-east-1"),
        ({"uri": "our-bucket/lanner"}, "is no place in S3"),
    ],
    ids=["prefix", "bucket", "region", "no address"],
)
def test_what_is_wrong_with_a_place_is_told_apart(changes: dict[str, object], said: str) -> None:
    [finding] = check(RULES, channels(**changes))
    assert said in finding.wrong


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (channels(input_mode="Pipe"), "INPUT_MODE"),
        (pipes(content_type="application/x-image"), "CONTENT_TYPE"),
        (replace(SOUND, channels=(*PIPES, *CHANNELS[2:])), "CHANNEL_NAMES"),
        (pipes(attributes=("source-ref",)), "ATTRIBUTE_NAMES"),
    ],
    ids=["images without a manifest", "images in a manifest", "annotations besides", "images alone"],
)
def test_what_else_is_wrong_with_pipes(job: BuiltinJob, code: str) -> None:
    assert [each.code for each in check(RULES, job)] == [code]


@pytest.mark.parametrize(("validation", "codes"), [(11, ["BATCH_TOO_LARGE"]), (12, ["BATCH_TOO_LARGE"]), (13, [])])
def test_a_batch_must_be_smaller_than_the_validation_side(validation: int, codes: list[str]) -> None:
    assert [each.code for each in check(RULES, replace(SOUND, validation_images=validation))] == codes


def test_the_default_batch_counts_where_none_is_given() -> None:
    without = {name: text for name, text in CHAPTER.items() if name != "mini_batch_size"}
    found = check(RULES, replace(SOUND, hyperparameters=without, validation_images=32))
    assert ["mini_batch_size is 32" in each.wrong for each in found] == [True]


def test_the_names_that_people_take_for_channels_are_told() -> None:
    names = [f"{name}_channel" for name in FOUR]
    job = replace(SOUND, channels=tuple(replace(each, name=name) for each, name in zip(CHANNELS, names, strict=True)))
    [finding] = check(RULES, job)
    assert "Without _channel: train_channel (meant: train)" in finding.wrong


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("base_network", ["vgg-16", "resnet-50"], ["resnet50", ""]),
        ("early_stopping", ["True", "false"], ["1", "yes"]),
        ("early_stopping_min_epochs", ["1"], ["0", "-1"]),
        ("early_stopping_patience", ["5"], ["0"]),
        ("early_stopping_tolerance", ["0", "0.0", "1"], ["-0.1", "1.1", "nan"]),
        ("image_shape", ["300", "512"], ["299", "300.5"]),
        ("epochs", ["1", "1000"], ["0", "1.5", "many"]),
        ("freeze_layer_pattern", ["^(conv1_|conv2_).*", "", "false"], ["("]),
        ("kv_store", ["dist_sync", "dist_async"], ["sync"]),
        ("label_width", ["352"], ["0", "-350"]),
        ("learning_rate", ["0.001", "1"], ["0", "1.01", "inf"]),
        ("lr_scheduler_factor", ["0.1"], ["0", "1"]),
        ("lr_scheduler_step", ["", "10", "10, 20"], ["10;20", "ten"]),
        ("mini_batch_size", ["1", "12"], ["0", "12.0"]),
        ("momentum", ["0.9", "1"], ["0", "2"]),
        ("nms_threshold", ["0.45"], ["0"]),
        ("num_classes", ["2"], ["0", "two"]),
        ("num_training_samples", ["100"], ["0", "-100"]),
        ("optimizer", ["sgd", "adam", "rmsprop", "adadelta"], ["Adam", "lamb"]),
        ("overlap_threshold", ["0.5"], ["0", "1.5"]),
        ("use_pretrained_model", ["0", "1"], ["True", "2"]),
        ("weight_decay", ["0.0005"], ["0", "1"]),
    ],
)
def test_every_documented_range(name: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not HYPERPARAMETERS[name].is_good(text)] == []
    assert [text for text in bad if HYPERPARAMETERS[name].is_good(text)] == []
    for text in bad:
        [finding] = [each for each in check(RULES, given(**{name: text})) if each.code == "HYPERPARAMETER"]
        assert f"{name} is {text!r}; expected {HYPERPARAMETERS[name].allowed}" in finding.wrong


def test_every_hyperparameter_has_its_range_tested() -> None:
    [tested] = [
        {case[0] for case in mark.args[1]}
        for mark in test_every_documented_range.pytestmark  # type: ignore[attr-defined]
    ]
    assert tested == HYPERPARAMETERS.keys()


@pytest.mark.parametrize("name", ["num_classes", "num_training_samples"])
def test_what_has_no_default_must_be_given(name: str) -> None:
    without = {each: text for each, text in CHAPTER.items() if each != name}
    [finding] = check(RULES, replace(SOUND, hyperparameters=without))
    assert f"{name} is missing" in finding.wrong


def test_what_there_is_not_and_what_the_data_say_otherwise() -> None:
    found = check(RULES, given(batch_size="12", num_classes="3", num_training_samples="99"))
    assert [each.code for each in found] == ["HYPERPARAMETER", "DATA_MISMATCH", "DATA_MISMATCH"]
    assert "There is no hyperparameter batch_size" in found[0].wrong
    assert "num_classes is 3; the data have 2" in found[1].wrong
