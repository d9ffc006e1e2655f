"""An endpoint that speaks AWS Batch and runs its jobs in real containers, for the tests of this plugin.

    switches.py      what can be made worse than a good day: limits, throttling, lateness, what a queue can't do
    front.py         HTTP; checks each request and each answer with botocore's own model of the service
    policies.py      who calls, and whether an IAM policy lets them
    jobs.py          a job: states, attempts, what DescribeJobs says of it
    containers.py    one container of an attempt on the engine
    batch.py         the actions of Batch, and the thread that moves jobs on
    others.py        CloudWatch Logs, ECR, STS and IAM, as far as a launcher asks them
    __main__.py      the same from a shell: python -m plugins.aws_batch.tests.endpoint --port=4570

What is known of AWS's behaviour comes from the service model, the user guide, and the table in the design notes; what
no document says is left out rather than guessed.
"""

from plugins.aws_batch.tests.endpoint.front import Endpoint
from plugins.aws_batch.tests.endpoint.switches import Switches

__all__ = ["Endpoint", "Switches"]
