"""``python -m include.pipeline_config`` and ``make run CONFIG=pipeline.config``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include import settings
from include.laptop.collection import read_configuration
from include.pipeline_config.__main__ import main

HERE = Path(__file__).parent
SSDLITE = HERE / "ssdlite_mobilenet_v2.config"


def test_prints_what_became_of_it_and_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SSDLITE)]) == 0
    said, _, fields = capsys.readouterr().out.partition("(CONFIG=file.json):\n")
    assert "Taken over:" in said
    assert "Not taken over:" in said
    assert json.loads(fields)["learning_rate"] == 0.004


def test_prints_nothing_but_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SSDLITE), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batch_size"] == 24


@pytest.mark.parametrize(("text", "message"), [("model {", ":1:7: '{' is never closed"), (None, "No such file")])
def test_says_what_is_wrong(text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pipeline.config"
    if text is not None:
        file.write_text(text)
    assert main([str(file)]) == 2
    assert message in capsys.readouterr().err


def test_make_run_takes_it_as_it_is(lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings.put_collection("pets", {"source": "images", "classes": ["cat", "dog"]})
    fields = read_configuration(SSDLITE, "pets")
    assert fields["steps"] == 200000
    said = capsys.readouterr().out
    assert "train_config.batch_size: 24 → batch_size = 24" in said
    assert "which are 2; is it the data that the file is for?" in said


@pytest.mark.parametrize("name", ["fields.json", "fields", "fields.config"])
def test_json_stays_json(lanner: Path, name: str) -> None:
    file = lanner / name
    file.write_text('\n {"steps": 10}')
    assert read_configuration(file, "digits") == {"steps": 10}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "model {}", "cannot be read as JSON"),
        ("a.config", "model { ssd {} ", r"cannot be used\. .*a\.config:1:7: '\{' is never closed"),
        ("a.config", "[1]", "must be one JSON object"),
        ("missing.config", None, "cannot be read: No such file"),
    ],
)
def test_a_fault_names_the_file(lanner: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (lanner / name).write_text(text)
    with pytest.raises(settings.SettingsError, match=rf"CONFIG=.*{message}"):
        read_configuration(lanner / name, "digits")
