"""The client: flows, runs, steps, tasks and artifacts as seen from outside.

Flow("PetsFlow").latest_run["count"].task.data.pets        Client("s3://bucket/prefix").run("PetsFlow/latest")
"""

from __future__ import annotations

from penstock.client.artifact import DataArtifact, TaskArtifacts, TaskData
from penstock.client.client import Client
from penstock.client.default import default_client, default_metadata, get_metadata, metadata
from penstock.client.flow import Flow
from penstock.client.metaflow import Metaflow
from penstock.client.namespace import default_namespace, get_namespace, namespace
from penstock.client.run import Run
from penstock.client.step import Step
from penstock.client.task import Task

__all__ = [
    "Client",
    "DataArtifact",
    "Flow",
    "Metaflow",
    "Run",
    "Step",
    "Task",
    "TaskArtifacts",
    "TaskData",
    "default_client",
    "default_metadata",
    "default_namespace",
    "get_metadata",
    "get_namespace",
    "metadata",
    "namespace",
]
