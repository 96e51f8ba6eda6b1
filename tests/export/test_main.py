from __future__ import annotations

import subprocess
import sys

import pytest

from include.export.__main__ import main


def test_help_explains_without_loading_tensorflow():
    code = (
        "import sys; from include.export.__main__ import build_parser; print(build_parser().format_help()); "
        "assert 'tensorflow' not in sys.modules"
    )
    help_ = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--checkpoint DIR" in help_
    assert "tflite_int8" in help_


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--formats", "tflite_int8"], "--calibration"),
        (["--formats", "saved_model", "--holdout", "x"], "--coco"),
        (["--formats", "tflite_fp32", "--holdout", "x", "--coco", "y"], "saved_model"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--checkpoint", "a", "--output", "b", *options])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_a_training_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--checkpoint", str(tmp_path), "--output", str(tmp_path), "--formats", "saved_model"])
    assert exit_.value.code == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_export_and_check_from_a_checkpoint(toy, tmp_path, capsys):
    code = main(
        [
            *("--checkpoint", str(toy.trained), "--output", str(tmp_path), "--formats", "saved_model", "tflite_fp32"),
            *("--holdout", *map(str, toy.holdout_shards), "--coco", str(toy.coco)),
        ]
    )
    printed = capsys.readouterr().out
    assert code == 0
    assert printed.count("passed") == 2
    assert (tmp_path / "detector_fp32.tflite").is_file()
