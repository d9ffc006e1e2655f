"""What jobs of the executor suite do. SUITE_FOLDER: a folder that the suite sees too; each task has a part of it."""

import os
import subprocess
import sys
import time
from multiprocessing.connection import Client, Listener
from pathlib import Path

from penstock import FlowSpec, current, step

PATIENCE_S = 120.0
# A process that its parent leaves behind: it heeds no SIGTERM, and holds a lock as long as it lives.
HOLDER = """
import fcntl, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


class SuiteJobsFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.succeed, self.fail, self.die, self.hold, self.look, self.meet)

    @step
    def succeed(self):
        self.answer = [1, "ünïcode"]
        print("  said: ünïcode", flush=True)
        print("no line feed", end="", file=sys.stderr, flush=True)
        self.next(self.join)

    @step
    def fail(self):
        raise ValueError("on purpose")
        self.next(self.join)

    @step
    def die(self):
        os._exit(3)
        self.next(self.join)

    @step
    def hold(self):
        """Says that it runs, and goes on when it is told to."""
        folder = Path(os.environ["SUITE_FOLDER"]) / current.task_id
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "ran", "a") as file:
            file.write("ran\n")
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder / "lock")], stdout=subprocess.PIPE)
        holder.stdout.readline()
        (folder / "running").touch()
        until = time.monotonic() + PATIENCE_S
        while not (folder / "go").exists() and time.monotonic() < until:
            time.sleep(0.01)
        holder.kill()
        holder.wait()
        holder.stdout.close()
        self.went = (folder / "go").exists()
        self.next(self.join)

    @step
    def look(self):
        self.variables = {name: value for name, value in os.environ.items() if name.startswith("SUITE_")}
        file = Path("a file of the süite")
        file.write_text("kept")
        self.kept = file.read_text()
        file.unlink()
        self.next(self.join)

    @step
    def meet(self):
        """Each node of a gang tells the first one its number, and hears from it who came."""
        self.came = met(int(os.environ["SUITE_PORT"]), current.parallel)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


def met(port, node):
    """The numbers of all nodes but the first, as it heard them."""
    if node.node_index == 0:
        with Listener(("", port)) as listener:
            peers = [listener.accept() for _ in range(node.num_nodes - 1)]
        came = sorted(peer.recv() for peer in peers)
        for peer in peers:
            peer.send(came)
            peer.close()
        return came
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with Client((node.main_ip, port)) as lead:
                lead.send(node.node_index)
                return lead.recv()
        except OSError:  # it does not listen yet
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
