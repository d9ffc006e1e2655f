"""A thousand tasks: how many of the first numbers are prime?

    flow run examples/wide_flow.py
    flow run examples/wide_flow.py --width=20 --max-workers=2
"""

from penstock import FlowSpec, Parameter, step

BLOCK = 100


def is_prime(number):
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


class WideFlow(FlowSpec):
    """Each task counts the primes of one block of a hundred numbers, the join adds them up."""

    width = Parameter("width", default=1000, help="How many blocks, each of them a task.")

    @step
    def start(self):
        self.firsts = range(0, self.width * BLOCK, BLOCK)
        self.next(self.count, foreach="firsts")

    @step
    def count(self):
        self.primes = sum(map(is_prime, range(self.input, self.input + BLOCK)))
        self.next(self.add_up)

    @step
    def add_up(self, inputs):
        self.primes = sum(one.primes for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.primes} primes below {self.width * BLOCK}")


if __name__ == "__main__":
    WideFlow()
