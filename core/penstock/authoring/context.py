"""`current`: facts of the task that runs in this process."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Parallel:
    """Of a `@parallel` step. num_nodes: how many tasks there are; node_index: this one's number, 0 is the control node;
    control_task_id: the task of that one; main_ip: the address of the machine that it runs on."""

    __slots__ = ("_main_ip", "control_task_id", "node_index", "num_nodes")

    def __init__(self, num_nodes: int, node_index: int, control_task_id: str, main_ip: str | None) -> None:
        self.num_nodes, self.node_index = num_nodes, node_index
        self.control_task_id, self._main_ip = control_task_id, main_ip

    @property
    def main_ip(self) -> str:
        """Raises AttributeError where the nodes are started one by one."""
        if self._main_ip is None:
            raise AttributeError("current.parallel.main_ip: the nodes do not run side by side here")
        return self._main_ip

    def __repr__(self) -> str:
        return f"Parallel(num_nodes={self.num_nodes}, node_index={self.node_index})"


class Current:
    """flow_name, run_id, step_name, task_id, retry_count, origin_run_id, namespace, username, tags, parameter_names,
    pathspec, graph, run, task; with `@parallel` parallel; with `@project` project_name, branch_name,
    project_flow_name, is_user_branch, is_production. Outside a running step only `is_running_flow` answers; ids are
    text."""

    def __init__(self) -> None:
        self._stores: Any = None
        self._facts: dict[str, Any] = {}

    def _set(self, stores: Any = None, /, **facts: Any) -> None:
        """stores: open datastore of the run, and how its other stores are opened; the client reads them."""
        self._stores, self._facts = stores, facts

    def _clear(self) -> None:
        self._set()

    @property
    def is_running_flow(self) -> bool:
        """Whether a step runs in this process."""
        return bool(self._facts)

    @property
    def pathspec(self) -> str:
        """`Flow/run/step/task`."""
        return f"{self.flow_name}/{self.run_id}/{self.step_name}/{self.task_id}"

    @property
    def run(self) -> Any:
        """The run, as the client shows it."""
        from penstock.client import Run

        return Run(f"{self.flow_name}/{self.run_id}", _namespace_check=False)

    @property
    def task(self) -> Any:
        """The task, as the client shows it."""
        from penstock.client import Task

        return Task(self.pathspec, _namespace_check=False)

    def get(self, name: str, default: Any = None) -> Any:
        """A fact, or `default` where there is none."""
        return getattr(self, name, default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and hasattr(self, name)

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("_facts", {})
        if name in facts:
            return facts[name]
        if name.startswith("__"):
            raise AttributeError(name)
        if not facts:
            raise AttributeError(f"current.{name} is known only while a step runs")
        import difflib

        near = difflib.get_close_matches(name, facts, 1)
        hint = f". Did you mean {near[0]!r}?" if near else f"; it has: {', '.join(sorted(facts))}"
        raise AttributeError(f"current has no {name!r}{hint}")

    def __reduce__(self) -> str:
        return "current"  # whoever reads code that was pickled by value has its own

    def __repr__(self) -> str:
        return f"<current {self.pathspec}>" if self._facts else "<current: no step runs here>"


current = Current()
