"""Two branches, and a join that counts.

    flow run examples/petsflow.py
    flow show PetsFlow/latest
"""

from penstock import FlowSpec, step


class PetsFlow(FlowSpec):
    """Each branch knows some pets; the join knows how many there are."""

    @step
    def start(self):
        self.next(self.indoors, self.outdoors)

    @step
    def indoors(self):
        self.pets = ["cat", "dog", "goldfish"]
        self.next(self.join)

    @step
    def outdoors(self):
        self.pets = ["pony", "goat", "hen"]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.pets = sorted(inputs.indoors.pets + inputs.outdoors.pets)
        self.count = len(self.pets)
        print(f"{self.count} pets: {', '.join(self.pets)}")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    PetsFlow()
