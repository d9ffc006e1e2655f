"""Fails in one item of a foreach until a file stands beside it; every body that runs leaves a line in another."""

import os

from penstock import FlowSpec, Parameter, step


class MendedFlow(FlowSpec):
    folder = Parameter("folder", required=True, help="Where the two files are: jobs elsewhere run in another folder.")

    def ran(self, name):
        with open(os.path.join(self.folder, "ran"), "a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    @step
    def start(self):
        self.ran("start")
        self.items = ["a", "b", "c"]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.ran(f"work {self.input}")
        if self.input == "b" and not os.path.exists(os.path.join(self.folder, "mended")):
            raise ValueError("not mended yet")
        self.made = self.input.upper()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.ran("join")
        self.result = [one.made for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.ran("end")


if __name__ == "__main__":
    MendedFlow()
