"""Two steps on two images, each with a Python of its own, and a join on this machine. Needs `penstock[docker]`.

    flow run examples/two_pythons_flow.py
    OLD_IMAGE=python:3.11-slim NEW_IMAGE=python:3.13-slim flow run examples/two_pythons_flow.py
    flow logs TwoPythonsFlow/latest/end

Nothing is built: the images are those of Python itself, and are pulled once. Another registry's go by the variables.
"""

import os
import platform

from penstock import FlowSpec, docker, step

OLD = os.environ.get("OLD_IMAGE", "python:3.11-slim")
NEW = os.environ.get("NEW_IMAGE", "python:3.12-slim")


class TwoPythonsFlow(FlowSpec):
    """Both branches sum the same numbers; the join has both answers and knows where each was found."""

    @step
    def start(self):
        self.numbers = list(range(1000))
        self.next(self.old, self.new)

    @docker(image=OLD)
    @step
    def old(self):
        self.version, self.total = platform.python_version(), sum(self.numbers)
        print("Python", self.version)
        self.next(self.join)

    @docker(image=NEW)
    @step
    def new(self):
        self.version, self.total = platform.python_version(), sum(self.numbers)
        print("Python", self.version)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.versions = {"old": inputs.old.version, "new": inputs.new.version, "here": platform.python_version()}
        self.totals = [one.total for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(self.versions, self.totals)


if __name__ == "__main__":
    TwoPythonsFlow()
