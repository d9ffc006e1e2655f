"""Every form of `self.next`. Below: the words of each run, and what its last step left in `seen`."""

from penstock import FlowSpec, Parameter, current, parallel, step


class Linear(FlowSpec):
    @step
    def start(self):
        self.seen = [None, b"\0", {1, 2}, (3,), range(4), frozenset("a"), {"k": [1, {"x"}]}, 2**70, "tëxt"]
        self.next(self.middle)

    @step
    def middle(self):
        self.seen = [*self.seen, type(self.seen[4]).__name__]
        self.next(self.end)

    @step
    def end(self):
        pass


class SingleStep(FlowSpec):
    @step
    def alone(self):
        self.seen = [current.step_name, self._graph["alone"].type]


class NamedEnds(FlowSpec):
    @step(start=True)
    def first(self):
        self.next(self.last)

    @step(end=True)
    def last(self):
        info = current.run["_parameters"].task["_graph_info"].data
        self.seen = [[one.name for one in self], info["start_step"], info["end_step"]]


class Branches(FlowSpec):
    """Three levels of static splits, eight leaves."""

    @step
    def start(self):
        self.next(self.a, self.b)

    @step
    def a(self):
        self.next(self.aa, self.ab)

    @step
    def b(self):
        self.next(self.ba, self.bb)

    @step
    def aa(self):
        self.next(self.aaa, self.aab)

    @step
    def ab(self):
        self.next(self.aba, self.abb)

    @step
    def ba(self):
        self.next(self.baa, self.bab)

    @step
    def bb(self):
        self.next(self.bba, self.bbb)

    @step
    def aaa(self):
        self.way = ["aaa"]
        self.next(self.join_aa)

    @step
    def aab(self):
        self.way = ["aab"]
        self.next(self.join_aa)

    @step
    def aba(self):
        self.way = ["aba"]
        self.next(self.join_ab)

    @step
    def abb(self):
        self.way = ["abb"]
        self.next(self.join_ab)

    @step
    def baa(self):
        self.way = ["baa"]
        self.next(self.join_ba)

    @step
    def bab(self):
        self.way = ["bab"]
        self.next(self.join_ba)

    @step
    def bba(self):
        self.way = ["bba"]
        self.next(self.join_bb)

    @step
    def bbb(self):
        self.way = ["bbb"]
        self.next(self.join_bb)

    @step
    def join_aa(self, inputs):
        self.way = inputs.aaa.way + inputs.aab.way
        self.next(self.join_a)

    @step
    def join_ab(self, inputs):
        self.way = [word for one in inputs for word in one.way]
        self.next(self.join_a)

    @step
    def join_ba(self, inputs):
        self.way = [word for one in inputs for word in one.way]
        self.next(self.join_b)

    @step
    def join_bb(self, inputs):
        self.way = [word for one in inputs for word in one.way]
        self.next(self.join_b)

    @step
    def join_a(self, inputs):
        self.way = [word for one in inputs for word in one.way]
        self.next(self.join)

    @step
    def join_b(self, inputs):
        self.way = [word for one in inputs for word in one.way]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [word for one in inputs for word in one.way]
        self.next(self.end)

    @step
    def end(self):
        pass


