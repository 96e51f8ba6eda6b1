"""`make run` in its user's hands: Ctrl-C at any second, a second one beside the first, parts killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from include.dataset.sample import write_sample
from include.documents import ResultDocument, State
from include.laptop.leftovers import processes_of
from include.settings import PROJECT
from include.store import Store
from tests.faults.deployment import until
from tests.faults.sample import IMAGES, TRAINING

pytestmark = [pytest.mark.faults, pytest.mark.postgres]  # in the process that has less to do
SECONDS = 500  # for a whole run
INTERRUPTED_AFTER = (0.05, 0.3, 1.0, 2.5, 6.0, 12.0, 22.0, 36.0)  # from before the imports to the training


def heed_ctrl_c() -> None:
    """Tests that a shell has put into the background inherit that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class MakeRun:
    """What `make run` runs, in a process group of its own as in a terminal."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        arguments = ["--data", str(folder / "digits"), "--config", str(folder / "tiny.json")]
        environment = {"LANNER_HOME": str(self.state), "LANNER_SETTINGS": str(folder / "lanner.yaml"), "CI": "1"}
        self.output = folder / f"output-{len(list(folder.glob('output-*')))}.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "include.laptop", *arguments],
                cwd=PROJECT,
                env=os.environ | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=heed_ctrl_c,
            )

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends it to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def said(self) -> str:
        return self.output.read_text()

    def processes(self) -> list[psutil.Process]:
        """Everything that its Airflow has running."""
        return [process for process in processes_of(self.state / "airflow") if process.pid != self.process.pid]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("people")
    write_sample(folder / "digits", images=IMAGES)
    (folder / "tiny.json").write_text(json.dumps(TRAINING))
    yield folder


def result(folder: Path) -> ResultDocument:
    found = Store(folder / "state" / "store").newest(ResultDocument, "digits", "all:1/local")
    assert found is not None
    return found[1]


def test_ctrl_c_at_any_second_and_again_until_it_is_done(folder: Path) -> None:
    """Each time it stops everything and shows no traceback; in the end there is one training, of the planned steps."""
    for seconds in INTERRUPTED_AFTER:
        run = MakeRun(folder)
        time.sleep(seconds)
        run.interrupt()
        code = run.process.wait(90)
        said = run.said()
        assert code in {130, -signal.SIGINT}, f"after {seconds} s: {code}\n{said}"
        assert "Traceback" not in said, f"after {seconds} s:\n{said}"
        assert run.processes() == [], f"after {seconds} s something was left running"
    last = MakeRun(folder)
    assert last.process.wait(SECONDS) == 0, last.said()
    assert result(folder).state is State.SUCCEEDED
    names = {job.name.rpartition("-a")[0] for job in (folder / "state" / "jobs").iterdir()}
    assert len(names) == 1, "one training, in as many attempts as it took"
    assert result(folder).training is not None
    assert result(folder).training.steps == TRAINING["steps"]  # type: ignore[union-attr]


def test_a_second_one_is_refused_and_parts_that_are_killed_come_back(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("killed")
    for name in ("digits", "tiny.json"):
        (other / name).symlink_to(folder / name)
    first = MakeRun(other)
    until(lambda: "train_local.submit: success" in first.said() or first.process.poll() is not None, 200, "submit")
    second = MakeRun(other)
    assert second.process.wait(60) == 2
    assert "Another make run or make airflow is at work" in second.said()
    for component in ("scheduler", "api_server", "triggerer", "dag-processor"):
        main_process(first, component).kill()
    assert first.process.wait(SECONDS) == 0, first.said()
    assert result(other).state is State.SUCCEEDED
    assert len(list((other / "state" / "jobs").iterdir())) == 1
    assert first.processes() == []


def main_process(run: MakeRun, component: str) -> psutil.Process:
    """The oldest process of a component, but for the shell that starts it again."""
    found = [process for process in run.processes() if is_part(process, component)]
    assert found, f"no {component} among the processes of {run.state}"
    return min(found, key=lambda process: process.create_time())


def is_part(process: psutil.Process, component: str) -> bool:
    try:
        return component in " ".join(process.cmdline()) and process.name() != "sh"
    except psutil.NoSuchProcess:  # it ended meanwhile
        return False
