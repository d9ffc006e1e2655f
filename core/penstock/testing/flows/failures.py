"""Retries, catches and time-outs: what a failed attempt set is gone, what `@catch` keeps stays,
a killed process counts."""

import os
import signal
import time

from penstock import FlowSpec, catch, current, environment, retry, step, timeout


class FailuresFlow(FlowSpec):
    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        if current.retry_count == 0:
            self.of_the_first = 1
            raise ValueError("the first attempt")
        if current.retry_count == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.attempts = current.retry_count + 1
        self.next(self.caught, self.slow, self.killed)

    @catch(var="failure", print_exception=False)
    @retry(times=1, minutes_between_retries=0)
    @step
    def caught(self):
        self.before = "kept"
        raise RuntimeError(f"attempt {current.retry_count}")
        self.next(self.join)

    @catch(var="failure", print_exception=False)
    @timeout(seconds=1)
    @step
    def slow(self):
        time.sleep(60)
        self.next(self.join)

    @catch(var="failure", print_exception=False)
    @environment(vars={"FLOW_SUITE_WORD": "given"})
    @step
    def killed(self):
        if os.environ["FLOW_SUITE_WORD"] == "given":
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.result = {
            "attempts": inputs.caught.attempts,
            "of_the_first": hasattr(inputs.caught, "of_the_first"),
            "before": inputs.caught.before,
            "caught": (inputs.caught.failure.type, inputs.caught.failure.exception),
            "slow": inputs.slow.failure.type.rpartition(".")[2],
            "killed": inputs.killed.failure.type.rpartition(".")[2],
        }
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FailuresFlow()
