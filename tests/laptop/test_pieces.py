"""What `make run` is made of, piece by piece; the whole is run in test_main_job."""

from __future__ import annotations

import io
import os
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from include import settings
from include.laptop.cascade import Look
from include.laptop.collection import collection_name
from include.laptop.environment import Laptop, free_port
from include.laptop.leftovers import MARK, end_leftovers, processes_of
from include.laptop.present import show_progress
from include.progress import last_training_line, last_training_line_said

PROJECT = Path(__file__).resolve().parents[2]


def test_a_taken_port_is_named_and_the_next_one_used(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) > port
    assert f"Port {port} is taken" in capsys.readouterr().out


def test_two_that_start_at_the_same_moment_get_different_ports() -> None:
    code = "from include.laptop.environment import free_port; print(free_port(18200), flush=True); input()"
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    ports = set()
    for process in both:
        assert process.stdout is not None
        ports.add(process.stdout.readline().split()[-1].rstrip(b"."))
    for process in both:
        process.communicate(b"\n", timeout=20)
    assert len(ports) == 2, ports


def test_secrets_are_made_once_and_only_ours_to_read(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path, 8080)
    environment = laptop.environment()
    assert environment == Laptop(tmp_path, 8080).environment()
    for file in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_everything_listens_on_this_machine_only(tmp_path: Path) -> None:
    environment = Laptop(tmp_path, 8123).environment()
    hosts = {name: value for name, value in environment.items() if name.startswith("AIRFLOW") and "HOST" in name}
    assert hosts == {"AIRFLOW__API__HOST": "127.0.0.1"}


def test_leftovers_are_found_by_their_mark_and_ended(tmp_path: Path) -> None:
    code = "import time; print(flush=True); time.sleep(60)"
    ours, others = (
        subprocess.Popen([sys.executable, "-c", code], env=os.environ | {MARK: home}, stdout=subprocess.PIPE)
        for home in (str(tmp_path), f"{tmp_path}/elsewhere")
    )
    try:
        for process in (ours, others):
            assert process.stdout is not None
            process.stdout.readline()
        assert end_leftovers(tmp_path) == 1
        ours.wait(5)
        assert others.poll() is None
    finally:
        ours.kill()
        others.kill()


def test_a_process_that_wrote_over_its_mark_is_found_by_its_group(tmp_path: Path) -> None:
    """Airflow's workers do (setproctitle); a killed scheduler leaves them behind, without the mark."""
    child = "import os, sys; os.execve(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)'], {})"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    leader = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {MARK: str(tmp_path)}, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 20
        while not [p for p in processes_of(tmp_path) if p.pid != leader.pid and MARK not in p.environ()]:
            assert time.monotonic() < deadline, "the child was not found"
            time.sleep(0.1)
        assert end_leftovers(tmp_path) == 2
    finally:
        leader.kill()
        leader.wait()


def test_two_folders_of_one_name_are_two_collections(lanner: Path) -> None:
    first, second = lanner / "a" / "My Photos!", lanner / "b" / "My Photos!"
    assert collection_name(first) == "my_photos"
    settings.put_collection("my_photos", {"source": str(first)})
    assert collection_name(first) == "my_photos"
    assert re.fullmatch(r"my_photos_[0-9a-f]{6}", collection_name(second))
    assert collection_name(lanner / "2026").startswith("c_2026")


def test_without_a_terminal_progress_is_plain_lines() -> None:
    log = ["12:00:01 step 4/10  loss 0.310 (class 0.210, box 0.100)  1.02 s/step  95 s left"]
    log += ["12:00:02 step 5/10  loss 0.250 (class 0.150, box 0.100)  1.01 s/step  90 s left", "12:00:02 a word"]
    console = Console(file=io.StringIO(), force_terminal=False, width=100)
    show_progress(
        [Look(changes=["build_dataset.assign: success"]), Look(trainings={"vertex": last_training_line_said(log)})],
        console,
    )
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "00:00  build_dataset.assign: success",
        "00:00  training vertex: step 5 of 10, loss 0.250, 1.5 min left",
    ]


def test_a_training_that_has_not_said_yet_how_far_it_is_has_no_line() -> None:
    assert last_training_line_said(["12:00:00 Submitted.", "12:00:01 54 training and 12 validation images"]) == {}


def test_reads_the_last_training_line_of_a_file_that_is_being_written(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    assert last_training_line(file) == {}
    lines = '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n{"step": 2, "validation_mAP": 0.5}\n{"step": 3, "lo'
    file.write_text(lines)
    assert last_training_line(file)["step"] == 2


def test_the_services_end_when_their_parent_is_gone(tmp_path: Path) -> None:
    """`make run` killed outright must leave nothing; its services notice that their standard input is closed."""
    laptop = Laptop(tmp_path, free_port(18080))
    services = subprocess.Popen(
        [sys.executable, "-m", "include.laptop.services", str(laptop.logs), laptop.url, str(tmp_path)],
        env=laptop.environment(),
        stdin=subprocess.PIPE,
    )
    time.sleep(2)
    assert services.stdin is not None
    services.stdin.close()
    services.wait(30)
    time.sleep(0.5)
    assert end_leftovers(tmp_path) == 0
