"""The report in a real browser, cut off from every network: plots drawn, pictures shown, nothing of a name executed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from include.scoring.report import render_report
from tests.scoring.test_report import full_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (make test installs it where it may)")
@pytest.mark.parametrize("width", [400, 1280])
def test_draws_everything_by_itself(tmp_path: Path, width: int) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_report(full_report()), encoding="utf-8")
    shown = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},2000",
            "--virtual-time-budget=10000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert shown.stdout.count('class="main-svg"') >= 2, shown.stderr[-2000:]
    assert "CONSOLE" not in shown.stderr, "the page complained: " + shown.stderr[-2000:]
    assert '<img src="x"' not in shown.stdout, "a class name became markup"
