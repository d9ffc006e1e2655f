"""Tasks that look at their own run from inside, and tag it all at once."""

from penstock import Flow, FlowSpec, current, namespace, step


class TaggedFlow(FlowSpec):
    @step
    def start(self):
        current.run.replace_tags(["given"], ["begun ✓", "not kept"])
        self.items = [*"abcd"]
        self.next(self.tag, foreach="items")

    @step
    def tag(self):
        run = current.run
        run.add_tags([self.input, f"{self.input} {self.index}", "shared"])
        run.remove_tag(self.input)
        self.seen = f"{self.input} {self.index}" in current.run.user_tags
        self.name_here = current.task.pathspec == current.pathspec
        self.here = current.task
        self.next(self.join)

    @step
    def join(self, inputs):
        current.run.replace_tag("not kept", "joined")
        mine = current.task
        namespace(None)
        self.result = {
            "tags": sorted(current.run.user_tags),
            "seen": [one.seen and one.name_here for one in inputs],
            "parents": [task.id for task in mine.parent_tasks],
            "of the parents": [task.data.seen for task in mine.parent_tasks],
            "stored": [one.here.parent.parent == current.run for one in inputs],
            "successful": [one.here.successful for one in inputs],
            "found by tag": [run == current.run for run in Flow("TaggedFlow").runs("shared")],
            "status": current.run.status,
        }
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TaggedFlow()
