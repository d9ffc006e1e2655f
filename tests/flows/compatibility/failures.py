"""What `retry`, `catch` and `timeout` grant. Below: the words of each run, and what its last step left in `seen`."""

from penstock.exception import ExternalCommandFailed, MetaflowException

from penstock import FlowSpec, Parameter, catch, current, parallel, retry, step, timeout


class OddError(Exception):
    def __init__(self, one, two):
        self.one, self.two = one, two


class NoWords(MetaflowException):
    headline = "No words"

    def __init__(self):
        super().__init__("nothing to say")


class Retried(FlowSpec):
    """Only what the attempt that succeeded set is seen."""

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        if current.retry_count == 0:
            self.of_the_first = True
        self.attempts = current.retry_count
        if current.retry_count < 2:
            raise ValueError("not yet")
        self.next(self.end)

    @step
    def end(self):
        self.seen = [self.attempts, hasattr(self, "of_the_first")]


class RetriedEverywhere(FlowSpec):
    """A split, a foreach, its tasks and joins are tried again like any other."""

    def once(self):
        if current.retry_count == 0:
            raise ValueError(current.step_name)

    @retry(times=1)
    @step
    def start(self):
        self.once()
        self.next(self.a, self.b)

    @retry(times=1)
    @step
    def a(self):
        self.items = [1, 2]
        self.once()
        self.next(self.each, foreach="items")

    @retry(times=1)
    @step
    def each(self):
        self.once()
        self.got = self.input
        self.next(self.collect)

    @retry(times=1)
    @step
    def collect(self, inputs):
        self.once()
        self.got = [one.got for one in inputs]
        self.next(self.join)

    @step
    def b(self):
        self.next(self.join)

    @retry(times=1)
    @step
    def join(self, inputs):
        self.once()
        self.seen = inputs.collect.got
        self.next(self.end)

    @step
    def end(self):
        pass


class Caught(FlowSpec):
    """kind: what is raised."""

    kind = Parameter("kind", default="plain")

    @catch(var="why", print_exception=False)
    @step
    def start(self):
        self.before = 1
        if self.kind == "plain":
            raise ValueError("it is so")
        if self.kind == "odd":
            raise OddError(1, two=2)
        if self.kind == "command":
            raise ExternalCommandFailed("catch me!")
        if self.kind == "no words":
            raise NoWords
        self.next(self.end)

    @step
    def end(self):
        why = self.why
        self.seen = [self.before, why and [why.type.rpartition(".")[2], why.exception]]


class CaughtSplit(FlowSpec):
    """All branches of a static split follow, although its body did not come to its end."""

    @catch(var="why")
    @step
    def start(self):
        raise ValueError("before the split")
        self.next(self.a, self.b)

    @step
    def a(self):
        self.next(self.join)

    @catch
    @step
    def b(self):
        raise ValueError("in a branch")
        self.next(self.join)

    @catch(var="of_join")
    @step
    def join(self, inputs):
        self.whys = [one.why.exception for one in inputs]
        raise ValueError("in a join")
        self.next(self.end)

    @catch(var="last")
    @step
    def end(self):
        self.seen = [self.whys, self.of_join.exception]
        raise ValueError("the end")


class CaughtRetries(FlowSpec):
    """The handler stands in after the last attempt, not before."""

    @catch(var="why")
    @retry(times=2)
    @step
    def start(self):
        self.attempt = current.retry_count
        raise ValueError(f"attempt {current.retry_count}")
        self.next(self.end)

    @step
    def end(self):
        self.seen = [self.attempt, self.why.exception, str(self.why).count("attempt 2") > 0]


class Slow(FlowSpec):
    @catch(var="why")
    @timeout(seconds=1)
    @step
    def start(self):
        while True:
            pass
        self.next(self.end)

    @timeout(hours=1)
    @step
    def end(self):
        self.seen = self.why.type.rpartition(".")[2]


class Killed(FlowSpec):
    """A process that dies is tried again; at last a handler stands in that does not run the body."""

    @catch(var="why")
    @retry(times=1)
    @step
    def start(self):
        import os

        print("alive", flush=True)
        os.kill(os.getpid(), 9)
        self.next(self.end)

    @step
    def end(self):
        self.seen = self.why.type.rpartition(".")[2]


class Segfault(FlowSpec):
    """What was printed before is kept, and what the handler keeps says which death it was."""

    @catch(var="why")
    @step
    def start(self):
        import os

        print("before", flush=True)
        os.kill(os.getpid(), 11)
        self.next(self.end)

    @step
    def end(self):
        self.seen = ["segmentation fault" in self.why.exception, current.run["start"].task.successful]


class KilledOnce(FlowSpec):
    @retry(times=1)
    @step
    def start(self):
        import os

        if current.retry_count == 0:
            os.kill(os.getpid(), 11)
        self.next(self.end)

    @step
    def end(self):
        self.seen = "mended"


class RetriedNodes(FlowSpec):
    """Where they run side by side node 0 is tried again with it, as Metaflow does; one by one it is not."""

    @step
    def start(self):
        self.next(self.train, num_parallel=2)

    @retry(times=1)
    @parallel
    @step
    def train(self):
        if current.retry_count == 0 and self.input == 1:
            raise ValueError("node 1")
        self.got = (self.input, current.retry_count)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [one.got for one in inputs][1]
        self.next(self.end)

    @step
    def end(self):
        pass


class Fails(FlowSpec):
    """Nothing stands in: what was set before stays to be looked at."""

    @step
    def start(self):
        self.seen = "before"
        raise OddError(1, two=2)
        self.next(self.end)

    @step
    def end(self):
        pass


class Unguarded(FlowSpec):
    """For `--with`: fails once, and nothing in the file says what to do."""

    @step
    def start(self):
        if current.retry_count == 0:
            raise ValueError("once")
        self.next(self.end)

    @step
    def end(self):
        self.seen = "mended"


KILLS = {"Killed", "KilledOnce", "Segfault"}  # not for executors that run steps in the scheduler's own process
FAILED = {"Fails": "start"}  # flow -> step that fails
RUNS = [
    ("Retried", [], [2, False]),
    ("RetriedEverywhere", [], [1, 2]),
    ("Caught", [], [1, ["ValueError", "it is so"]]),
    ("Caught", ["--kind=odd"], [1, ["OddError", "1"]]),
    ("Caught", ["--kind=command"], [1, ["ExternalCommandFailed", "catch me!"]]),
    ("Caught", ["--kind=no words"], [1, ["NoWords", "nothing to say"]]),
    ("Caught", ["--kind=none"], [1, None]),
    ("CaughtSplit", [], [["before the split", "before the split"], "in a join"]),
    ("CaughtRetries", [], [2, "attempt 2", True]),
    ("Slow", [], "TimeoutException"),
    ("Killed", [], "FailureHandledByCatch"),
    ("KilledOnce", [], "mended"),
    ("Segfault", [], [True, True]),
    ("RetriedNodes", [], (1, 1)),
    ("Fails", [], "before"),
    ("Unguarded", ["--with", "retry"], "mended"),
    ("Unguarded", ["--with=retry:times=1,minutes_between_retries=0", "--with=catch:var=why"], "mended"),
]
