"""A flow that fails, and goes on where it failed once you have mended it.

    flow run examples/resume_flow.py        # a report is missing: exit code 1
    echo 8.5 > north.txt                    # mend it
    flow resume examples/resume_flow.py     # what is done is taken over; only the rest runs
"""

from pathlib import Path

from penstock import FlowSpec, step


class ResumeFlow(FlowSpec):
    """The mean temperature of three weather stations, one of which forgot to report."""

    @step
    def start(self):
        self.reported = {"east": 11.5, "south": 16.0}
        self.stations = ["east", "south", "north"]
        self.next(self.read, foreach="stations")

    @step
    def read(self):
        report = Path(f"{self.input}.txt")
        if self.input in self.reported:
            self.temperature = self.reported[self.input]
        elif report.exists():
            self.temperature = float(report.read_text())
        else:
            raise FileNotFoundError(f"no report of {self.input}: write its temperature into {report}")
        print(f"{self.input}: {self.temperature} degrees")
        self.next(self.average)

    @step
    def average(self, inputs):
        self.mean = sum(one.temperature for one in inputs) / len(inputs)
        self.next(self.end)

    @step
    def end(self):
        print(f"on average {self.mean} degrees")


if __name__ == "__main__":
    ResumeFlow()
