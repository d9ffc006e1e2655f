"""Parameters and constants of a class. Below: the words of each run, and what its last step left in `seen`."""

import uuid

from penstock import FlowSpec, IncludeFile, JSONType, Parameter, current, step


class OneStep(FlowSpec):
    """Begins and ends in the same step; `look` says what to keep."""

    @step(start=True, end=True)
    def only(self):
        self.seen = self.look()


class Typed(OneStep):
    text = Parameter("text", default="a")
    whole = Parameter("whole", default=1)
    number = Parameter("number", default=0.5)
    truth = Parameter("truth", default=False)
    untyped = Parameter("untyped")
    asked = Parameter("asked", type=int, default="7")

    def look(self):
        return [self.text, self.whole, self.number, self.truth, self.untyped, self.asked]


class Listed(OneStep):
    words = Parameter("words", default="a,b", separator=",")
    bars = Parameter("bars", separator="|", default="1")

    def look(self):
        return [self.words, self.bars]


class Json(OneStep):
    table = Parameter("table", type=JSONType, default='{"a": [1, null]}')
    value = Parameter("value", type=JSONType, default={"b": 2})
    nothing = Parameter("nothing", type=JSONType, default=None)

    def look(self):
        return [self.table, self.value, self.nothing]


class Dashed(OneStep):
    rate = Parameter("learning-rate", default=0.1)
    under_score = Parameter("under_score", default="u")

    def look(self):
        return [self.rate, self.under_score, sorted(current.parameter_names)]


class Required(OneStep):
    must = Parameter("must", required=True, type=int)

    def look(self):
        return self.must


def described(context):
    return f"{context.flow_name} {context.user_name} {context.parameter_name} {dict(context.configs)}"


class Functions(OneStep):
    text = Parameter("text", default=described)
    count = Parameter("count", type=int, default=lambda _: 4)
    table = Parameter("table", type=JSONType, default=lambda context: {"of": context.parameter_name})

    def look(self):
        return [self.text, self.count, self.table]


class CountedDefault(FlowSpec):
    """A default by function is called once a run, whatever the number of processes."""

    folder = Parameter("folder")
    stamp = Parameter("stamp", default=lambda _: uuid.uuid4().hex)

    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.mine = self.stamp
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = len({one.mine for one in inputs} | {self.stamp})
        self.next(self.end)

    @step
    def end(self):
        pass


class ReadOnly(OneStep):
    alpha = Parameter("alpha", default=1)
    LIMITS = [1, 2]

    def look(self):
        refused = []
        for name in ("alpha", "LIMITS"):
            try:
                setattr(self, name, 3)
            except AttributeError:
                refused.append(name)
        return [refused, self.alpha, self.LIMITS]


class Constants(FlowSpec):
    """Constants and parameters are artifacts of every step, the last one and joins included."""

    UNIT, TABLE, SHARED = "mm", {"k": [1]}, (1, 2)
    alpha = Parameter("alpha", default=1)

    @property
    def doubled(self):
        return self.alpha * 2

    @step
    def start(self):
        self.next(self.a, self.b)

    @step
    def a(self):
        self.next(self.join)

    @step
    def b(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [self.UNIT, self.TABLE, self.SHARED, self.alpha, self.doubled, inputs.a.UNIT, inputs[1].alpha]
        self.next(self.end)

    @step
    def end(self):
        pass


class OddNames(OneStep):
    """Words that only mean something to tools of Metaflow's may be parameters."""

    config = Parameter("config", default="c")
    branch = Parameter("branch", default="b")
    environment = Parameter("environment", default="e")

    def look(self):
        return [self.config, self.branch, self.environment]


class Files(OneStep):
    text = IncludeFile("text", default=__file__)
    raw = IncludeFile("raw", is_text=False)
    none = IncludeFile("none")
    named = IncludeFile("named", default=lambda _: __file__, required=True)

    def look(self):
        return [self.text[:3], type(self.raw).__name__, self.none, self.named == self.text]


RUNS = [
    ("Files", [], ['"""', "NoneType", None, True]),
    ("Files", [f"--raw={__file__}"], ['"""', "bytes", None, True]),
    ("Typed", [], ["a", 1, 0.5, False, None, 7]),
    ("Typed", ["--text=ü b", "--whole", "-3", "--number=1e3", "--truth=yes", "--untyped=", "--asked=8"],
     ["ü b", -3, 1000.0, True, "", 8]),
    ("Typed", ["--truth", "False", "--untyped=--x"], ["a", 1, 0.5, False, "--x", 7]),
    ("Listed", [], [["a", "b"], ["1"]]),
    ("Listed", ["--words=x", "--bars=1|2|"], [["x"], ["1", "2", ""]]),
    ("Json", [], [{"a": [1, None]}, {"b": 2}, None]),
    ("Json", ["--table=[1]", '--value="text"', "--nothing=true"], [[1], "text", True]),
    ("Dashed", [], [0.1, "u", ["rate", "under_score"]]),
    ("Dashed", ["--learning-rate=2", "--under_score=v"], [2.0, "v", ["rate", "under_score"]]),
    ("Required", ["--must=3"], 3),
    ("Functions", [], ["Functions ann text {}", 4, {"of": "table"}]),
    ("Functions", ["--text=given", "--count=5", "--table={}"], ["given", 5, {}]),
    ("CountedDefault", [], 1),
    ("ReadOnly", [], [["alpha", "LIMITS"], 1, [1, 2]]),
    ("Constants", ["--alpha=4"], ["mm", {"k": [1]}, (1, 2), 4, 8, "mm", 4]),
    ("OddNames", ["--config=x", "--branch=y", "--environment=z"], ["x", "y", "z"]),
]  # fmt: skip
