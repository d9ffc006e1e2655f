"""The flows of `FlowSuite`: each leaves its answer in the artifact `result` of its last step."""
