"""What a join sees and takes over. Below: the words of each run, and what its last step left in `seen`."""

from penstock.exception import (
    MetaflowException,
    MissingInMergeArtifactsException,
    UnhandledInMergeArtifactsException,
)

from penstock import FlowSpec, step


class Two(FlowSpec):
    """Two branches: `same` is equal in both, `other` differs, `of_a` is in one only."""

    @step
    def start(self):
        self.before = "start"
        self.next(self.a, self.b)

    @step
    def a(self):
        self.same, self.other, self.of_a = [1], "a", "only a"
        self.next(self.join)

    @step
    def b(self):
        self.same, self.other = [1], "b"
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = self.look(inputs)
        self.next(self.end)

    @step
    def end(self):
        pass

    def has(self, *names):
        return [name for name in names if hasattr(self, name)]


class InheritsNothing(Two):
    def look(self, inputs):
        return [self.has("same", "other", "of_a", "before"), inputs.a.other, inputs.b.other, inputs[0].of_a,
                hasattr(inputs.b, "of_a"), len(list(inputs)), [one.before for one in inputs]]  # fmt: skip


class MergeAll(Two):
    def look(self, inputs):
        self.other = "mine"
        self.merge_artifacts(inputs)
        return [self.same, self.other, self.of_a, self.before]


class MergeExclude(Two):
    def look(self, inputs):
        self.merge_artifacts(inputs, exclude=["other"])
        return [self.same, self.of_a, self.has("other", "before")]


class MergeInclude(Two):
    def look(self, inputs):
        self.merge_artifacts(inputs, include=["same"])
        return [self.same, self.has("other", "of_a", "before")]


class MergeConflict(Two):
    def look(self, inputs):
        try:
            self.merge_artifacts(inputs)
        except UnhandledInMergeArtifactsException as error:
            return ["other" in str(error), self.has("same", "other", "of_a", "before")]


class MergeMissing(Two):
    def look(self, inputs):
        try:
            self.merge_artifacts(inputs, include=["same", "nowhere"])
        except MissingInMergeArtifactsException as error:
            return ["nowhere" in str(error), self.has("same")]


class MergeBoth(Two):
    def look(self, inputs):
        try:
            self.merge_artifacts(inputs, include=["same"], exclude=["other"])
        except MetaflowException:
            return self.has("same")


class MergeOutside(FlowSpec):
    @step
    def start(self):
        try:
            self.merge_artifacts([])
        except MetaflowException as error:
            self.seen = "belongs in a join" in str(error)
        self.next(self.end)

    @step
    def end(self):
        pass


class OtherNames(FlowSpec):
    """The argument of a join may have any name; nested joins merge through."""

    @step
    def start(self):
        self.x, self.items = 1, ["p", "q"]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.y = 2
        self.next(self.join)

    @step
    def join(self, models):
        self.merge_artifacts(models)
        self.seen = [self.x, self.y, len(list(models))]
        self.next(self.end)

    @step
    def end(self):
        pass


class ItemsStay(FlowSpec):
    """An artifact that is changed in place in one branch is another value there, and stays as it was elsewhere."""

    @step
    def start(self):
        self.table = {"n": 0}
        self.items = [1, 2]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.table["n"] = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [one.table["n"] for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


RUNS = [
    ("InheritsNothing", [], [[], "a", "b", "only a", False, 2, ["start", "start"]]),
    ("MergeAll", [], [[1], "mine", "only a", "start"]),
    ("MergeExclude", [], [[1], "only a", ["before"]]),
    ("MergeInclude", [], [[1], []]),
    ("MergeConflict", [], [True, []]),
    ("MergeMissing", [], [True, []]),
    ("MergeBoth", [], []),
    ("MergeOutside", [], True),
    ("OtherNames", [], [1, 2, 2]),
    ("ItemsStay", [], [1, 2]),
]
