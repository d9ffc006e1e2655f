"""What `resume` takes over. Below: after which failure, with which step again; how often each step ran in all, and
what was `seen` at the end."""

import os

from penstock import FlowSpec, Parameter, current, parallel, step


class Counted(FlowSpec):
    """folder: where it is written down which steps ran, and whether it is mended."""

    folder = Parameter("folder")
    stamp = Parameter("stamp", default=lambda _: os.urandom(4).hex())

    def ran(self, fails=False):
        with open(f"{self.folder}/ran", "a") as file:
            file.write(f"{current.step_name} ")
        if fails and not os.path.exists(f"{self.folder}/mended"):
            raise ValueError("not mended")


class First(Counted):
    @step
    def start(self):
        self.ran(fails=True)
        self.next(self.end)

    @step
    def end(self):
        self.ran()
        self.seen = current.origin_run_id is not None


class Last(Counted):
    @step
    def start(self):
        self.ran()
        self.x = self.stamp
        self.next(self.end)

    @step
    def end(self):
        self.ran(fails=True)
        self.seen = self.x == self.stamp


class Again(Counted):
    """Nothing failed: a step and what follows it run again because one says so."""

    @step
    def start(self):
        self.ran()
        self.next(self.middle)

    @step
    def middle(self):
        self.ran()
        self.next(self.end)

    @step
    def end(self):
        self.ran()
        self.seen = "end"


class OneOfMany(Counted):
    @step
    def start(self):
        self.ran()
        self.items = [1, 2, 3]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.ran(fails=self.input == 2)
        self.got = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.ran()
        self.seen = [one.got for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


class SplitFails(Counted):
    @step
    def start(self):
        self.ran()
        self.next(self.split)

    @step
    def split(self):
        self.items = "ab"
        self.ran(fails=True)
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.ran()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = len(inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


class NestedJoinFails(Counted):
    @step
    def start(self):
        self.items = [1, 2]
        self.next(self.one, foreach="items")

    @step
    def one(self):
        self.ran()
        self.parts = [1, 2]
        self.next(self.two, foreach="parts")

    @step
    def two(self):
        self.ran()
        self.next(self.inner)

    @step
    def inner(self, inputs):
        self.ran()
        self.n = len(inputs)
        self.next(self.outer)

    @step
    def outer(self, inputs):
        self.ran(fails=True)
        self.seen = sum(one.n for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


class InALoop(Counted):
    @step
    def start(self):
        self.n = 0
        self.next(self.turn)

    @step
    def turn(self):
        self.n += 1
        self.ran(fails=self.n == 3)
        self.more = str(self.n < 4)
        self.next({"True": self.turn, "False": self.end}, condition="more")

    @step
    def end(self):
        self.seen = self.n


class NodesJoin(Counted):
    @step
    def start(self):
        self.next(self.train, num_parallel=2)

    @parallel
    @step
    def train(self):
        self.ran()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.ran(fails=True)
        self.seen = len(inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


# flow, step to resume from, how often steps ran, what was seen
RESUMED = [
    ("First", [], {"start": 2, "end": 1}, True),
    ("Last", [], {"start": 1, "end": 2}, True),
    ("Again", ["middle"], {"start": 1, "middle": 2, "end": 2}, "end"),
    ("OneOfMany", [], {"start": 1, "each": 4, "join": 1}, [1, 2, 3]),
    ("OneOfMany", ["each"], {"start": 1, "each": 6, "join": 1}, [1, 2, 3]),
    ("SplitFails", [], {"start": 1, "split": 2, "each": 2}, 2),
    ("NestedJoinFails", [], {"one": 2, "two": 4, "inner": 2, "outer": 2}, 4),
    ("InALoop", [], {"turn": 5}, 4),
    ("NodesJoin", [], {"train": 2, "join": 2}, 2),
]
