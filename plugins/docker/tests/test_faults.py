"""What goes wrong with containers, on a real engine: each fault has one message, and none a wrong outcome."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from penstock_docker.words import default_image
from plugins.docker.tests.flow_shell import DockerShell
from tests.engine import engines, images, pythons
from tests.services.waiting import until

ONE_STEP = """
from penstock import FlowSpec, resources, retry, step

class OneFlow(FlowSpec):
    {decorator}
    @step
    def start(self):
        {body}
        self.next(self.end)

    @step
    def end(self):
        print("was well")
"""


@pytest.fixture
def shell(tmp_path: Path, engine: docker.DockerClient, image: str) -> Iterator[DockerShell]:
    made = DockerShell(tmp_path / "wörk here", engine, engines.url(), image)
    yield made
    for container in made.containers():
        container.remove(force=True)


def started(shell: DockerShell) -> Callable[[], bool]:
    return (shell.folder / "ran").exists


def run_one(shell: DockerShell, body: str, *options: str, decorator: str = ""):
    shell.write("one.py", ONE_STEP.format(body=body, decorator=decorator))
    return shell.flow("run", "one.py", "--run-id-file=id", *options)


def test_a_container_that_is_killed_from_outside_is_lost_and_run_again(shell):
    shell.write_hold()
    with shell.start(*shell_run(), "hold.py", "--run-id-file=id") as process:
        until(started(shell))
        (container,) = shell.containers()
        container.kill()
        (shell.folder / "go").touch()
        assert process.wait() == 0, process.communicate()
        process.communicate()
    first, second = shell.attempts("HoldFlow/latest/start/0")
    assert (first["outcome"], second["outcome"]) == ("lost", "succeeded")
    assert "from outside" in first["reason"]
    assert shell.containers() == []


@pytest.mark.parametrize("reuse", ["false", "true"])
def test_a_task_that_needs_too_much_memory_says_so_and_has_failed(shell, reuse):
    shell.options(reuse=reuse)
    answer = run_one(shell, "x = bytearray(300_000_000)", decorator="@resources(memory=100)")
    shell.told(answer, "out of memory", "100 MiB", "@resources(memory=...)", code=1)
    (attempt,) = shell.attempts("OneFlow/latest/start/0")
    assert attempt["outcome"] == "failed"
    assert shell.containers() == []


@pytest.mark.parametrize("reuse", ["false", "true"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_no_container(shell, number, code, reuse):
    shell.options(reuse=reuse)
    shell.write_hold()
    with shell.start(*shell_run(), "hold.py") as process:
        until(started(shell))
        process.send_signal(number)
        assert process.wait() == code, process.communicate()
        process.communicate()
    assert shell.containers() == []
    (attempt,) = shell.attempts("HoldFlow/latest/start/0")
    assert attempt["outcome"] == "cancelled"


def kill_the_scheduler(shell: DockerShell) -> None:
    shell.write_hold()
    with shell.start(*shell_run(), "hold.py", "--run-id-file=id") as process:
        until(started(shell))
        process.kill()
        process.communicate()


def test_who_continues_a_run_adopts_what_still_runs(shell):
    kill_the_scheduler(shell)
    assert [one.status for one in shell.containers()] == ["running"]
    with shell.start(*shell_run("continue"), "HoldFlow/latest") as process:
        (shell.folder / "go").touch()
        assert process.wait() == 0, process.communicate()
        process.communicate()
    assert (shell.folder / "ran").read_text() == "ran\n"
    assert shell.containers() == []


def test_warm_containers_go_with_their_scheduler(shell):
    shell.options(reuse="true")
    kill_the_scheduler(shell)
    until(lambda: all(one.status != "running" for one in shell.containers()))
    (shell.folder / "go").touch()
    shell.told(shell.flow("continue", "HoldFlow/latest"), code=0)
    assert shell.containers() == []


def test_a_run_is_cancelled_from_another_terminal(shell):
    kill_the_scheduler(shell)
    shell.told(shell.flow("cancel", "HoldFlow/latest"), code=0)
    assert shell.containers() == []


def test_an_engine_that_starts_anew_loses_what_ran_there(tmp_path, own_engine):
    with closing(engines.connect(own_engine.url)) as client:
        image = images.python_image(client, pythons.supported()[0])
        shell = DockerShell(tmp_path / "work", client, own_engine.url, image)
        shell.options(network="")
        shell.write_hold()
        with shell.start(*shell_run(), "hold.py") as process:
            until(started(shell))
            own_engine.kill()
            own_engine.start()
            (shell.folder / "go").touch()
            assert process.wait() == 0, process.communicate()
            process.communicate()
    first, second = shell.attempts("HoldFlow/latest/start/0")
    assert first["outcome"] in ("lost", "cancelled"), "an engine that comes back asks what runs to end"
    assert second["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({"read_only": "true"}, "open('/tmp/x', 'w').write('x')"),
        (
            {"tmpfs": "/scratch:8", "shm_mb": "16"},
            "import os; assert os.statvfs('/scratch').f_blocks * 4096 == 8 << 20",
        ),
        ({"env": "ONE=1,HOME"}, "import os; assert os.environ['ONE'] == '1'"),
        (
            {},
            "import getpass, os; assert getpass.getuser() == 'ann'; assert os.access(os.path.expanduser('~'), os.W_OK)",
        ),
    ],
    ids=["read-only root", "memory", "variables", "the caller"],
)
def test_a_task_is_well_in(shell, options, body):
    shell.options(**options)
    shell.told(run_one(shell, body), "was well", code=0)


def test_a_task_may_be_another_user(shell):
    for folder in (*shell.folder.parents[:2], shell.folder, shell.store):
        folder.chmod(0o777)
    shell.options(user="1234:1234")
    shell.write("one.py", ONE_STEP.format(decorator="", body="import os; assert os.getuid() == 1234"))
    command = 'umask 0; exec "$@"'  # what this user makes, the other may write in
    shell.told(shell.call("sh", "-c", command, "sh", *shell_run(), "one.py"), "was well", code=0)


def test_files_of_a_task_belong_to_the_caller(shell):
    shell.told(run_one(shell, "self.x = list(range(100_000))"), code=0)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in shell.store.rglob("*")}
    assert owners == {(os.getuid(), os.getgid())}


def test_what_a_container_may_do_is_little(shell):
    body = "print(open('/proc/self/status').read())"
    answer = run_one(shell, body)
    shell.told(answer, "NoNewPrivs:\t1", "CapEff:\t0000000000000000", code=0)


def test_a_folder_in_memory_that_is_full_fails_the_task(shell):
    shell.options(tmpfs="/tmp:1")
    answer = run_one(shell, "open('/tmp/x', 'wb').write(bytes(5_000_000))")
    shell.told(answer, "No space left on device", code=1)


def test_a_full_disk_is_told_wherever_it_is_met(tmp_path):
    with engines.own_engine(disk_mb=260) as engine, closing(engines.connect(engine.url)) as client:
        shell = DockerShell(tmp_path / "work", client, engine.url, images.python_image(client, pythons.supported()[0]))
        fill = "[open('/tmp/x', 'ab').write(bytes(1 << 20)) for _ in range(300)]"
        shell.told(run_one(shell, fill), "No space left on device", code=1)
        assert shell.containers() == []
        with contextlib.suppress(OSError), open(engine.data / "filling", "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
        shell.told(run_one(shell, "pass"), "the engine's disk is full", "next: docker system df", code=1)
        assert shell.containers() == []


def test_the_record_knows_the_image(shell, image):
    shell.told(run_one(shell, "pass"), code=0)
    facts = shell.attempts("OneFlow/latest/start/0")[0]["facts"]
    assert facts["image"] == image
    assert facts["digest"].startswith(("sha256:", image.partition(":")[0]))


def test_one_step_in_a_container_and_the_others_here(shell, other_image):
    shell.environment["PENSTOCK_EXECUTOR"] = "local"
    source = ONE_STEP.format(
        decorator=f"@docker(image={other_image!r})", body="import sys; self.v = sys.version_info[:2]"
    )
    shell.write(
        "one.py", source.replace("import FlowSpec", "import docker, FlowSpec").replace("was well", '", self.v, "')
    )
    version = tuple(map(int, pythons.supported()[1].name.split(".")))
    shell.told(shell.flow("run", "one.py"), str(version), code=0)
    (facts,) = [one.get("facts") for one in shell.attempts("OneFlow/latest/start/0")]
    assert facts["image"] == other_image
    assert "facts" not in shell.attempts("OneFlow/latest/end/0")[0]


NO_IMAGE = "penstock-test/nobody-has-this:1"


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        ({"image": NO_IMAGE, "pull": "never"}, ["no image", NO_IMAGE, "docker pull"], 1),
        ({"image": NO_IMAGE}, ["can't be pulled", NO_IMAGE, "next: --docker-image"], 1),
        ({"image": "No Image"}, ["No Image: invalid reference", "next: --docker-image"], 1),
        ({"pull": "sometimes"}, ["--docker-pull=sometimes", "missing, always, never"], 4),
        ({"volumes": "/nowhere/at/all:/x"}, ["there is no /nowhere/at/all", "next: mkdir -p /nowhere/at/all"], 1),
        ({"volumes": "justone"}, ["'justone' is no volume", "next: --docker-volumes="], 1),
        ({"env": "1=2=3,ü ü"}, ["is no variable", "next: --docker-env="], 1),
        ({"env": "NOT_SET_HERE"}, ["NOT_SET_HERE", "is not set"], 1),
        ({"gpus": "many"}, ["--docker-gpus=many", "next: --docker-gpus=all"], 1),
        ({"gpus": "all"}, ["the engine has no GPUs to give", "next: --docker-gpus=0"], 1),
        ({"tmpfs": "relative"}, ["'relative' is no folder in memory"], 1),
        ({"selinux": "x"}, ["--docker-selinux=x"], 1),
        ({"user": "nobody-i-know"}, ["knows no user nobody-i-know", "next: --docker-user=UID:GID"], 1),
        ({"user": "0:strangers"}, ["knows no group strangers", "next: --docker-user=UID:GID"], 1),
        ({"user": "a b"}, ["--docker-user=a b is no user"], 1),
        ({"network": "nowhere"}, ["no network nowhere; it has ", "none", "next: docker network create nowhere"], 1),
        ({"network": "container:nobody"}, ["no container nobody", "next: docker ps"], 1),
        ({"cap_add": "FLY"}, ["no capability", "FLY", "next: --docker-cap-add="], 1),
        (
            {"url": "unix:///nowhere.sock"},
            ["no container engine answers at unix:///nowhere.sock", "systemctl start"],
            5,
        ),
        ({"url": "garbage"}, ["--docker-url=garbage is no address", "next: --docker-url=unix://"], 4),
        ({"url": "foo://x"}, ["--docker-url=foo://x is no address"], 4),
        ({"url": "https:/bad"}, ["--docker-url=https:/bad is no address"], 4),
        ({"url": "tcp://nowhere"}, ["--docker-url=tcp://nowhere is no address", "tcp://HOST:PORT"], 4),
        ({"platform": "linux/s390x"}, ["is for amd64, not for s390x", "next: docker pull --platform=linux/s390x"], 1),
    ],
)
def test_bad_input_is_one_message_before_anything_is_written(shell, options, words, code):
    shell.options(**options)
    shell.told(run_one(shell, "pass"), *words, code=code)
    assert not (shell.store / "runs").exists()
    assert shell.containers() == []


def test_an_address_from_the_environment_is_called_so(shell):
    shell.options(url="")
    shell.environment["DOCKER_HOST"] = "garbage"
    shell.told(run_one(shell, "pass"), "DOCKER_HOST=garbage is no address", "next: unset DOCKER_HOST", code=4)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/nowhere"},
            ["tcp://127.0.0.1:1 can't be spoken to", "next: export DOCKER_CERT_PATH="],
        ),
        ({"DOCKER_HOST": "ssh://nobody@127.0.0.1"}, ["can't be spoken to", "next: pip install paramiko"]),
    ],
    ids=["certificates", "ssh"],
)
def test_what_the_client_of_an_engine_lacks_is_told(shell, variables, words):
    shell.options(url="")
    shell.environment |= variables
    shell.told(shell.flow("doctor"), "FAIL", *words, code=1)


def test_the_doctor_knows_an_interpreter_that_runs_nothing(shell, engine, image):
    shell.options(image=images.with_startup(engine, image, "import os; os._exit(0)"))
    shell.told(shell.flow("doctor"), "FAIL", "ends without running its program", "next: docker run", code=1)


def test_an_image_for_another_machine_is_told_and_not_pulled_in_its_place(shell, foreign_image):
    shell.options(image=foreign_image)
    answer = run_one(shell, "pass")
    shell.told(answer, "is for s390x, not for amd64", "next: docker pull --platform=linux/amd64", code=1)
    assert "pulling" not in answer.err
    assert not (shell.store / "runs").exists()


@pytest.mark.parametrize(
    ("decorator", "words"),
    [
        (f'@docker(image="{NO_IMAGE}")', ["can't be pulled", 'next: @docker(image="NAME:TAG")']),
        ('@docker(network="nowhere")', ["no network nowhere", "next: docker network create nowhere"]),
        ('@docker(gpus="all")', ["no GPUs", 'next: @docker(gpus="0")']),
        ('@docker(user="who")', ["no user who", 'next: @docker(user="UID:GID")']),
        ("@docker(memory=2)", ["at least 6 MiB", "next: @resources(memory=64)"]),
        ("@resources(gpu=1)", ["no GPUs", "next: --docker-gpus=0"]),
    ],
)
def test_what_a_step_says_is_told_with_its_line(shell, decorator, words):
    source = ONE_STEP.format(decorator=decorator, body="pass")
    shell.write("one.py", source.replace("import FlowSpec", "import docker, FlowSpec"))
    shell.told(shell.flow("run", "one.py"), "one.py:7:", *words, code=1)
    assert not (shell.store / "runs").exists()


@pytest.mark.parametrize("reuse", ["false", "true"])
def test_a_package_that_the_image_lacks_is_told_with_the_line_that_imports_it(shell, reuse):
    shell.options(reuse=reuse)
    shell.write("one.py", ONE_STEP.format(decorator="", body="pass").replace("\n", "\nimport pytest\n", 1))
    answer = shell.flow("run", "one.py")
    shell.told(answer, "one.py:2: FlowError: no module named 'pytest'", "its image, or its environment", code=1)
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("reuse", ["false", "true"])
@pytest.mark.parametrize("which", ["bare_image", "old_image"])
def test_what_is_found_out_late_ends_with_what_mends_it(shell, request, which, reuse):
    shell.options(image=request.getfixturevalue(which), reuse=reuse)
    answer = run_one(shell, "pass")
    shell.told(answer, {"bare_image": "no python3 on its PATH", "old_image": "jobs need 3.11 or later"}[which], code=1)
    last = answer.err.splitlines()[-1]
    assert last.startswith("  next: flow resume one.py --origin-run-id=")
    assert last.endswith(f" --docker-image={default_image()}")


@pytest.mark.parametrize("which", ["bare_image", "old_image"])
def test_an_image_that_can_not_run_tasks_is_told(shell, request, which):
    image = request.getfixturevalue(which)
    shell.options(image=image)
    answer = shell.flow("doctor")
    shell.told(answer, "FAIL", image, "3.11 or later", "next: --docker-image=", code=1)


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        ({}, ["ok    executor docker: container: starts"], 0),
        ({"image": NO_IMAGE}, ["FAIL", "can't be pulled", "next: --docker-image"], 1),
        ({"image": NO_IMAGE, "pull": "never"}, ["FAIL", "no image"], 1),
        ({"url": "unix:///nowhere.sock"}, ["FAIL", "no container engine answers", "systemctl start docker"], 1),
        ({"user": "1234"}, ["FAIL", "can't write in"], 1),
    ],
)
def test_the_doctor_finds_it(shell, options, words, code):
    shell.options(**options)
    shell.told(shell.flow("doctor"), *words, code=code)
    assert shell.containers() == []


def shell_run(command: str = "run") -> tuple[str, ...]:
    return sys.executable, "-m", "penstock", command
