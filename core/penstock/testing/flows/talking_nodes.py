"""Nodes that talk to the first of them: none can end before all have begun."""

import os
import time
from multiprocessing.connection import Client, Listener
from pathlib import Path

from penstock import FlowSpec, Parameter, current, parallel, retry, step

PATIENCE_S = 120.0


class TalkingNodesFlow(FlowSpec):
    """port: a free one of the machine that the first node is on. ill: the node that ends by os._exit in its first
    attempt, when all have met; slow: one that says so by a file `slow` in `folder` when all have met, and then goes on
    when there is one named `go`, in its first attempt, too; -1 for none."""

    port = Parameter("port", type=int)
    ill = Parameter("ill", default=-1)
    slow = Parameter("slow", default=-1)
    folder = Parameter("folder", default=".")

    @step
    def start(self):
        self.next(self.talk, num_parallel=3)

    @retry(times=1, minutes_between_retries=0)
    @parallel
    @step
    def talk(self):
        self.heard = met(self.port, current.parallel)
        if current.parallel.node_index == self.ill and current.retry_count == 0:
            os._exit(3)
        if current.parallel.node_index == self.slow and current.retry_count == 0:
            Path(self.folder, "slow").touch()
            while not Path(self.folder, "go").exists():
                time.sleep(0.01)
        self.attempt = current.retry_count
        self.next(self.join)

    @step
    def join(self, inputs):
        self.result = [(one.heard, one.attempt) for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


def met(port, node):
    """What each node told the first one, added up."""
    if node.node_index == 0:
        with Listener(("", port)) as listener:
            peers = [listener.accept() for _ in range(node.num_nodes - 1)]
        total = sum(peer.recv() for peer in peers)
        for peer in peers:
            peer.send(total)
            peer.close()
        return total
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with Client((node.main_ip, port)) as lead:
                lead.send(10**node.node_index)
                return lead.recv()
        except OSError:  # it does not listen yet
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    TalkingNodesFlow()
