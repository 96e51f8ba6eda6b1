from __future__ import annotations

import doctest
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from benches import page, surround
from benches.measure import Goal, Ratio, Row, Timing, side_by_side, table


def test_ways_take_turns_after_a_warm_up() -> None:
    calls: list[str] = []
    ticks = iter(range(100))

    def way(name: str) -> Callable[[], None]:
        return lambda: calls.append(name)

    first, second = side_by_side(way("a"), way("b"), repetitions=2, clock=lambda: float(next(ticks)))
    assert "".join(calls) == "aabb" + "abab"
    assert first == second == Timing((1.0, 1.0))


def test_short_work_is_repeated_until_it_can_be_timed() -> None:
    done = [0]

    def work() -> None:
        done[0] += 1

    (timing,) = side_by_side(work, repetitions=1, clock=lambda: done[0] * 0.001)
    assert done[0] == 2 + 300
    assert timing.median == pytest.approx(0.001)


def test_a_ratio_is_of_medians_and_tells_its_extremes() -> None:
    assert Timing((4.0, 6.0, 8.0)).times(Timing((2.0, 2.0, 1.0))) == Ratio(3.0, 2.0, 8.0)


def test_a_goal_that_is_missed_stands_out_in_the_table() -> None:
    def row(value: float, goal: Goal | None) -> Row:
        return Row("a", "b", "c", "1", "2", Ratio(value, value, value), goal)

    rows = [row(2, Goal("≥", 1.5)), row(1, Goal("≥", 1.5)), row(1.4, Goal("≤", 1.3)), row(1, None)]
    assert [row.cells()[-1] for row in rows] == ["yes", "**no**", "**no**", "–"]
    assert len(table(rows).splitlines()) == 2 + len(rows)
    assert [Row.from_json(json.loads(json.dumps(row.to_json()))) for row in rows] == rows


@pytest.mark.parametrize("module", [page, surround], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module) -> None:
    assert doctest.testmod(module).failed == 0


def test_the_page_keeps_what_people_wrote() -> None:
    text = page.PAGE.read_text()
    changed = page.replace_section(text, "rows", "new rows")
    assert changed.partition("<!-- rows: begin -->")[0] == text.partition("<!-- rows: begin -->")[0]
    assert changed.partition("<!-- rows: end -->")[2] == text.partition("<!-- rows: end -->")[2]
    with pytest.raises(ValueError, match="once each"):
        page.replace_section(text, "nothing", "")


def test_new_rows_take_the_place_of_the_same_ones() -> None:
    def row(work: str, on: str, ours: str) -> Row:
        return Row(work, "plainly", on, ours, "2", Ratio(1, 1, 1))

    section = "About.\n\n" + table([row("a", "x", "1"), row("a", "y", "1"), row("b", "x", "1")]) + "\n"
    new = [row("a", "x", "7"), row("a", "z", "8"), row("c", "x", "9")]
    once = page.with_rows(section, new, "`this`", "Measured then.")
    assert page.with_rows(once, new, "`this`", "Measured then.") == once
    about, lines, source = once.split("\n\n")
    assert (about, source) == ("About.", "From `this`. Measured then.")
    assert lines == table([new[0], row("a", "y", "1"), new[1], row("b", "x", "1"), new[2]])


def test_what_surrounds_a_training_is_read_from_a_state_folder(tmp_path: Path) -> None:
    job = tmp_path / "jobs" / "job"
    job.mkdir(parents=True)
    for name, at in (("started", 110), ("ended", 210)):
        (job / name).touch()
        os.utime(job / name, (at, at))
    (tmp_path / "airflow").mkdir()
    with sqlite3.connect(tmp_path / "airflow" / "airflow.db") as database:
        database.execute("CREATE TABLE task_instance (dag_id, task_id, operator, start_date, end_date)")
        database.executemany(
            "INSERT INTO task_instance VALUES (?, ?, ?, ?, ?)",
            [
                ("train", "submit", "SubmitTraining", "1970-01-01 00:01:45.5", "1970-01-01 00:01:50.0"),
                ("train", "wait", "WaitForTraining", "1970-01-01 00:01:50.0", "1970-01-01 00:03:35.0"),
                ("train", "export", "_PythonDecoratedOperator", "1970-01-01 00:03:40.0", "1970-01-01 00:04:00.0"),
                ("train", "verdict", "_PythonDecoratedOperator", None, None),
            ],
        )
    (tmp_path / surround.CLOCK).write_text(json.dumps({"began": 100.0, "ended": 245.0}))
    text = surround.describe(tmp_path)
    assert "| train.submit | 5.5 | 4.5 |" in text
    assert "| the training process | 0.0 | 100.0 |" in text
    assert "| train.export | 10.0 | 20.0 |" in text
    assert "| until the command ends | 5.0 | 0.0 |" in text
    assert "what surrounds it 45 s. Goal: at most 15% + 60 s = 75 s; reached" in text
