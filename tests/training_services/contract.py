"""What every cloud that runs our trainer can do, each against its stand-in: the contract of ``TrainingService``.

A cloud's folder has the fixtures ``service``, ``job``, ``store`` and ``standin``, and a class that says what differs.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from include.clouds.failures import CallFailed
from include.documents import Reason, State
from include.store import Store
from tests.training_services.watching import ended, running, told, until
from training_services.job import JobStatus, Refused, TrainingJob, pursue


class Contract:
    """The tests.

    Attributes:
        console: what the address of a job's page has in it.
        forbidden: what is said, as a regular expression, when the permission to submit is missing.
    """

    console: ClassVar[str]
    forbidden: ClassVar[str]

    def begun(self, status: JobStatus) -> bool:
        """Does the trainer run?"""
        return running(status)

    def active(self, standin: Any, service: Any, job: TrainingJob) -> list[str]:
        """Jobs of this name in the service that run or will."""
        raise NotImplementedError

    def sent(self, service: Any) -> Iterable[str]:
        """Names of all objects in the deployment's part of the bucket."""
        raise NotImplementedError

    def stop_by_hand(self, standin: Any, name: str) -> None:
        """As somebody does in the console."""
        raise NotImplementedError

    def lose(self, standin: Any, name: str) -> None:
        """Let the service lose a running job."""
        standin.control("strike", {"job": name, "fault": "internal"})

    def refuse_room(self, standin: Any, service: Any) -> None:
        """The next job gets no machine."""
        standin.control("next", {"fault": "capacity"})

    def assert_on_second_machine(self, standin: Any, service: Any, name: str) -> None:
        """A job runs on the preset "cpu", as spot."""
        raise NotImplementedError

    def _begun_lines(self, service: Any, name: str) -> list[str]:
        lines = service.log_pages({name: 0})[name].lines
        return [line for line in lines if line.startswith("starting at step ")]

    def test_trains_and_hands_over_what_was_written(self, service: Any, job: TrainingJob, tmp_path: Path) -> None:
        assert service.check(job) == []
        handle = service.find_or_submit(job)
        assert (handle.submitted, handle.status.state, handle.status.owner) == (True, State.PENDING, job.owner)
        status = until(service, job.name, ended)
        assert status.state is State.SUCCEEDED, (status, service.log_pages({job.name: 0}))
        assert status.owner == job.owner
        assert status.seconds is not None
        assert self.console in (status.console_url or "")
        model = service.collect(job.name, tmp_path / "model")
        assert (model / "metrics.jsonl").read_text().count("loss") == 2
        assert not (model / "checkpoints" / "last").exists(), "only a resumption needs it"
        again = service.find_or_submit(replace(job, owner="another run"))
        assert (again.submitted, again.status.owner) == (False, job.owner)

    def test_its_log_is_read_once(self, service: Any, job: TrainingJob) -> None:
        service.find_or_submit(job)
        until(service, job.name, ended)
        page = service.log_pages({job.name: 0, "never-was-a1": 0})
        said = [line for line in page[job.name].lines if line in {"starting at step 0", "done"}]
        assert said == ["starting at step 0", "done"]
        assert page["never-was-a1"].lines == ()
        assert service.log_pages({job.name: page[job.name].cursor})[job.name].lines == ()

    def test_the_holdout_is_never_sent(self, service: Any, job: TrainingJob, store: Store, standin: Any) -> None:
        service.find_or_submit(job)
        until(service, job.name, ended)
        read = str([each for each in standin.control("access")["objects"] if service.settings.prefix in str(each)])
        assert hashlib.sha256(store.read("toy/shards/train/1.tfrecord")).hexdigest() in read
        assert hashlib.sha256(store.read("toy/shards/holdout/1.tfrecord")).hexdigest() not in read
        sent = list(self.sent(service))
        assert sent
        assert not [name for name in sent if "holdout" in name]

    def test_what_is_there_is_not_sent_again(self, service: Any, job: TrainingJob) -> None:
        told_of: list[str] = []
        service.files.stage(job, told_of.append)
        assert any("train/1.tfrecord" in line for line in told_of)
        told_of.clear()
        service.files.stage(job, told_of.append)
        assert len(told_of) == 1
        assert "0 files" in told_of[0]

    def test_submitted_by_several_at_the_same_moment_it_is_one_job(
        self, service: Any, job: TrainingJob, standin: Any
    ) -> None:
        asked = told(job, steps=10_000)

        def submit(number: int) -> bool:
            try:
                return service.find_or_submit(replace(asked, owner=f"run {number}")).submitted
            except CallFailed as busy:
                assert "is being submitted by" in str(busy)
                return False

        with ThreadPoolExecutor(4) as pool:
            assert any(pool.map(submit, range(4)))
        assert len(self.active(standin, service, asked)) == 1
        service.cancel(job.name, Reason.USER)
        assert until(service, job.name, ended).state is State.CANCELLED

    def test_cancelled_it_stops_and_says_why(self, service: Any, job: TrainingJob) -> None:
        service.find_or_submit(told(job, steps=10_000))
        until(service, job.name, self.begun)
        service.cancel(job.name, Reason.BUDGET)
        status = service.describe([job.name])[job.name]
        assert (status.state, status.reason) == (State.CANCELLED, Reason.BUDGET)
        service.cancel(job.name, Reason.USER)  # again does nothing
        assert until(service, job.name, ended).reason is Reason.BUDGET
        service.cancel("never-was-a1", Reason.USER)

    def test_stopped_by_another_it_is_cancelled_by_a_user(self, service: Any, job: TrainingJob, standin: Any) -> None:
        service.find_or_submit(told(job, steps=10_000))
        until(service, job.name, self.begun)
        self.stop_by_hand(standin, job.name)
        status = until(service, job.name, ended)
        assert (status.state, status.reason) == (State.CANCELLED, Reason.USER)
        assert "someone else" in status.message

    def test_the_trainers_own_words_are_the_reason(self, service: Any, job: TrainingJob, tmp_path: Path) -> None:
        service.find_or_submit(told(job, how=2, reason="BAD_INPUT"))
        status = until(service, job.name, ended)
        assert (status.state, status.reason, status.message) == (State.FAILED, Reason.BAD_INPUT, "as told")
        assert status.progress["step"] == 2
        written = service.collect(job.name, tmp_path / "written")
        assert (written / "metrics.jsonl").exists(), "there is no model, and yet something to look at"

    def test_its_own_limit_ends_it(self, service: Any, job: TrainingJob) -> None:
        service.find_or_submit(replace(told(job, steps=10_000), max_seconds=2.0))
        status = until(service, job.name, ended)
        assert (status.state, status.reason) == (State.FAILED, Reason.TIMEOUT)
        assert re.search(r"\b2 s\b", status.message)

    def test_without_room_the_next_machine_is_tried(self, service: Any, job: TrainingJob, standin: Any) -> None:
        asked = replace(told(job, steps=3), machines=[{"preset": "t4"}, {"preset": "cpu", "spot": True}])
        usual = service.settings
        self.refuse_room(standin, service)
        first = pursue(service, asked, insist=True)
        status = until(service, first.job.name, ended)
        assert (status.state, status.reason) == (State.FAILED, Reason.CAPACITY), status
        service.settings = usual
        second = pursue(service, asked, insist=False)
        assert (second.submitted, second.job.attempt) == (True, 2)
        self.assert_on_second_machine(standin, service, second.job.name)
        assert until(service, second.job.name, ended).state is State.SUCCEEDED
        assert not pursue(service, asked, insist=True).submitted

    def test_a_lost_job_goes_on_from_its_checkpoint(self, service: Any, job: TrainingJob, standin: Any) -> None:
        first = pursue(service, told(job, steps=10_000), insist=True)
        until(service, first.job.name, lambda _: bool(self._begun_lines(service, first.job.name)))
        time.sleep(1.0)  # some twenty of its steps
        self.lose(standin, first.job.name)
        status = until(service, first.job.name, ended)
        assert (status.state, status.reason) == (State.FAILED, Reason.LOST), status
        second = pursue(service, told(job, steps=status.progress["step"] + 5), insist=False)
        assert until(service, second.job.name, ended).state is State.SUCCEEDED
        begun = self._begun_lines(service, second.job.name)
        assert begun
        assert "starting at step 0" not in begun

    def test_a_missing_permission_is_told_apart(self, service: Any, job: TrainingJob, standin: Any) -> None:
        standin.control("next", {"fault": "permission"})
        with pytest.raises(PermissionError, match=self.forbidden):
            service.find_or_submit(job)


class RefusingContract(Contract):
    """Also of a service that says at once that a quota is used up."""

    quota_fault: ClassVar[str]

    def test_a_used_up_quota_is_the_reason(self, service: Any, job: TrainingJob, standin: Any) -> None:
        standin.control("next", {"fault": self.quota_fault})
        with pytest.raises(Refused) as refused:
            service.find_or_submit(job)
        assert refused.value.reason is Reason.QUOTA
        assert service.describe([job.name]) == {}
