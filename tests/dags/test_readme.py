"""What the README shows of the code is true."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from airflow.sdk import DAG

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()


def test_the_operators_work_in_any_dag() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    with DAG("somebody_elses", schedule=None) as dag:
        exec(example.group(1), {"job": {"prefix": "p"}})
    assert dag.get_task("wait").upstream_task_ids == {"submit"}


def test_make_help_lists_every_target_that_the_readme_names() -> None:
    named = set(re.findall(r"`make ([a-z]+)`", README))
    listed = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert named
    assert {name for name in named if f"make {name}" not in listed} == set()


def test_linked_files_exist() -> None:
    links = set(re.findall(r"\]\(([^)#:]+)\)", README))
    assert links
    assert {link for link in links if not (PROJECT / link).exists()} == set()
