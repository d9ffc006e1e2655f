"""The flow of the crash tests: nested foreach, retry, catch, switch, loop and joins.
Every body that runs leaves a line."""

import os

from penstock import FlowSpec, Parameter, catch, current, retry, step


class ReferenceFlow(FlowSpec):
    folder = Parameter("folder", required=True, help="Where the file `ran` is.")

    def ran(self):
        line = f"{current.step_name}/{current.task_id}/{current.retry_count}\n".encode()
        fd = os.open(os.path.join(self.folder, "ran"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(fd, line)
        os.close(fd)

    @step
    def start(self):
        self.ran()
        self.outer = ["a", "b"]
        self.next(self.each, foreach="outer")

    @step
    def each(self):
        self.ran()
        self.word = self.input
        self.inner = [1, 2]
        self.next(self.leaf, foreach="inner")

    @retry(times=1, minutes_between_retries=0)
    @step
    def leaf(self):
        self.ran()
        if current.retry_count == 0 and self.word == "b" and self.input == 2:
            raise ValueError("the first attempt of one leaf")
        self.made = f"{self.word}{self.input}"
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.ran()
        self.made = [one.made for one in inputs]
        self.more = "yes" if self.made[0] == "b1" else "no"
        self.turns = 0
        self.next({"yes": self.loop, "no": self.plain}, condition="more")

    @step
    def loop(self):
        self.ran()
        self.turns += 1
        self.again = str(self.turns < 2)
        self.next({"True": self.loop, "False": self.meet}, condition="again")

    @step
    def plain(self):
        self.ran()
        self.next(self.meet)

    @catch(var="failure", print_exception=False)
    @retry(times=2, minutes_between_retries=0)
    @step
    def meet(self):
        self.ran()
        if self.turns:
            raise RuntimeError("caught")
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.ran()
        # whether it failed, not how: a crash in the last attempt says something else than the body
        self.result = [(one.made, one.turns, one.failure is not None) for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.ran()


if __name__ == "__main__":
    ReferenceFlow()