class Foreach(FlowSpec):
    """The order of the list, whatever it iterates over. kind: what is iterated."""

    kind = Parameter("kind", default="list")
    kinds = {"list": "[3, 1, 2]", "text": "'cab'", "range": "range(3)", "dicts": "[{'n': 2}, {'n': 1}]",
             "tuple": "('b', 'a')", "generator": "(x * x for x in range(4))", "dict": "{'k': 1, 'l': 2}",
             "empty": "[]", "none": "[None, None]"}  # fmt: skip

    @step
    def start(self):
        self.things = eval(self.kinds[self.kind])
        self.next(self.each, foreach="things")

    @step
    def each(self):
        self.got, self.number = self.input, self.index
        self.next(self.after)

    @step
    def after(self):
        self.still = (self.input, self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [(one.got, one.number) for one in inputs]
        assert all(one.still == (one.got, one.number) for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


class Nested(FlowSpec):
    """Three levels, 2 x 3 x 2 leaves."""

    @step
    def start(self):
        self.x = "ab"
        self.next(self.one, foreach="x")

    @step
    def one(self):
        self.y = [10, 20, 30]
        self.next(self.two, foreach="y")

    @step
    def two(self):
        self.z = range(2)
        self.next(self.three, foreach="z")

    @step
    def three(self):
        self.stack = self.foreach_stack()
        self.frames = [frame.var for frame in self._foreach_stack]
        self.next(self.join3)

    @step
    def join3(self, inputs):
        self.leaves = [one.stack for one in inputs]
        self.mine = self.input
        self.frames = inputs[0].frames
        self.next(self.join2)

    @step
    def join2(self, inputs):
        self.leaves = [leaf for one in inputs for leaf in one.leaves]
        self.order = [one.mine for one in inputs]
        self.frames = inputs[0].frames
        self.next(self.join1)

    @step
    def join1(self, inputs):
        leaves = [leaf for one in inputs for leaf in one.leaves]
        self.seen = [len(leaves), leaves[0], leaves[-1], inputs[1].order, inputs[0].frames]
        self.next(self.end)

    @step
    def end(self):
        pass


class SplitInForeach(FlowSpec):
    @step
    def start(self):
        self.items = [5, 4]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.next(self.left, self.right)

    @step
    def left(self):
        self.side = ("left", self.input)
        self.next(self.meet)

    @step
    def right(self):
        self.side = ("right", self.input)
        self.next(self.meet)

    @step
    def meet(self, inputs):
        self.sides = [inputs.left.side, inputs.right.side, self.input]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [one.sides for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


class Switch(FlowSpec):
    """Ways that meet again without a join. way: which."""

    way = Parameter("way", default="fast")

    @step
    def start(self):
        self.next({"fast": self.fast, "slow": self.slow}, condition="way")

    @step
    def fast(self):
        self.taken = "fast"
        self.next(self.end)

    @step
    def slow(self):
        self.taken = "slow"
        self.next(self.end)

    @step
    def end(self):
        self.seen = [self.taken, hasattr(self, "other")]


class SwitchInForeach(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.odd = self.input % 2 == 1
        self.next({True: self.of_odd, False: self.of_even}, condition="odd")

    @step
    def of_odd(self):
        self.what = f"odd {self.input}"
        self.next(self.join)

    @step
    def of_even(self):
        self.what = f"even {self.input}"
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [one.what for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


class Loop(FlowSpec):
    @step
    def start(self):
        self.turns = []
        self.next(self.turn)

    @step
    def turn(self):
        self.turns = [*self.turns, len(self.turns)]
        self.more = "again" if len(self.turns) < 4 else "done"
        self.next({"again": self.turn, "done": self.end}, condition="more")

    @step
    def end(self):
        self.seen = self.turns


class LoopInForeach(FlowSpec):
    @step
    def start(self):
        self.items = [3, 1, 2]
        self.next(self.prepare, foreach="items")

    @step
    def prepare(self):
        self.count = 0
        self.next(self.turn)

    @step
    def turn(self):
        self.count += 1
        self.more = self.count < self.input
        self.next({"True": self.turn, "False": self.done}, condition="more")

    @step
    def done(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [one.count for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


class SwitchToSplit(FlowSpec):
    """A way of a switch is a split with its join, the other a foreach with its own."""

    way = Parameter("way", default="split")

    @step
    def start(self):
        self.next({"split": self.parts, "each": self.many}, condition="way")

    @step
    def parts(self):
        self.next(self.a, self.b)

    @step
    def a(self):
        self.next(self.join_parts)

    @step
    def b(self):
        self.next(self.join_parts)

    @step
    def join_parts(self, inputs):
        self.got = len(inputs)
        self.next(self.end)

    @step
    def many(self):
        self.items = "xyz"
        self.next(self.one, foreach="items")

    @step
    def one(self):
        self.next(self.join_many)

    @step
    def join_many(self, inputs):
        self.got = len(list(inputs))
        self.next(self.end)

    @step
    def end(self):
        self.seen = self.got


class Nodes(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=3)

    @parallel
    @step
    def train(self):
        self.me = (current.parallel.node_index, current.parallel.num_nodes, self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [one.me for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


class Base(FlowSpec):
    unit = "mm"
    alpha = Parameter("alpha", default=1)

    @step
    def start(self):
        self.who = "base"
        self.next(self.middle)

    @step
    def middle(self):
        self.by = "base"
        self.next(self.end)

    @step
    def end(self):
        self.seen = [self.who, self.by, self.unit, self.alpha, self.extra()]

    def extra(self):
        return 0


class Mixin:
    def extra(self):
        return 7


class Inherited(Mixin, Base):
    alpha = Parameter("alpha", default=5)

    @step
    def middle(self):
        self.by = "derived"
        self.next(self.end)


KINDS = {
    "list": [(3, 0), (1, 1), (2, 2)], "text": [("c", 0), ("a", 1), ("b", 2)], "range": [(0, 0), (1, 1), (2, 2)],
    "dicts": [({"n": 2}, 0), ({"n": 1}, 1)], "tuple": [("b", 0), ("a", 1)],
    "generator": [(0, 0), (1, 1), (4, 2), (9, 3)], "dict": [("k", 0), ("l", 1)], "empty": [],
    "none": [(None, 0), (None, 1)],
}  # fmt: skip
RUNS = [
    ("Linear", [], [
        None, b"\0", {1, 2}, (3,), range(4), frozenset("a"), {"k": [1, {"x"}]}, 2**70, "tëxt", "range",
    ]),
    ("SingleStep", [], ["alone", "end"]),
    ("NamedEnds", [], [["first", "last"], "first", "last"]),
    ("Branches", [], ["aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"]),
    *(("Foreach", [f"--kind={kind}"], seen) for kind, seen in KINDS.items()),
    ("Nested", [], [
        12, [(0, 2, "a"), (0, 3, 10), (0, 2, 0)], [(1, 2, "b"), (2, 3, 30), (1, 2, 1)], [10, 20, 30], ["x", "y", "z"],
    ]),
    ("SplitInForeach", [], [[("left", 5), ("right", 5), 5], [("left", 4), ("right", 4), 4]]),
    ("Switch", [], ["fast", False]),
    ("Switch", ["--way=slow"], ["slow", False]),
    ("SwitchInForeach", [], ["odd 1", "even 2", "odd 3"]),
    ("Loop", [], [0, 1, 2, 3]),
    ("LoopInForeach", [], [3, 1, 2]),
    ("SwitchToSplit", [], 2),
    ("SwitchToSplit", ["--way=each"], 3),
    ("Nodes", [], [(0, 3, 0), (1, 3, 1), (2, 3, 2)]),
    ("Base", [], ["base", "base", "mm", 1, 0]),
    ("Inherited", [], ["base", "derived", "mm", 5, 7]),
]  # fmt: skip
