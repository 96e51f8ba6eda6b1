"""What our DAG files cost the DAG processor, which reads them again and again, beyond Airflow itself.

Each is measured in fresh processes, CPU seconds of the whole process:

- all of ``dags/`` imported, with a ``lanner.yaml`` of two collections, against ``import airflow.sdk`` alone;
- the same through Airflow's ``DagBag``, as the DAG processor does, against a ``DagBag`` of an empty folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benches.measure import Asked, Goal, Row, Timing, main, side_by_side
from include.settings import PROJECT

REPETITIONS = 5
DAGS = PROJECT / "dags"
SETTINGS = """\
collections:
  raccoon: {source: "images/{batch}", schedule: "0 0 * * *", start: "2026-11-01"}
  digits: {source: images}
"""

SDK = "import airflow.sdk"
FILES = """\
import runpy, sys
for file in sys.argv[1:]:
    runpy.run_path(file)
"""
BAG = """\
import sys
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
folder = Path(sys.argv[1])
bag = DagBag(dag_folder=str(folder), bundle_path=folder, bundle_name="dags-folder")
assert not bag.import_errors, bag.import_errors
"""


def bench(asked: Asked) -> list[Row]:
    with TemporaryDirectory(prefix="lanner-bench-") as scratch:
        empty = Path(scratch, "empty")
        empty.mkdir()
        files = [str(file) for file in sorted(DAGS.glob("*.py"))]
        programs = ((FILES, *files), (SDK,), (BAG, str(DAGS)), (BAG, str(empty)))
        ways = [fresh_process(Path(scratch), *program) for program in programs]
        ours, sdk, bag, empty_bag = side_by_side(*ways, repetitions=REPETITIONS, warm=False)
    return [
        row("importing all DAG files", "importing airflow.sdk", len(files), ours, sdk, Goal("≤", 1.3)),
        row("DagBag of dags/", "DagBag of an empty folder", len(files), bag, empty_bag, Goal("≤", 1.3)),
    ]


def row(work: str, against: str, files: int, ours: Timing, theirs: Timing, goal: Goal) -> Row:
    return Row(
        work=work,
        against=against,
        on=f"{files} files, fresh processes",
        ours=f"{ours.median:.2f} CPU s",
        theirs=f"{theirs.median:.2f} CPU s",
        ratio=ours.times(theirs),
        goal=goal,
    )


def fresh_process(scratch: Path, code: str, *arguments: str) -> Callable[[], None]:
    """A way that runs code in an interpreter of its own, with an Airflow home that is empty."""
    settings = scratch / "lanner.yaml"
    settings.write_text(SETTINGS)
    environment = os.environ | {
        "AIRFLOW_HOME": str(scratch / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "LANNER_SETTINGS": str(settings),
    }

    def way() -> None:
        done = subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"This did not run:\n{code}\n{done.stderr}")

    return way


if __name__ == "__main__":
    main(__doc__, bench)
