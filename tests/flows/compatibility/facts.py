"""What a step knows of itself, its run and its environment. Below: the words of each run, and what was `seen`."""

import os

from penstock import (
    FlowSpec,
    Run,
    Task,
    current,
    environment,
    get_namespace,
    namespace,
    parallel_map,
    project,
    resources,
    step,
)

os.environ["SET_BY_THE_FILE"] = "early"


class Current(FlowSpec):
    @step
    def start(self):
        self.ids = all(isinstance(getattr(current, name), str) for name in ("run_id", "task_id", "step_name"))
        self.path = current.pathspec == f"Current/{current.run_id}/start/{current.task_id}"
        self.next(self.end)

    @step
    def end(self):
        self.seen = [
            self.ids, self.path, current.flow_name, current.step_name, current.retry_count, current.origin_run_id,
            current.username, current.namespace, sorted(current.tags), current.parameter_names,
            current.is_running_flow, "run_id" in current, current.get("nothing", 7), self._current_step,
        ]  # fmt: skip


class Clients(FlowSpec):
    """`current.run` and `current.task` may be kept as artifacts, and lead on."""

    @step
    def start(self):
        self.x = 3
        self.run_of_start, self.task_of_start = current.run, current.task
        self.next(self.end)

    @step
    def end(self):
        namespace("user:nobody")
        self.seen = [
            self.task_of_start.data.x, self.task_of_start.parent.parent.id == current.run_id,
            isinstance(self.run_of_start, Run), Task(self.task_of_start.pathspec, _namespace_check=False).successful,
            [one.id for one in self.run_of_start],
        ]  # fmt: skip


class Tagging(FlowSpec):
    """Tasks that run at the same time tag their run, and lose nothing."""

    @step
    def start(self):
        self.items = list(range(6))
        self.next(self.each, foreach="items")

    @step
    def each(self):
        current.run.add_tag(f"task {self.input}")
        current.run.add_tags(["all", "user:ann"])
        current.run.remove_tag("given")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [sorted(current.run.user_tags), get_namespace()]
        self.next(self.end)

    @step
    def end(self):
        pass


class Namespaced(FlowSpec):
    @step(start=True, end=True)
    def only(self):
        self.seen = [current.namespace, get_namespace()]


@project(name="shop")
class Project(FlowSpec):
    @step(start=True, end=True)
    def only(self):
        tags = sorted(tag for tag in current.run.system_tags if tag.startswith("project"))
        self.seen = [current.project_name, current.branch_name, current.project_flow_name, current.is_production, tags]


class InheritedProject(Project):
    @step(start=True, end=True)
    def only(self):
        self.seen = current.project_flow_name


class Environment(FlowSpec):
    """Variables of a step, of the file, and of whoever started the run."""

    @environment(vars={"COLOUR": "red", "NUMBER": 3})
    @step
    def start(self):
        self.here = [os.environ.get(name) for name in ("COLOUR", "NUMBER", "SET_BY_THE_FILE")]
        self.next(self.end)

    @step
    def end(self):
        self.seen = [self.here, [os.environ.get(name) for name in ("COLOUR", "SET_BY_THE_FILE")]]


class Needs(FlowSpec):
    """Needs are hints that every executor honours or passes over."""

    @resources(cpu=1, memory=100)
    @step
    def start(self):
        self.squares = parallel_map(lambda x: x * x, range(5), max_parallel=2)
        self.next(self.end)

    @step
    def end(self):
        self.seen = self.squares


class Added(FlowSpec):
    """For `--with`: a variable that no line of the file sets."""

    @step(start=True, end=True)
    def only(self):
        self.seen = [os.environ.get("ADDED"), [one["name"] for one in self._graph["only"].decorators]]


RUNS = [
    ("Current", ["--tag=a", "--tag=刺身 means sashimi"], [
        True, True, "Current", "end", 0, None, "ann", "user:ann", ["a", "刺身 means sashimi"], [], True, True, 7, "end",
    ]),
    ("Clients", [], [3, True, True, True, ["end", "start"]]),
    ("Tagging", ["--tag=given", "--max-workers=4"], [["all", *(f"task {n}" for n in range(6))], "user:ann"]),
    ("Namespaced", [], ["user:ann", "user:ann"]),
    ("Namespaced", ["--namespace=team:blue"], ["team:blue", "team:blue"]),
    ("Namespaced", ["--namespace="], [None, None]),
    ("Project", [], ["shop", "user.ann", "shop.user.ann.Project", False, ["project:shop", "project_branch:user.ann"]]),
    ("Project", ["--branch=fix"], [
        "shop", "test.fix", "shop.test.fix.Project", False, ["project:shop", "project_branch:test.fix"],
    ]),
    ("Project", ["--production"], [
        "shop", "prod", "shop.prod.Project", True, ["project:shop", "project_branch:prod"],
    ]),
    ("InheritedProject", ["--branch=a", "--production"], "shop.prod.a.InheritedProject"),
    ("Environment", [], [["red", "3", "early"], [None, "early"]]),
    ("Needs", [], [0, 1, 4, 9, 16]),
    ("Added", ['--with=environment:vars={"ADDED": "yes"}'], ["yes", ["environment"]]),
]  # fmt: skip
