"""The executor `aws-batch`: a job of AWS Batch for each attempt, found again by its name."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from penstock.contracts.executor import Executor, JobState, JobStatus
from penstock.contracts.reach import Reach
from penstock.errors import JobRejected, PenstockError
from penstock_aws_batch import examination, instances, log_stream, reasons, sdk
from penstock_aws_batch.definition import Needs, definition
from penstock_aws_batch.plugin import BatchOptions
from penstock_aws_batch.queue import Queue, find_queue, named_queue, no_queue, queue_names
from penstock_aws_batch.service import AnswerLost, Refused, Service
from penstock_aws_batch.submission import names_of_nodes, nodes_name, nodes_submission, submission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from penstock.contracts.executor import Job, Mount, RunInfo
    from penstock.contracts.finding import Finding

    # jobs of one request: a gang's, or one alone; the request; the options
    _Prepared: TypeAlias = tuple[Sequence[Job], dict[str, Any], BatchOptions]

IDS_A_CALL = 100  # AWS's limit for DescribeJobs
CALLERS = 8  # threads that submit and terminate
CALLS_A_POLL = 10  # so that ten thousand jobs are asked for in turns, and one look never takes long
DRIVER_RETRIES = {
    "attempts": 5,
    "evaluateOnExit": [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}],
}
SUBMISSIONS = 3  # of one job whose answers are lost, before the caller hears of it
LOOKS_AFTER_A_LOST_ANSWER = 3
LOOKS_TO_ADOPT = 2
_LOOK_AGAIN_S = 0.5
UNSEEN_FOR_S = 60.0  # a job may be missing from answers so long after it was submitted
WAITS_LONG_S = 60.0  # without a reason from Batch, this is worth a remark
NAMES_ONE_BY_ONE = 10  # more are adopted by one listing of what they have in common


class BatchExecutor(Executor):
    """See `BatchOptions` for the options. Asks AWS Batch for nothing that the records of the run tell as well."""

    jobs_at = Reach.ANYWHERE
    starts_once = False
    runs_drivers = True
    runs_gangs = True  # as a multi-node job
    own_identity = True  # that of `iam_role`

    def __init__(self, run: RunInfo, **options: Any) -> None:
        super().__init__(run)
        self._given = options
        self._options = BatchOptions(**options)
        self.poll_interval_s = self._options.poll_s
        self._service = Service(self._options.region, self._options.profile)
        self._queues: dict[str, Queue] = {}
        self._types: dict[str, list[instances.Instance] | None] = {}  # of instances, by queue
        self._definitions: dict[str, str] = {}  # name of a definition -> its ARN
        self._born: dict[str, float] = {}  # id of a job that no answer has shown yet -> when it was submitted
        self._handles: dict[str, str] = {}  # name -> id, of the jobs that this process submitted or found
        self._doubtful: set[str] = set()  # names whose submission was not answered
        self._last: Mapping[str, JobStatus] = {}
        self._turn = 0
        self._callers: ThreadPoolExecutor | None = None
        self._told: set[tuple[str, str]] = set()  # queue and reason
        self._idle_since: float | None = None

    @property
    def max_workers(self) -> int:
        """As many as a queue is used to."""
        return 1000

    # -- before a run

    def check(self, job: Job) -> None:
        """That there is a queue, and that its jobs can have what a step asks for, as far as one may look."""
        options = self._merged(job)
        most = self._queue(options).most_vcpus
        self._defined(job, options, job.gang is not None)
        needs = Needs(job.resources, options, self._queue(options).fargate)
        asked = needs.cpu
        if most is not None and asked > most:
            raise JobRejected(
                f"{job.name} asks for {asked:g} vCPUs, and the queue {options.queue} never has more than {most}",
                hint=f"@resources(cpu={most})   # or a compute environment with larger maxvCpus",
            )
        there = self._instances(options)
        if there and not any(one.holds(needs) for one in there):
            one = instances.largest(there, needs.gpu > 0)
            gpus = f" and {needs.gpu} GPUs" if needs.gpu else ""
            raise JobRejected(
                f"{job.name} asks for {needs.cpu:g} vCPUs, {needs.memory_mb} MiB{gpus}, and no instance of the queue "
                f"{options.queue} has as much; its largest is {one}, and the system takes a part of the memory",
                hint="@resources(...)   # less, or --aws-batch-queue=...",
            )

    def _instances(self, options: BatchOptions) -> list[instances.Instance] | None:
        queue = self._queue(options)
        if queue.name not in self._types:
            self._types[queue.name] = instances.instances_of(self._service, queue)
        return self._types[queue.name]

    def examine(self, mounts: Sequence[Mount]) -> Iterator[Finding]:
        """Identity, queue, roles, image."""
        return examination.examine(self._service, self._options, self._options.image or default_image())

    # -- submit

    def submit(self, job: Job) -> str:
        """SubmitJob, once: where an answer was lost, the job is looked for by its name first.

        AWS Batch takes any number of jobs of one name. Those of a dead scheduler are found by `adopt`.
        """
        (answer,) = self.submit_many([job])
        if isinstance(answer, PenstockError):
            raise answer
        return answer

    def submit_many(self, jobs: Sequence[Job]) -> Sequence[str | PenstockError]:
        """As many at once as there are `CALLERS`: AWS takes its time for each, and allows 50 a second."""
        answers: dict[str, str | PenstockError] = {}
        self._take_seats(jobs)
        prepared: list[_Prepared] = []
        for together in _together(job for job in jobs if job.name not in self._handles):
            try:
                prepared.append(self._prepared(together))
            except PenstockError as error:
                answers.update((job.name, error) for job in together)
        for (some, *_), answer in zip(prepared, self._each(self._answer, prepared), strict=True):
            for index, job in enumerate(some):
                if isinstance(answer, str):
                    handle = answer if len(some) == 1 else f"{answer}#{index}"
                    self._born[handle] = time.monotonic()
                    self._handles[job.name] = handle
                else:
                    answers[job.name] = answer
        return [answers.get(job.name) or self._handles[job.name] for job in jobs]

    def _take_seats(self, jobs: Sequence[Job]) -> None:
        """Nodes beside a first one that is known are nodes of the same job: `adopt` may have told that one alone."""
        for job in jobs:
            lead = "" if job.gang is None else self._handles.get(job.gang.lead, "")
            if job.gang is not None and "#" in lead:
                self._handles.setdefault(job.name, f"{lead.partition('#')[0]}#{job.gang.index}")

    def _each(self, do: Callable[[Any], Any], them: Sequence[Any]) -> Iterable[Any]:
        """Do it to each, by several threads where it is several."""
        if len(them) < 2:
            return list(map(do, them))
        if self._callers is None:
            self._callers = ThreadPoolExecutor(CALLERS, thread_name_prefix="aws batch")
        return self._callers.map(do, them)

    def _prepared(self, jobs: Sequence[Job]) -> _Prepared:
        """The request for a job, or for those of a gang, and their options."""
        job = jobs[0]
        if not all(one.command for one in jobs):
            raise JobRejected(f"{job.name} has no command")
        if job.secrets:
            raise JobRejected(
                "AWS Batch shows the variables of a job to whoever may describe it: no secret can be handed over",
                hint="--aws-batch-iam-role=...   # a role that reaches the datastore",
            )
        options = self._merged(job)
        definition, tags = self._definition(job, options, len(jobs) > 1), self._tags(job)
        if len(jobs) == 1:
            return jobs, submission(job, options, definition, tags), options
        request = nodes_submission(jobs, options, definition, tags)
        self._doubtful.add(request["jobName"])  # a dead scheduler's that `adopt` was not asked for is found here
        return jobs, request, options

    def _merged(self, job: Job) -> BatchOptions:
        return BatchOptions(**{**self._given, **job.options})

    def _answer(self, prepared: _Prepared) -> str | PenstockError:
        _, request, options = prepared
        try:
            return self._submitted(request, options)
        except PenstockError as error:
            return error

    def _submitted(self, request: Mapping[str, Any], options: BatchOptions) -> str:
        name, lost = request["jobName"], AnswerLost("")
        for _ in range(SUBMISSIONS):
            found = self._found_after_silence(name, options) if name in self._doubtful else None
            try:
                found = found or str(self._service.call("batch", "submit_job", changes=True, **request)["jobId"])
            except AnswerLost as error:
                self._doubtful.add(name)
                lost = error
            except Refused as error:
                raise self._refusal(error, options) from error
            else:
                self._doubtful.discard(name)
                return found
        raise lost

    def _found_after_silence(self, name: str, options: BatchOptions) -> str | None:
        for look in range(LOOKS_AFTER_A_LOST_ANSWER):
            if look:
                time.sleep(_LOOK_AGAIN_S)  # a fresh job may be missing from the first listing
            found = self._listed(name, named_queue(options)).get(name)
            if found is not None:
                return found
        return None

    def _definition(self, job: Job, options: BatchOptions, nodes: bool) -> str:
        """The ARN of the definition of such jobs: made by us or somebody else before, or now."""
        request = self._defined(job, options, nodes)
        name = request["jobDefinitionName"]
        if name not in self._definitions:
            answer = self._service.call("batch", "describe_job_definitions", jobDefinitionName=name, status="ACTIVE")
            known = answer["jobDefinitions"]
            try:
                made = known[0] if known else self._service.call("batch", "register_job_definition", **request)
            except Refused as error:
                raise JobRejected(f"AWS Batch refuses the job definition: {error}") from error
            self._definitions[name] = str(made["jobDefinitionArn"])
        return self._definitions[name]

    def _defined(self, job: Job, options: BatchOptions, nodes: bool = False) -> dict[str, Any]:
        queue = self._queue(options)
        if nodes and not queue.runs_nodes:
            raise JobRejected(
                f"the queue {queue.name} has Fargate or Spot alone, on which AWS Batch runs no multi-node jobs; "
                "num_parallel makes one",
                hint="--aws-batch-queue=...   # one with a compute environment of EC2 instances on demand",
            )
        image = options.image or default_image()
        return definition(options, job.resources, job.environment, queue.fargate, image, nodes)

    def _queue(self, options: BatchOptions) -> Queue:
        name = named_queue(options)
        if name not in self._queues:
            self._queues[name] = find_queue(self._service, name)
        return self._queues[name]

    def _refusal(self, error: Refused, options: BatchOptions) -> Exception:
        name = named_queue(options)
        if "JobQueue" in str(error) and name.rpartition("/")[2] not in queue_names(self._service):
            return no_queue(self._service, name)
        return JobRejected(f"AWS Batch refuses the job: {error}")

    def _tags(self, job: Job) -> dict[str, str]:
        tags = {"penstock:flow": self.run.flow, "penstock:run": self.run.run, "penstock:user": self.run.user}
        step = job.pathspec.split("/")[2:3]
        return {**tags, "penstock:step": step[0]} if step else tags

    # -- a job as driver

    def submit_driver(self, job: Job) -> str:
        """With the rights of `driver_role`; AWS Batch starts it again when its host is lost."""
        options = self._merged(job)
        region = self._service.region  # as boto3, and as everybody else calls it
        variables = {**job.environment, "AWS_DEFAULT_REGION": region, "AWS_REGION": region}
        role = {"iam_role": options.driver_role or options.iam_role}
        driver = job.changed(environment=variables, options={**job.options, **role})
        _, request, options = self._prepared([driver])
        return self._submitted({**request, "retryStrategy": DRIVER_RETRIES}, options)

    def driver_files(self) -> Mapping[str, str]:
        """The SDK."""
        return sdk.files()

    # -- poll

    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        """DescribeJobs, by hundreds and in turns; for the others what was said of them last."""
        until = time.monotonic() + timeout_s
        while True:
            found = self._look(job_ids)
            left_s = until - time.monotonic()
            if left_s <= 0 or any(status.state.ended for status in found.values()):
                return found
            time.sleep(min(left_s, self.poll_interval_s))

    def _look(self, job_ids: Sequence[str]) -> Mapping[str, JobStatus]:
        before = self._last
        found = {one: before.get(one, reasons.QUEUED) for one in job_ids}
        asked = [one for one in job_ids if one not in before or not before[one].state.ended]
        room = IDS_A_CALL * CALLS_A_POLL
        if len(asked) > room:  # the turn goes on where the last one ended
            start = self._turn % len(asked)
            asked = (asked[start:] + asked[:start])[:room]
            self._turn = start + room
        waits: Counter[tuple[str, str]] = Counter()  # by queue and reason
        for first in range(0, len(asked), IDS_A_CALL):
            some = asked[first : first + IDS_A_CALL]
            said = self._described(some)
            for one in some:
                found[one] = self._status(one, said.get(one))
            waits.update(
                (one.get("jobQueue", "").rpartition("/")[2], one.get("statusReason", ""))
                for one in said.values()
                if one["status"] == "RUNNABLE"
            )
        self._tell(waits, moving=any(status.state is JobState.RUNNING for status in found.values()))
        self._last = found
        return found

    def _described(self, job_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """What is said of each; of a node that is not told apart yet, what is said of its job."""
        answer = self._service.call("batch", "describe_jobs", jobs=list(job_ids))
        said = {one["jobId"]: one for one in answer["jobs"]}
        jobs = {one: one.partition("#")[0] for one in job_ids if "#" in one and one not in said}
        if jobs:
            whole = self._described(sorted(set(jobs.values())))
            said.update((node, {**whole[job], "container": {}}) for node, job in jobs.items() if job in whole)
        return said

    def _status(self, job_id: str, said: Mapping[str, Any] | None) -> JobStatus:
        if said is not None:
            self._born.pop(job_id, None)
            return reasons.status_of(said)
        born = self._born.get(job_id)
        if born is not None and time.monotonic() - born < UNSEEN_FOR_S:
            return reasons.QUEUED
        return reasons.UNKNOWN

    def _tell(self, waits: Counter[tuple[str, str]], moving: bool) -> None:
        """Say why jobs wait: a reason at once, its absence after a minute in which nothing ran."""
        for (queue, reason), count in waits.items():
            if reason and (queue, reason) not in self._told:
                self._told.add((queue, reason))
                self.run.note(f"{_jobs(count)} in {queue}: {reasons.waiting(reason)}")
        if moving or not waits:
            self._idle_since = None
            return
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        for (queue, reason), count in waits.items():
            if not reason and now - self._idle_since > WAITS_LONG_S and (queue, "") not in self._told:
                self._told.add((queue, ""))
                self.run.note(
                    f"{_jobs(count)} in {queue} for a minute, and AWS Batch gives no reason: usually an instance is "
                    "being started"
                )

    # -- cancel, adopt, logs

    def cancel(self, job_ids: Sequence[str]) -> None:
        """TerminateJob: a job that runs gets SIGTERM and 30 s, one that waits never starts."""
        whole = dict.fromkeys(job_id.partition("#")[0] for job_id in job_ids)  # a node ends with its job alone
        for _ in self._each(self._terminate, list(whole)):
            pass

    def _terminate(self, job_id: str) -> None:
        with contextlib.suppress(Refused):  # it does not know the job
            self._service.call("batch", "terminate_job", jobId=job_id, reason="cancelled by penstock")

    def adopt(self, names: Sequence[str]) -> Mapping[str, str]:
        """ListJobs by name; of many names, by their common beginning. What a dying scheduler submitted last may be
        missing from a first listing: there is a second one. A step may have named a queue of its own: what the run's
        queue does not know is looked for in the others. The one job of a gang is found by the name of its first node,
        and tells the others."""
        found: dict[str, str] = {}
        for look in range(LOOKS_TO_ADOPT):
            missing = [name for name in names if name not in found]
            if not missing:
                break
            if look:
                time.sleep(_LOOK_AGAIN_S)
            found.update(self._listed_of(missing))
        self._born.update(dict.fromkeys(found.values(), time.monotonic()))
        self._handles.update(found)
        return found

    def _listed_of(self, names: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        own = self._options.queue
        queues = [] if own is None else [own]
        queues += [one for one in queue_names(self._service) if one != own]
        for queue in queues:
            missing = [name for name in names if name not in found]
            one_by_one = queue == own and len(missing) <= NAMES_ONE_BY_ONE
            for beginning in missing if one_by_one else [_beginning(missing)] if missing else ():
                there = self._listed(f"{beginning}*", queue)  # `nodes_name`, too
                leads = {there[nodes_name(name)]: name for name in missing if nodes_name(name) in there}
                there.update(self._nodes_of(leads))
                found.update((name, there[name]) for name in missing if name in there)
        return found

    def _nodes_of(self, leads: Mapping[str, str]) -> dict[str, str]:
        """Name -> handle of the nodes of jobs. leads: id of a job -> name of its first node, which is all that is known
        of a job that DescribeJobs does not tell yet."""
        found = {lead: f"{job_id}#0" for job_id, lead in leads.items()}
        job_ids = list(leads)
        for first in range(0, len(job_ids), IDS_A_CALL):
            for job_id, said in self._described(job_ids[first : first + IDS_A_CALL]).items():
                found.update((name, f"{job_id}#{index}") for index, name in enumerate(names_of_nodes(said)))
        return found

    def _listed(self, name: str, queue: str) -> dict[str, str]:
        """Name -> id; of several jobs of one name the first, which came first to the attempt's owner claim."""
        found: dict[str, tuple[int, str]] = {}
        token: dict[str, Any] = {}
        while True:
            filters = [{"name": "JOB_NAME", "values": [name]}]
            answer = self._service.call("batch", "list_jobs", jobQueue=queue, filters=filters, **token)
            for one in answer["jobSummaryList"]:
                this = (one.get("createdAt", 0), one["jobId"])
                found[one["jobName"]] = min(found.get(one["jobName"], this), this)
            if not answer.get("nextToken"):
                return {name: job_id for name, (_, job_id) in found.items()}
            token = {"nextToken": answer["nextToken"]}

    def logs(self, job_id: str) -> Iterator[bytes]:
        """The stream of the last attempt, from CloudWatch."""
        for said in self._service.call("batch", "describe_jobs", jobs=[job_id])["jobs"]:
            yield from log_stream.read(self._service, said)

    def close(self) -> None:
        """Close connections."""
        if self._callers is not None:
            self._callers.shutdown()
            self._callers = None
        self._service.close()


def default_image() -> str:
    """Docker's own Python of this version, from Amazon's registry: no account, and no limit that counts in AWS."""
    return f"public.ecr.aws/docker/library/python:{sys.version_info.major}.{sys.version_info.minor}-slim"


def _together(jobs: Iterable[Job]) -> Iterable[list[Job]]:
    """Those of a gang together, any other alone."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(job.name if job.gang is None else job.gang.lead, []).append(job)
    return found.values()


def _beginning(names: Sequence[str]) -> str:
    """What all names begin with."""
    first, last = min(names), max(names)
    length = next((at for at, one in enumerate(first) if not last.startswith(one, at)), len(first))
    return first[:length]


def _jobs(count: int) -> str:
    return "1 job waits" if count == 1 else f"{count} jobs wait"
