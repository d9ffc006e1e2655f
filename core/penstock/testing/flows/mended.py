"""Fails in one item of a foreach until a file stands beside it; every body that runs leaves a line in another."""

import os

from penstock import FlowSpec, step

FOLDER = os.environ["FLOW_SUITE_FOLDER"]  # not the flow's own: jobs elsewhere run in another


def ran(name):
    with open(os.path.join(FOLDER, "ran"), "a", encoding="utf-8") as file:
        file.write(f"{name}\n")


class MendedFlow(FlowSpec):
    @step
    def start(self):
        ran("start")
        self.items = ["a", "b", "c"]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        ran(f"work {self.input}")
        if self.input == "b" and not os.path.exists(os.path.join(FOLDER, "mended")):
            raise ValueError("not mended yet")
        self.made = self.input.upper()
        self.next(self.join)

    @step
    def join(self, inputs):
        ran("join")
        self.result = [one.made for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        ran("end")


if __name__ == "__main__":
    MendedFlow()
