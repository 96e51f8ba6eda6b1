"""What an export is looked at for before it is taken for a model: it was made by others, and came over the network."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from include.dataset.archive import ArchiveError
from include.documents import Measure
from training_services.custom_vision.collecting import FORMATS, _unpacked, verify
from training_services.custom_vision.history import measure_of, summary_of

LABELS = ["cat", "dog"]


def packed(folder: Path, files: dict[str, str]) -> Path:
    archive = folder / "export.zip"
    with zipfile.ZipFile(archive, "w") as zip_:
        for name, content in files.items():
            zip_.writestr(name, content)
    return archive


@pytest.mark.parametrize("name", FORMATS)
def test_a_model_with_its_labels_is_one(tmp_path: Path, name: str) -> None:
    archive = packed(tmp_path, {FORMATS[name].file: "the model", "labels.txt": "\ufeffdog\ncat\r\n"})
    verify(_unpacked(archive, tmp_path), name, LABELS)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"labels.txt": "cat\ndog"}, "holds labels.txt; expected model.pb, too"),
        ({"model.pb": "", "labels.txt": "cat\ndog"}, "expected model.pb, too"),
        ({"model.pb": "the model"}, "expected labels.txt, too"),
        ({"model.pb": "the model", "labels.txt": "cat\ncow"}, r"is of a model for \['cat', 'cow'\]; expected"),
        ({"model.pb": "the model", "labels.txt": "cat\ndog", "../outside": "x"}, "holds what no model does: .*outside"),
        ({"model.pb": "the model", "labels.txt": "cat\ndog", "/etc/cron.d/x": "x"}, "holds what no model does"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    archive = packed(tmp_path, files)
    with pytest.raises(ValueError, match=complaint):
        verify(_unpacked(archive, tmp_path), "TensorFlow", LABELS)
    assert not (tmp_path / "outside").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    archive = packed(tmp_path, {"labels.txt": "cat\ndog"})
    with zipfile.ZipFile(archive, "a") as zip_:
        link = zipfile.ZipInfo("model.pb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zip_.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match="holds what no model does"):
        verify(_unpacked(archive, tmp_path), "TensorFlow", LABELS)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "export.zip"
    archive.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        _unpacked(archive, tmp_path)


def test_core_ml_is_kept_as_it_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not run here, so the other models are not lost for it; but it is said."""
    archive = packed(tmp_path, {"other.txt": "no model", "labels.txt": "cat\ndog"})
    verify(_unpacked(archive, tmp_path), "CoreML", LABELS)
    assert "expected model.mlmodel" in capsys.readouterr().out


# --- what the service says of its model

PERFORMANCE = {
    "threshold": 0.4,
    "overlap": 0.5,
    "seconds": 240.0,
    "precision": 0.8,
    "recall": 0.6,
    "average_precision": 0.7,
    "per_tag_performance": [
        {"name": "cat", "precision": 0.9, "recall": 0.7, "average_precision": 0.8},
        {"name": "dog", "precision": 0.7, "recall": 0.5},
    ],
}
UPLOADED = {
    "found": 20,
    "without_boxes": 2,
    "set_aside": [{"file": "a.jpg", "message": "Custom Vision takes 300 boxes in an image."}],
}


def test_its_figures_with_their_thresholds() -> None:
    measure = measure_of(PERFORMANCE)
    assert isinstance(measure, Measure)
    assert (measure.probability_threshold, measure.overlap_threshold) == (0.4, 0.5)
    assert measure.classes["cat"].average_precision == 0.8
    assert measure.classes["dog"].average_precision is None


def test_the_summary_says_what_was_not_trained_on() -> None:
    summary = summary_of(UPLOADED, PERFORMANCE)
    assert (summary.validation_mAP50, summary.validation_mAP, summary.steps, summary.seconds) == (0.7, None, 0, 240.0)
    assert summary.warnings == (
        "1 of 20 images of train and validation were set aside for Custom Vision: a.jpg: Custom Vision takes 300 boxes "
        "in an image.",
        "2 images without a box were not sent: Custom Vision does not train on them.",
    )
    assert summary_of({}, PERFORMANCE | {"overlap": 0.3}).validation_mAP50 is None, "at another overlap it is not mAP50"
