"""The endpoint from a shell: prints the variables with which an SDK comes to it, serves until it is ended."""

from __future__ import annotations

import argparse
import shlex
import signal

from plugins.aws_batch.tests.endpoint import Endpoint, Switches


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--slots", type=int, default=4, help="containers at once")
    parser.add_argument("--fargate", action="store_true")
    given = parser.parse_args()
    with Endpoint(Switches(slots=given.slots, fargate=given.fargate), port=given.port) as endpoint:
        for name, value in endpoint.environment().items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        signal.sigwait([signal.SIGINT, signal.SIGTERM])


if __name__ == "__main__":
    main()
