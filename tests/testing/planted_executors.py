"""Executors that break one promise each. Not collected by itself: `test_executor_suite.py` runs it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from penstock.contracts.executor import Job, JobState, JobStatus, Mount, RunInfo
from penstock.contracts.finding import DOUBTFUL, Finding
from penstock.errors import JobRejected
from penstock.testing import ExecutorSuite, executor_suite
from penstock.testing.isolated_executor import IsolatedExecutor
from penstock_local.process_executor import ProcessExecutor
from tests.testing.planted import Fault

executor_suite.LIMIT_S = 6.0  # a broken executor may never do what is waited for

# ------------------------------------------------------------------------------------- beside living hosts


class Whole(ProcessExecutor):
    """Not broken."""


class Telling(ProcessExecutor):
    """Changes what it tells."""

    def told(self, job_id: str, status: JobStatus) -> JobStatus | None:
        raise NotImplementedError

    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        found = {job_id: self.told(job_id, status) for job_id, status in super().poll(job_ids, timeout_s).items()}
        return {job_id: status for job_id, status in found.items() if status is not None}


class FailedIsLost(Telling):
    def told(self, job_id: str, status: JobStatus) -> JobStatus | None:
        return JobStatus(state=JobState.LOST, exit_code=1) if status.state is JobState.FAILED else status


class KnowsNoCodes(Telling):
    def told(self, job_id: str, status: JobStatus) -> JobStatus | None:
        return JobStatus(state=JobState.FAILED) if status.state is JobState.FAILED else status


class EndedWellIsEnough(Telling):
    """Takes the end of the process for a success."""

    def told(self, job_id: str, status: JobStatus) -> JobStatus | None:
        return JobStatus(state=JobState.SUCCEEDED, exit_code=0) if status.exit_code == 3 else status


class NeverRunning(Telling):
    def told(self, job_id: str, status: JobStatus) -> JobStatus | None:
        return JobStatus(state=JobState.QUEUED) if status.state is JobState.RUNNING else status


class UnknownHasFailed(Telling):
    def told(self, job_id: str, status: JobStatus) -> JobStatus | None:
        return status if job_id in self._states else JobStatus(state=JobState.FAILED)


class SaysNothingOfUnknown(Telling):
    def told(self, job_id: str, status: JobStatus) -> JobStatus | None:
        return status if job_id in self._states else None


class TellsAnEndOnce(Telling):
    def told(self, job_id: str, status: JobStatus) -> JobStatus | None:
        if status.state.ended:
            self._forget(job_id)
        return status


class DropsTheFourth(ProcessExecutor):
    _count = 0

    def submit(self, job: Job) -> str:
        self._count += 1
        if self._count == 4:
            self._states[job.name] = JobStatus(state=JobState.SUCCEEDED, exit_code=0)
        return super().submit(job)


class LikesShortNames(ProcessExecutor):
    def submit(self, job: Job) -> str:
        if len(job.name) > 62:
            raise JobRejected(f"{job.name} is too long")
        return super().submit(job)


class StartsAgain(ProcessExecutor):
    def submit(self, job: Job) -> str:
        while job.name in self._states:
            job = job.changed(name=f"{job.name}-again")
        return super().submit(job)


class StripsVariables(ProcessExecutor):
    def submit(self, job: Job) -> str:
        stripped = {name: value.strip() for name, value in job.environment.items()}
        return super().submit(job.changed(environment=stripped))


class KeepsVariables(ProcessExecutor):
    def __init__(self, run: RunInfo) -> None:
        super().__init__(run)
        self._all: dict[str, str] = {}

    def submit(self, job: Job) -> str:
        self._all.update(job.environment)
        return super().submit(job.changed(environment=dict(self._all)))


class LosesSecrets(ProcessExecutor):
    def submit(self, job: Job) -> str:
        return super().submit(job.changed(secrets={}))


class CancelsNothing(ProcessExecutor):
    def cancel(self, job_ids: Sequence[str]) -> None:
        pass


class CancelsEverything(ProcessExecutor):
    def cancel(self, job_ids: Sequence[str]) -> None:
        super().cancel(list(self._states))


class CancelInsists(ProcessExecutor):
    def cancel(self, job_ids: Sequence[str]) -> None:
        assert set(job_ids) <= set(self._states), "no such job"
        super().cancel(job_ids)


class CancelUndoesTheEnd(ProcessExecutor):
    def cancel(self, job_ids: Sequence[str]) -> None:
        super().cancel(job_ids)
        for name in job_ids:
            if name in self._states and self._states[name].state.ended:
                self._states[name] = JobStatus(state=JobState.FAILED, exit_code=-15)


class NobodyWorks(ProcessExecutor):
    max_workers = 0


class ClosesOnce(ProcessExecutor):
    _closed = False

    def close(self) -> None:
        assert not self._closed, "closed already"
        self._closed = True


class ReapsNobody(ProcessExecutor):
    def submit(self, job: Job) -> str:
        os.posix_spawn("/bin/true", ["true"], {})
        return super().submit(job)


# --------------------------------------------------------------------------------------------- by an argv


class WholeElsewhere(IsolatedExecutor):
    """Not broken."""


class CodeIsOne(IsolatedExecutor):
    def _status(self, job_id: str) -> JobStatus:
        found = super()._status(job_id)
        return found.changed(exit_code=min(found.exit_code, 1)) if found.exit_code else found


class SignalIsALoss(IsolatedExecutor):
    def _status(self, job_id: str) -> JobStatus:
        found = super()._status(job_id)
        return found.changed(state=JobState.LOST) if found.exit_code == 137 else found


class Passing(IsolatedExecutor):
    """Changes the arguments on their way."""

    def passed(self, argument: str) -> str | None:
        raise NotImplementedError

    def submit(self, job: Job) -> str:
        passed = [self.passed(argument) for argument in job.command]
        return super().submit(job.changed(command=tuple(one for one in passed if one is not None)))


class DropsEmptyArguments(Passing):
    def passed(self, argument: str) -> str | None:
        return argument or None


class AsciiArguments(Passing):
    def passed(self, argument: str) -> str | None:
        return argument.encode("ascii", "replace").decode()


class NeverTooLong(IsolatedExecutor):
    def submit(self, job: Job) -> str:
        return super().submit(job.changed(timeout_s=None))


class RunsNothing(IsolatedExecutor):
    def submit(self, job: Job) -> str:
        return super().submit(job.changed(command=job.command or ("true",)))


class LogsOneStream(IsolatedExecutor):
    def logs(self, job_id: str) -> Iterator[bytes]:
        yield next(super().logs(job_id), b"")


class LogsInsist(IsolatedExecutor):
    def logs(self, job_id: str) -> Iterator[bytes]:
        yield (self._folder / job_id / "stdout").read_bytes()
        yield (self._folder / job_id / "stderr").read_bytes()


class AdoptsEverybody(IsolatedExecutor):
    def adopt(self, names: Sequence[str]) -> Mapping[str, str]:
        return {name: name for name in names}


class AdoptsTheLiving(IsolatedExecutor):
    def adopt(self, names: Sequence[str]) -> Mapping[str, str]:
        return {name: name for name in super().adopt(names) if not (self._folder / name / "exit").exists()}


class CloseStopsJobs(IsolatedExecutor):
    def close(self) -> None:
        self.cancel([place.name for place in self._children])
        super().close()


class ForgetsAll(IsolatedExecutor):
    def forget(self, job_ids: Sequence[str]) -> None:
        super().forget([place.name for place in self._folder.glob("*")])


class SweepsTheDead(IsolatedExecutor):
    def sweep(self) -> None:
        self.forget([place.name for place in self._folder.glob("*")])


class CancelsTheLeader(IsolatedExecutor):
    def cancel(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            with contextlib.suppress(OSError):
                os.kill(int((self._folder / job_id / "pid").read_text()), signal.SIGKILL)


class NeverWell(ProcessExecutor):
    def examine(self, mounts: Sequence[Mount]) -> Iterator[Finding]:
        yield Finding("mood", "not today", DOUBTFUL)


class SecretsAreArguments(IsolatedExecutor):
    def submit(self, job: Job) -> str:
        shown = tuple(f"{name}={value}" for name, value in job.secrets.items())
        command = ("env", *shown, *job.command) if shown else job.command
        return super().submit(job.changed(command=command, secrets={}))


_FAILS = "test_an_attempt_that_fails_is_a_job_that_failed"
_DIES = "test_an_attempt_that_dies_is_a_job_that_failed"
_CANCELS = "test_cancel_ends_a_job_with_all_that_it_started test_cancel_at_once test_cancel_leaves_other_jobs_alone"

HERE = [
    Fault(Whole, ""),
    Fault(NeverWell, "test_it_finds_nothing_wrong_with_itself"),
    Fault(FailedIsLost, f"{_FAILS} {_DIES} test_many_jobs_at_once"),
    Fault(KnowsNoCodes, f"{_FAILS} {_DIES}"),
    Fault(EndedWellIsEnough, _DIES),
    Fault(NeverRunning, "test_poll_does_not_wait_for_the_end test_cancel_leaves_other_jobs_alone"),
    Fault(UnknownHasFailed, "test_an_unknown_job_is_lost"),
    Fault(SaysNothingOfUnknown, "test_an_unknown_job_is_lost"),
    Fault(
        TellsAnEndOnce,
        "test_an_ended_state_is_repeated test_cancel_passes_over_ended_and_unknown_jobs test_one_name_is_one_job",
        f"test_an_unknown_job_is_lost test_many_jobs_at_once {_CANCELS} test_no_process_is_left "
        "test_the_variables_of_a_step_arrive",
    ),
    Fault(DropsTheFourth, "test_many_jobs_at_once"),
    Fault(LikesShortNames, "test_a_name_of_63_characters"),
    Fault(StartsAgain, "test_one_name_is_one_job test_jobs_of_a_gang_run_side_by_side_and_find_the_first"),
    Fault(StripsVariables, "test_the_variables_of_a_step_arrive"),
    Fault(KeepsVariables, "test_the_variables_of_a_step_arrive"),
    Fault(LosesSecrets, "test_secrets_arrive_unseen_or_are_refused"),
    Fault(CancelsNothing, _CANCELS),
    Fault(CancelsEverything, "test_cancel_leaves_other_jobs_alone"),
    Fault(CancelInsists, "test_cancel_passes_over_ended_and_unknown_jobs"),
    Fault(CancelUndoesTheEnd, "test_cancel_passes_over_ended_and_unknown_jobs"),
    Fault(NobodyWorks, "test_its_flags_go_together"),
    Fault(ClosesOnce, "test_closing_twice"),
    Fault(ReapsNobody, "test_no_process_is_left"),
]
ELSEWHERE = [
    Fault(WholeElsewhere, ""),
    Fault(CodeIsOne, "test_a_job_has_the_exit_code_of_its_program test_a_job_that_a_signal_ends_has_failed"),
    Fault(SignalIsALoss, "test_a_job_that_a_signal_ends_has_failed"),
    Fault(DropsEmptyArguments, "test_arguments_arrive_as_they_are"),
    Fault(AsciiArguments, "test_arguments_arrive_as_they_are test_what_a_job_printed_is_in_its_logs"),
    Fault(NeverTooLong, "test_the_platform_ends_a_job_that_takes_too_long"),
    Fault(RunsNothing, "test_a_job_without_a_command_is_rejected"),
    Fault(LogsOneStream, "test_what_a_job_printed_is_in_its_logs"),
    Fault(LogsInsist, "test_an_unknown_job_has_no_logs"),
    Fault(
        AdoptsEverybody,
        "test_adopt_knows_no_strangers test_another_executor_adopts_jobs "
        "test_what_is_forgotten_is_gone_and_nothing_else test_sweeping_ends_and_frees_whatever_the_run_still_has",
    ),
    Fault(AdoptsTheLiving, "test_another_executor_adopts_jobs test_what_is_forgotten_is_gone_and_nothing_else"),
    Fault(CloseStopsJobs, "test_another_executor_adopts_jobs"),
    Fault(ForgetsAll, "test_what_is_forgotten_is_gone_and_nothing_else"),
    Fault(SweepsTheDead, "test_sweeping_ends_and_frees_whatever_the_run_still_has"),
    Fault(CancelsTheLeader, "test_cancel_ends_a_job_with_all_that_it_started"),
    Fault(SecretsAreArguments, "test_secrets_arrive_unseen_or_are_refused"),
]
FAULTS = HERE + ELSEWHERE
# What hosts do not see; the other tests look at both kinds alike.
OF_COMMANDS = {name for fault in ELSEWHERE for name in fault.finds} | {"test_a_job_runs_and_its_record_appears"}


class PlantedHere(ExecutorSuite):
    backend: type[ProcessExecutor]
    many = 4

    def make(self, run: RunInfo, folder: Path) -> ProcessExecutor:
        return self.backend(run)


class PlantedElsewhere(ExecutorSuite):
    backend: type[IsolatedExecutor]

    def make(self, run: RunInfo, folder: Path) -> IsolatedExecutor:
        return self.backend(run, folder=str(folder / "jobs"))


for _name in dir(ExecutorSuite):
    if _name.startswith("test_") and _name not in OF_COMMANDS:
        setattr(PlantedElsewhere, _name, None)
for _base, _faults in ((PlantedHere, HERE), (PlantedElsewhere, ELSEWHERE)):
    for _fault in _faults:
        globals()[f"Test{_fault.name}"] = type(f"Test{_fault.name}", (_base,), {"backend": _fault.backend})
