"""The flow whose store is kept as format 1."""

from penstock import FlowSpec, Parameter, step


class GoldenFlow(FlowSpec):
    alpha = Parameter("alpha", default=0.5)
    unit = "mm"

    @step
    def start(self):
        self.word = "ünïcode"
        self.large = bytes(range(256)) * 400
        self.zeros = b"\0" * 5_000_000
        self.kinds = ["cat", "dog", {"none": None}]
        print("begun")
        self.next(self.each, foreach="kinds")

    @step
    def each(self):
        self.kind = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.found = [one.kind for one in inputs]
        if self.alpha > 0.6:
            raise ValueError("too large")
        self.next(self.end)

    @step
    def end(self):
        print("x" * 40_000)
