"""Artifacts of many types pass through a line of steps; parameters and constants are the same everywhere."""

from penstock import FlowSpec, JSONType, Parameter, current, step


class LinearFlow(FlowSpec):
    number = Parameter("number", default=3)
    flag = Parameter("flag", default=False)
    names = Parameter("names", default="a,b", separator=",")
    setup = Parameter("set-up", default='{"depth": 1}', type=JSONType)
    made = Parameter("made", default=lambda context: f"{context.flow_name}:{context.parameter_name}")
    constant = {"unit": "mm"}

    @step
    def start(self):
        self.values = [None, True, 2**80, 0.5, "tëxt\n", b"\0\xff", (1, [2, {3}])]
        self.values += [range(4), {"k": [1]}, frozenset("ab")]
        self.big = bytes(range(256)) * 5000
        self.gone = 1
        self.kept = [1]
        self.next(self.middle)

    @step
    def middle(self):
        del self.gone
        self.kept.append(2)
        self.next(self.end)

    @step
    def end(self):
        try:
            self.number = 4
            refused = False
        except AttributeError:
            refused = True
        self.result = {
            "values": self.values,
            "big": len(self.big),
            "gone": hasattr(self, "gone"),
            "kept": self.kept,
            "parameters": [self.number, self.flag, self.names, self.setup, self.made, self.constant],
            "refused": refused,
            "current": [current.step_name, current.task_id, current.retry_count, sorted(current.parameter_names)],
        }


if __name__ == "__main__":
    LinearFlow()
