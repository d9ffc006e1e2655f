"""The engine: how it is reached, and its errors in the words of a contract."""

from __future__ import annotations

import contextlib
import functools
import os

import docker
import docker.errors
import requests

from penstock.errors import BackendMisconfigured, BackendUnavailable, PenstockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

DEFAULT_URL = "unix:///var/run/docker.sock"
CALL_S = 60  # of one call: on a busy machine an engine takes its time to start or remove a container
_CONNECTIONS = 64
_SCHEMES = ("unix://", "tcp://", "http://", "https://", "ssh://", "npipe://")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Engine:
    """One engine. url: where it listens, None for where `docker` itself would look. Usable from several threads."""

    def __init__(self, url: str | None) -> None:
        self._said = url
        self._url: str | None = None
        self._api: docker.APIClient | None = None
        self._facts: dict[str, Any] | None = None

    @property
    def url(self) -> str:
        """Where it listens: what was said, DOCKER_HOST, the current context of the `docker` command, the default.

        Raises BackendMisconfigured for what is no address."""
        if self._url is None:
            for source, url in _urls(self._said):
                if url:
                    self._url = _checked(source, url)
                    break
        assert self._url is not None  # there is a default
        return self._url

    @property
    def is_here(self) -> bool:
        """Whether it sees this machine's folders."""
        return self.url.startswith(("unix://", "npipe://"))

    @property
    def api(self) -> docker.APIClient:
        """The client. Raises BackendUnavailable or BackendMisconfigured when nobody answers."""
        if self._api is None:
            with self.errors(making=True):
                tls = docker.utils.kwargs_from_env() if self.url == os.environ.get("DOCKER_HOST") else {}
                tls.pop("base_url", None)
                self._api = docker.APIClient(
                    base_url=self.url, version="auto", timeout=CALL_S, num_pools=_CONNECTIONS,
                    max_pool_size=_CONNECTIONS, use_ssh_client=True, **tls,
                )  # fmt: skip
        return self._api

    @property
    def facts(self) -> dict[str, Any]:
        """What it says of itself: `docker info`."""
        if self._facts is None:
            with self.errors():
                self._facts = dict(self.api.info())
        return self._facts

    @property
    def machine(self) -> str:
        """The kind of its processor, as images name it: `amd64`."""
        return machine(str(self.facts.get("Architecture") or ""))

    @functools.cached_property
    def is_podman(self) -> bool:
        """Whether it is Podman's service, which speaks Docker's protocol but for some words."""
        parts = (self.ask("version") or {}).get("Components") or ()
        return any("podman" in str(one.get("Name")).lower() for one in parts)

    def ask(self, what: str, *arguments: Any) -> Any:
        """What a call of the SDK by this name answers, None where the engine knows no such thing."""
        with self.errors():
            try:
                return getattr(self.api, what)(*arguments)
            except docker.errors.NotFound:
                return None
            except docker.errors.APIError as error:
                raise BackendUnavailable(f"the engine at {self.url} can't tell: {error.explanation}") from error

    @property
    def rootless(self) -> bool:
        """Whether its root is the caller: then that is who a container runs as."""
        return any("rootless" in option for option in self.facts.get("SecurityOptions") or ())

    @contextlib.contextmanager
    def errors(self, *, making: bool = False) -> Iterator[None]:
        """Errors of the connection as those of a contract; what the engine itself answers (APIError) passes.

        making: the client is being made, so an error that no connection has caused is one of settings.
        """
        try:
            yield
        except docker.errors.APIError:
            raise
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            if caused_by(error, PermissionError):
                raise BackendMisconfigured(
                    f"no permission to use the container engine at {self.url}",
                    hint="sudo usermod --append --groups docker $USER   # and log in again",
                ) from error
            if making and not caused_by(error, requests.RequestException) and not caused_by(error, OSError):
                raise BackendMisconfigured(
                    f"the engine at {self.url} can't be spoken to: {error}", hint=_mending(str(error))
                ) from error
            hint = "sudo systemctl start docker   # or --docker-url=URL"
            if not self.is_here:
                hint = "docker context ls   # or --docker-url=URL"
            raise BackendUnavailable(f"no container engine answers at {self.url}", hint=hint) from error

    def close(self) -> None:
        """Free the connections."""
        if self._api is not None:
            self._api.close()
            self._api = None


def said_by(error: Exception) -> str:
    """What an error says, in one line: the engine's own words without those of the protocol."""
    if isinstance(error, PenstockError):
        return error.message
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return str(error.explanation)
    return str(error) or type(error).__name__


def machine(name: str) -> str:
    """A kind of processor as images name it, from what a system calls it."""
    return _MACHINES.get(name, name)


def _urls(said: str | None) -> Iterator[tuple[str, str | None]]:
    """Who says where the engine listens, the strongest first; the later ones are only asked when it comes to them."""
    yield "--docker-url", said
    yield "DOCKER_HOST", os.environ.get("DOCKER_HOST")
    yield "docker context", _context_url()
    yield "", DEFAULT_URL


def _checked(source: str, url: str) -> str:
    try:
        docker.utils.parse_host(url)
        if url.startswith(_SCHEMES):
            return url
    except docker.errors.DockerException:
        pass
    hint = {"DOCKER_HOST": "unset DOCKER_HOST", "docker context": "docker context use default"}.get(
        source, "--docker-url=unix:///var/run/docker.sock"
    )
    raise BackendMisconfigured(
        f"{source}={url} is no address of a container engine: unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST",
        hint=hint,
    )


def _mending(said: str) -> str:
    """What helps a client of the SDK that can't be made."""
    if "paramiko" in said:
        return "pip install paramiko"
    if "TLS" in said or "cert" in said.lower():
        return "export DOCKER_CERT_PATH=FOLDER   # with ca.pem, cert.pem and key.pem; or unset DOCKER_TLS_VERIFY"
    return "docker context ls   # or --docker-url=URL"


def _context_url() -> str | None:
    """Of the context that `docker context use` has chosen."""
    try:
        context = docker.context.ContextAPI.get_current_context()
    except Exception:  # noqa: BLE001 - a broken file of another program is no reason not to try the default
        return None
    return None if context is None else context.Host


def caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error of this kind is behind it; urllib3 and requests hand them on as arguments."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        if any(isinstance(one, kind) for one in (error, *_flat(error.args))):
            return True
        error = error.__cause__ or error.__context__
    return False


def _flat(arguments: tuple[Any, ...]) -> Iterator[Any]:
    for one in arguments:
        yield one
        if isinstance(one, BaseException):
            yield from _flat(one.args)
