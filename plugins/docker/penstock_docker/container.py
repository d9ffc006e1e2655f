"""What a container is made with: a job and the options of its step as the engine wants them. No calls here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from docker.types import DeviceRequest, Mount

from penstock.errors import JobRejected
from penstock.values import FACTS_VARIABLE, RUNTIME_VARIABLE, Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.contracts.executor import Job
    from penstock_docker.images import Image

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


class Surroundings:
    """What all containers of a run share.

    run: `Flow/RUN`; user: its name; ids: UID:GID of the caller as the engine sees it; cores: of the engine's machine;
    runtime: a folder of this machine for what `RUNTIME_VARIABLE` names, None where the engine can't see it.
    """

    def __init__(self, run: str, user: str, ids: str, cores: float, runtime: str | None) -> None:
        self.run, self.user, self.ids, self.cores, self.runtime = run, user, ids, cores, runtime


def run_label(flow: str, run: str) -> dict[str, str]:
    """The label by which everything of a run is found."""
    return {f"{LABEL}.run": f"{flow}/{run}"}


def labels(job: Job, around: Surroundings) -> dict[str, str]:
    """Flow, run, step, task and attempt, each by itself."""
    parts = [*job.pathspec.split("/"), "", "", "", "", ""]
    flow, _, _ = around.run.partition("/")
    found = {"flow": flow, "run": around.run, "step": parts[2], "task": parts[3], "attempt": parts[4]}
    return {f"{LABEL}.{name}": text for name, text in found.items() if text}


def creation(job: Job, options: Mapping[str, Any], image: Image, around: Surroundings) -> dict[str, Any]:
    """Keywords of `create_container`, those of its host configuration under `host_config`. Raises JobRejected."""
    command = ["python3", "-c", _WITH_SECRETS, *job.command] if job.secrets else list(job.command)
    made: dict[str, Any] = {
        "image": image.id,
        "name": job.name,
        "entrypoint": command[:1],
        "command": command[1:],
        "labels": labels(job, around),
        "working_dir": HOME,
        "user": options["user"] or around.ids,
        "environment": environment(job, options, image, around),
        "stdin_open": bool(job.secrets),
        "platform": options["platform"],
        "host_config": host_configuration(job, options, around),
    }
    return made


def environment(job: Job, options: Mapping[str, Any], image: Image, around: Surroundings) -> dict[str, str]:
    """Variables of a job: ours, the options', the step's."""
    found = {"PYTHONHASHSEED": "0", FACTS_VARIABLE: json.dumps(image.facts)}
    if not options["user"]:  # ids without an entry in the image have no home and no name there
        found |= {"HOME": HOME, "USER": around.user, "LOGNAME": around.user}
    if around.runtime is not None and not options["user"]:
        found[RUNTIME_VARIABLE] = around.runtime
    return {**found, **dict(_variables(options["env"])), **job.environment}


def _variables(said: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for text in said:
        name, equals, value = text.partition("=")
        if not re.fullmatch(r"\w+", name):
            raise JobRejected(f"{text!r} is no variable", hint="--docker-env=NAME=TEXT,OTHER")
        if not equals and name not in os.environ:
            raise JobRejected(f"the variable {name} is to be passed on, and is not set", hint=f"export {name}=...")
        yield name, value if equals else os.environ[name]


def host_configuration(job: Job, options: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    """What the container may use of the machine."""
    needs = job.resources
    found: dict[str, Any] = {
        "init": True,  # a main process hears no signal that it has no handler for, and reaps nobody
        "cap_drop": ["ALL"],
        "cap_add": list(options["cap_add"]) or None,
        "security_opt": None if options["new_privileges"] else ["no-new-privileges"],
        "network_mode": options["network"],
        "mounts": list(mounts(job, options, around)),
        "tmpfs": dict(_in_memory(options["tmpfs"])) or None,
        "read_only": options["read_only"] or None,
    }
    if options["read_only"]:
        found["tmpfs"] = {HOME: "mode=1777", **(found["tmpfs"] or {})}
    if options["selinux"]:
        mode = _one_of(options["selinux"], ("z", "Z"), "selinux")
        found["binds"] = [f"{mount['Source']}:{mount['Target']}:{mode}" for mount in found.pop("mounts")]
    if needs.memory_mb is not None:
        found |= {"mem_limit": needs.memory_mb * MIB, "memswap_limit": needs.memory_mb * MIB}
    if needs.cpu is not None:
        found["nano_cpus"] = round(min(needs.cpu, around.cores) * 1e9)
    shared_mb = options["shm_mb"] or needs.shared_memory_mb
    if shared_mb is not None:
        found["shm_size"] = shared_mb * MIB
    gpus = _gpus(options["gpus"], needs)
    if gpus is not None:
        found["device_requests"] = [DeviceRequest(count=gpus, capabilities=[["gpu"]])]
    return found


def mounts(job: Job, options: Mapping[str, Any], around: Surroundings) -> Iterator[Mount]:
    """Folders of this machine under their own paths, and what the options name."""
    for one in job.mounts:
        yield Mount(str(one.path), str(one.path), type="bind", read_only=one.read_only)
    if around.runtime is not None and not options["user"]:  # it is the caller's alone
        yield Mount(around.runtime, around.runtime, type="bind")
    for text in options["volumes"]:
        yield volume(text)


def volume(text: str) -> Mount:
    """`SOURCE:TARGET[:ro]`; a source with a slash is a folder of this machine, else a volume of the engine's."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts) or parts[2:] not in ([], ["ro"], ["rw"]):
        raise JobRejected(f"{text!r} is no volume", hint="--docker-volumes=/data:/data:ro")
    source, target = os.path.expanduser(parts[0]), parts[1]
    if not target.startswith("/"):
        raise JobRejected(
            f"{target!r} of the volume {text!r} is no absolute path", hint=f"--docker-volumes={source}:/{target}"
        )
    folder = "/" in source or source.startswith(".")
    source = os.path.abspath(source) if folder else source
    return Mount(target, source, type="bind" if folder else "volume", read_only=parts[2:] == ["ro"])


def _in_memory(said: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for text in said:
        path, _, size = text.partition(":")
        if not path.startswith("/") or (size and not size.isdigit()):
            raise JobRejected(f"{text!r} is no folder in memory", hint="--docker-tmpfs=/scratch:512")
        yield path, "mode=1777" + (f",size={size}m" if size else "")


def _gpus(said: str | None, needs: Resources) -> int | None:
    """How many devices, -1 for all, None for none."""
    if said is None:
        return needs.gpu or None
    if said == "all":
        return -1
    if not said.isdigit():
        raise JobRejected(f"--docker-gpus={said} is neither `all` nor a number", hint="--docker-gpus=all")
    return int(said) or None


def _one_of(word: str, words: tuple[str, ...], option: str) -> str:
    if word not in words:
        raise JobRejected(
            f"--docker-{option}={word} is not one of {', '.join(words)}", hint=f"--docker-{option}={words[0]}"
        )
    return word


def check(options: Mapping[str, Any]) -> None:
    """Everything that can be said of options before there is a job. Raises JobRejected."""
    for text in options["volumes"]:
        found = volume(text)
        if found["Type"] == "bind" and not os.path.exists(found["Source"]):
            raise JobRejected(f"there is no {found['Source']} to be mounted", hint=f"mkdir -p {found['Source']}")
    for _ in (*_in_memory(options["tmpfs"]), *_variables(options["env"])):
        pass
    if options["gpus"] is not None:
        _gpus(options["gpus"], Resources())
    if options["selinux"]:
        _one_of(options["selinux"], ("z", "Z"), "selinux")
