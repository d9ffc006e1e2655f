"""A switch, a switch into a switch, a loop in a foreach with other turns for each item,
ways that meet without a join."""

from penstock import FlowSpec, current, step


class ChoicesFlow(FlowSpec):
    @step
    def start(self):
        self.items = [2, 0, 3]
        self.next(self.begin, foreach="items")

    @step
    def begin(self):
        self.turns = 0
        self.trace = []
        self.sort = "even" if self.input % 2 == 0 else "odd"
        self.next({"even": self.even, "odd": self.odd}, condition="sort")

    @step
    def even(self):
        self.trace.append("even")
        self.zero = str(self.input == 0)
        self.next({"True": self.nothing, "False": self.loop}, condition="zero")

    @step
    def nothing(self):
        self.trace.append("nothing")
        self.next(self.meet)

    @step
    def odd(self):
        self.trace.append("odd")
        self.next(self.loop)

    @step
    def loop(self):
        self.turns += 1
        self.trace.append(current.task_id)
        self.more = str(self.turns < self.input)
        self.next({"True": self.loop, "False": self.meet}, condition="more")

    @step
    def meet(self):
        self.trace.append(self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.result = [one.trace for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ChoicesFlow()
