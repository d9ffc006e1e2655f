"""What a container is made with: a job and the options of its step as the engine wants them. No calls here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from docker.types import DeviceRequest

from penstock.values import FACTS_VARIABLE, RUNTIME_VARIABLE
from penstock_docker import words
from penstock_docker.folder import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.contracts.executor import Job
    from penstock_docker.images import Image
    from penstock_docker.world import World

HOME = "/tmp"
LABEL = "penstock"
MIB = 1 << 20
# Reads variables from its standard input, one JSON object in a line, and becomes the job: nothing of them is seen in
# what the engine or the system tell of the container. It reads not a byte more: the rest is the job's. Where the line
# never comes whole, because who would write it died, what was read is no JSON and the container ends.
_WITH_SECRETS = (
    "import json,os,sys\n"
    "line=b''\n"
    "while line[-1:]!=b'\\n':\n"
    " one=os.read(0,1)\n"
    " if not one: sys.exit('penstock: its variables did not come')\n"
    " line+=one\n"
    "os.environ.update(json.loads(line))\n"
    "os.execvp(sys.argv[1],sys.argv[1:])"
)


def run_label(flow: str, run: str) -> dict[str, str]:
    """The label by which everything of a run is found."""
    return {f"{LABEL}.run": f"{flow}/{run}"}


def labels(job: Job, world: World) -> dict[str, str]:
    """Flow, run, step, task and attempt, each by itself."""
    parts = [*job.pathspec.split("/"), "", "", "", "", ""]
    flow, _, _ = world.run.partition("/")
    found = {"flow": flow, "run": world.run, "step": parts[2], "task": parts[3], "attempt": parts[4]}
    return {f"{LABEL}.{name}": text for name, text in found.items() if text}


def creation(job: Job, options: Mapping[str, Any], image: Image, world: World) -> dict[str, Any]:
    """Keywords of `create_container`, those of its host configuration under `host_config`. Raises JobRejected."""
    command = ["python3", "-c", _WITH_SECRETS, *job.command] if job.secrets else list(job.command)
    made: dict[str, Any] = {
        "image": image.id,
        "name": job.name,
        "entrypoint": command[:1],
        "command": command[1:],
        "labels": labels(job, world),
        "working_dir": HOME,
        "user": options["user"] or world.ids,
        "environment": environment(job, options, image, world),
        "stdin_open": bool(job.secrets),
        "platform": options["platform"],
        "host_config": host_configuration(job, options, world),
    }
    return made


def environment(job: Job, options: Mapping[str, Any], image: Image, world: World) -> dict[str, str]:
    """Variables of a job: ours, the options', the step's."""
    found = {"PYTHONHASHSEED": "0", FACTS_VARIABLE: json.dumps(image.facts)}
    if not options["user"]:  # ids without an entry in the image have no home and no name there
        found |= {"HOME": HOME, "USER": world.user, "LOGNAME": world.user}
    if world.runtime is not None:
        found[RUNTIME_VARIABLE] = world.runtime
    return {**found, **dict(words.variables(options["env"])), **job.environment}


def host_configuration(job: Job, options: Mapping[str, Any], world: World) -> dict[str, Any]:
    """What the container may use of the machine."""
    needs, seen = job.resources, list(folders(job, options, world))
    found: dict[str, Any] = {
        "init": True,  # a main process hears no signal that it has no handler for, and reaps nobody
        "cap_drop": ["ALL"],
        "cap_add": list(options["cap_add"]) or None,
        "security_opt": None if options["new_privileges"] else ["no-new-privileges"],
        "network_mode": options["network"],
        "mounts": [one.mount for one in seen if not one.label],
        "binds": [one.bind for one in seen if one.label] or None,
        "tmpfs": dict(words.in_memory(options["tmpfs"])) or None,
        "read_only": options["read_only"] or None,
    }
    if options["read_only"] and HOME not in {one.target for one in seen}:
        found["tmpfs"] = {HOME: "mode=1777", **(found["tmpfs"] or {})}
    if needs.memory_mb is not None:
        found |= {"mem_limit": needs.memory_mb * MIB, "memswap_limit": needs.memory_mb * MIB}
    if needs.cpu is not None:
        found["nano_cpus"] = round(min(needs.cpu, world.cores) * 1e9)
    shared_mb = options["shm_mb"] or needs.shared_memory_mb
    if shared_mb is not None:
        found["shm_size"] = shared_mb * MIB
    devices = words.gpus(options["gpus"])
    devices = needs.gpu if devices is None else devices
    if devices:
        found["device_requests"] = [DeviceRequest(count=devices, capabilities=[["gpu"]])]
    return found


def folders(job: Job, options: Mapping[str, Any], world: World) -> Iterator[Folder]:
    """Folders of this machine under their own paths, and what the options name. Only the store's and ours are
    relabelled for SELinux: what a volume names may be anything, and says so itself."""
    mode = words.selinux(options["selinux"]) or ""
    for one in job.mounts:
        yield Folder(str(one.path), str(one.path), read_only=one.read_only, label=mode)
    if world.runtime is not None:  # it is shared, also by other runs
        yield Folder(world.runtime, world.runtime, read_only=True, label="z" if mode else "")
    for text in options["volumes"]:
        yield words.volume(text)
