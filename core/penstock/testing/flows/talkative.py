"""Prints on both streams: short and long, without a last line feed, what is no text, and just before it is killed."""

import os
import signal
import sys

from penstock import FlowSpec, step


class TalkativeFlow(FlowSpec):
    @step
    def start(self):
        print("  short  ünïcode")
        sys.stderr.write("no line feed")
        self.next(self.long)

    @step
    def long(self):
        for number in range(20_000):
            print(f"line {number:06d}")
        os.write(2, b"\xff\xfe no text\r\n")
        self.next(self.end)

    @step
    def end(self):
        print("just before")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    TalkativeFlow()
