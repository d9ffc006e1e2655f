"""What the user asks of a run beside its parameters."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.running.placement import ExecutorFor

FINISH, FAIL_FAST, CONTINUE = "finish", "fail-fast", "continue"
ON_FAILURE = (FINISH, FAIL_FAST, CONTINUE)


class Wishes:
    """The options of `flow run`, as values.

    executor_for: step (or `*`) -> (executor, options). run_id_file: gets the bare id before the first task starts.
    detach: a job shall drive the run. namespace: of `current` and the client in tasks; None for the user's own, empty
    for none.
    """

    __slots__ = (
        "detach", "executor_for", "max_num_splits", "max_workers", "namespace", "on_failure", "run_id_file", "tags",
    )  # fmt: skip

    def __init__(
        self,
        *,
        tags: Iterable[str] = (),
        run_id_file: str | None = None,
        max_workers: int | None = None,
        max_num_splits: int | None = None,
        on_failure: str = FINISH,
        executor_for: ExecutorFor | None = None,
        namespace: str | None = None,
        detach: bool = False,
    ) -> None:
        self.tags, self.run_id_file, self.max_workers = tuple(tags), run_id_file, max_workers
        self.max_num_splits = max_num_splits or 1_000_000
        self.on_failure, self.executor_for = on_failure, dict(executor_for or {})
        self.namespace, self.detach = namespace, detach
