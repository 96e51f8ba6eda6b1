"""lanner.yaml: what is right is read, what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from include import settings


def write(folder: Path, text: str) -> Path:
    file = folder / "lanner.yaml"
    file.write_text(text)
    return file


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert settings.load(tmp_path / "none.yaml").collections == {}


def test_names_line_and_field_of_every_fault(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
store: here
collections:
  raccoon:
    source: images
    shares: {train: 0.9, validation: 0.2, holdout: 0.1}
    targets:
      local:
        preset: fast
  Cats: {source: x}
colour: blue
""",
    )
    with pytest.raises(settings.SettingsError) as refused:
        settings.load(file)
    lines = str(refused.value).splitlines()
    assert lines[0].startswith(f"{file}:5: collections.raccoon.shares: the shares add up to 1.2, expected 1")
    assert lines[1].startswith(f"{file}:8: collections.raccoon.targets.local.preset: Input should be 'default'")
    assert "got 'fast'" in lines[1]
    assert lines[2].startswith(f"{file}:9: collections.Cats")
    assert lines[3].startswith(f"{file}:10: colour: Extra inputs are not permitted")


@pytest.mark.parametrize(("text", "line"), [("store: [1, 2\ncollections: {}\n", 2), ("- a\n- b\n", 1)])
def test_says_where_it_is_no_settings_file(tmp_path: Path, text: str, line: int) -> None:
    file = write(tmp_path, text)
    with pytest.raises(settings.SettingsError, match=f"{file}:{line}: "):
        settings.load(file)


def test_a_schedule_needs_a_place_for_the_day(tmp_path: Path) -> None:
    file = write(tmp_path, "collections:\n  a:\n    source: images\n    schedule: '@daily'\n")
    with pytest.raises(settings.SettingsError, match=r":2: collections\.a: .*needs \{batch\} in its source"):
        settings.load(file)


def test_adds_a_collection_and_keeps_comments(tmp_path: Path) -> None:
    file = write(tmp_path, "# ours\nstore: here  # in the cellar\ncollections:\n  a:\n    source: x  # photos\n")
    assert settings.put_collection("b", {"source": "y"}, file)
    assert settings.put_collection("a", {"targets": {"local": {"preset": "sample"}}}, file)
    text = file.read_text()
    assert "# ours" in text
    assert "store: here  # in the cellar" in text
    assert "source: x  # photos" in text
    loaded = settings.load(file)
    assert loaded.collection("b").source == "y"
    assert loaded.collection("a").targets["local"].preset == "sample"


def test_adding_the_same_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "lanner.yaml"
    assert settings.put_collection("a", {"source": "x"}, file)
    before = file.stat().st_mtime_ns
    assert not settings.put_collection("a", {"source": "x"}, file)
    assert file.stat().st_mtime_ns == before


def test_a_bad_change_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = write(tmp_path, "collections:\n  a:\n    source: x\n")
    before = file.read_bytes()
    with pytest.raises(settings.SettingsError):
        settings.put_collection("a", {"split": "thirds"}, file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_unknown_collection_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    file = write(tmp_path, "collections:\n  a:\n    source: x\n")
    with pytest.raises(settings.SettingsError, match=r"no collection 'b'.*it has: a"):
        settings.load(file).collection("b")


def test_a_bucket_for_each_region(tmp_path: Path) -> None:
    file = write(tmp_path, "google: {bucket: ours, buckets: {europe-west4: theirs, us-east1: ours}}\n")
    google = settings.load(file).require_google()
    asked = ("us-central1", "europe-west4", "us-east1", "asia-east1")
    assert [google.bucket_in(region) for region in asked] == ["ours", "theirs", "ours", None]
    assert google.all_buckets == ("ours", "theirs")


@pytest.mark.parametrize(
    ("buckets", "line", "complaint"),
    [
        ("{us-central1: theirs}", 1, "google: buckets names theirs for us-central1, which is google.region"),
        ("{europe-west4: Theirs}", 3, "google.buckets.europe-west4: String should match"),
        ("{Europe: theirs}", 3, "google.buckets.Europe"),
    ],
)
def test_what_cannot_be_a_bucket_of_a_region(tmp_path: Path, buckets: str, line: int, complaint: str) -> None:
    file = write(tmp_path, f"google:\n  bucket: ours\n  buckets: {buckets}\n")
    with pytest.raises(settings.SettingsError) as refused:
        settings.load(file)
    assert str(refused.value).startswith(f"{file}:{line}: {complaint}")


def test_the_clusters_of_azure(tmp_path: Path) -> None:
    fields = "{resource_group: ours, workspace: ours-ml, clusters: {t4: gpus, cpu-spot: cheap}}"
    azure = settings.load(write(tmp_path, f"azure: {fields}\n")).require_azure()
    asked = (("t4", False), ("t4", True), ("cpu", True))
    assert [azure.cluster(preset, spot=spot) for preset, spot in asked] == ["gpus", "lanner-t4-spot", "cheap"]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("{workspace: ours-ml}", "azure.resource_group: Field required"),
        ("{resource_group: ours}", "azure.workspace: Field required"),
        ("{resource_group: ours., workspace: ours-ml}", "azure.resource_group: String should match"),
        ("{resource_group: ours, workspace: ml}", "azure.workspace: String should match"),
        ("{resource_group: ours, workspace: ours-ml, region: West Europe}", "azure.region: String should match"),
        ("{resource_group: ours, workspace: ours-ml, subscription: ours}", "azure.subscription: String should match"),
        ("{resource_group: ours, workspace: ours-ml, clusters: {t4: t4}}", "azure.clusters.t4: String should match"),
        (
            "{resource_group: ours, workspace: ours-ml, queue_minutes: 0}",
            "azure.queue_minutes: Input should be greater",
        ),
    ],
)
def test_the_section_of_azure_names_what_is_wrong(tmp_path: Path, fields: str, complaint: str) -> None:
    with pytest.raises(settings.SettingsError, match=complaint):
        settings.load(write(tmp_path, f"azure: {fields}\n"))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("{role: 'arn:aws:iam::123456789012:role/trainer'}", "aws.bucket: Field required"),
        ("{bucket: our-bucket}", "aws.role: Field required"),
        ("{bucket: our-bucket, role: trainer}", r"aws.role: String should match pattern .*\(got 'trainer'\)"),
        ("{bucket: Our_Bucket, role: 'arn:aws:iam::123456789012:role/trainer'}", "aws.bucket: String should match"),
        (
            "{bucket: our-bucket, role: 'arn:aws:iam::123456789012:role/path/of/trainer', region: Frankfurt}",
            "aws.region: String should match",
        ),
        (
            "{bucket: our-bucket, role: 'arn:aws-cn:iam::123456789012:role/trainer', subnets: [subnet-1]}",
            "aws: a VPC needs both subnets and security_groups",
        ),
    ],
)
def test_the_section_of_aws_names_what_is_wrong(tmp_path: Path, fields: str, complaint: str) -> None:
    with pytest.raises(settings.SettingsError, match=complaint):
        settings.load(write(tmp_path, f"aws: {fields}\n"))
