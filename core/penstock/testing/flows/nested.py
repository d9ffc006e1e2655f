"""Branches in branches, foreach in foreach, joins that merge; items of every sort of iterable, in their order."""

from penstock import FlowSpec, step


class NestedFlow(FlowSpec):
    @step
    def start(self):
        self.shared = "same"
        self.next(self.left, self.right)

    @step
    def left(self):
        self.side = "left"
        self.outer = ["b", "a", "c"]
        self.next(self.each, foreach="outer")

    @step
    def each(self):
        self.word = self.input
        self.inner = range(self.index + 1)
        self.next(self.leaf, foreach="inner")

    @step
    def leaf(self):
        self.seen = (self.word, self.input, self.index, [frame[:2] for frame in self.foreach_stack()])
        self.next(self.after_leaf)

    @step
    def after_leaf(self):
        self.seen = (*self.seen, self.input)
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.rows = [one.seen for one in inputs]
        self.merge_artifacts(inputs, include=["word", "shared", "side"])
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.rows = [(one.word, one.rows) for one in inputs]
        self.merge_artifacts(inputs, exclude=["word"])
        self.next(self.join)

    @step
    def right(self):
        self.side = "right"
        self.next(self.up, self.down)

    @step
    def up(self):
        self.way = "up"
        self.next(self.right_join)

    @step
    def down(self):
        self.way = "down"
        self.next(self.right_join)

    @step
    def right_join(self, inputs):
        self.ways = [inputs.up.way, inputs.down.way, [one.way for one in inputs]]
        self.merge_artifacts(inputs, exclude=["way"])
        self.nothing = iter(())
        self.next(self.never, foreach="nothing")

    @step
    def never(self):
        self.next(self.never_join)

    @step
    def never_join(self, inputs):
        self.count = len(list(inputs))
        self.merge_artifacts(inputs)
        self.next(self.join)

    @step
    def join(self, inputs):
        names = sorted(name for name in ("rows", "ways", "side", "shared") if hasattr(self, name))
        self.merge_artifacts(inputs, exclude=["side"])
        self.result = {
            "rows": self.rows,
            "ways": self.ways,
            "count": self.count,
            "inherited": names,
            "shared": self.shared,
            "sides": [inputs[0].side, inputs[1].side],
        }
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NestedFlow()
