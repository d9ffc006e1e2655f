"""A step on several nodes at once, and a base class whose steps, parameters and decorators are inherited."""

from penstock import FlowSpec, Parameter, current, parallel, resources, step


class Base(FlowSpec):
    width = Parameter("width", default=3)
    unit = "mm"

    @resources(cpu=1, memory=64)
    @step
    def start(self):
        self.made_by = "base"
        self.next(self.train, num_parallel=3)

    @parallel
    @step
    def train(self):
        self.mine = (current.parallel.node_index, current.parallel.num_nodes, self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.nodes = [one.mine for one in inputs]
        self.merge_artifacts(inputs, exclude=["mine"])
        self.next(self.end)

    @step
    def end(self):
        self.result = "not this one"


class SeveralNodesFlow(Base):
    @step
    def end(self):
        self.result = {"nodes": self.nodes, "made_by": self.made_by, "unit": self.unit, "width": self.width}


if __name__ == "__main__":
    SeveralNodesFlow()
