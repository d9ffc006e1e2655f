"""The errors of penstock. Each message says what happened and where; `hint` says what to type next.

    PenstockError                      exit code
    |-- UsageError                     2   a command, an option or a parameter as typed
    |   |-- NotFound                   2   a file, flow, run, step, task or artifact that is not there
    |   |   `-- NamespaceMismatch      2   it is there, but the namespace hides it
    |   `-- RunDriven                  2   another scheduler drives the run that this command wants to
    |-- FlowError                      3   the user's graph or flow file
    |-- SettingsError                  4   a project file, a profile, a combination of backends
    |   `-- PluginError                4   a plugin is missing, broken or incompatible
    |       `-- NotInstalled           4   a plugin that is there to be installed; an ImportError, too
    |-- RunFailed                      1   the run ended, and not well
    |   `-- RunCancelled             130   stopped by a signal (130, 143) or from outside
    |-- ArtifactError                  1   a value can't be stored, found, read or trusted
    |   |-- NotStorable                1   a value that can't be pickled, by its path inside the artifact
    |   |-- ChunkDamaged               1   stored bytes that are missing or not what their name says
    |   `-- NotReadable                1   a class, a codec or a Python version that this reader lacks
    `-- BackendError                   5   a backend can't do its work
        |-- BackendUnavailable         5   not now: try again later
        |-- BackendMisconfigured       4   not before the user changes a setting
        |-- JobRejected                1   this job can never run there
        |-- StoreVersion               4   written by a later version, or by another program
        `-- KeyMissing                 5   no such key in a datastore
"""

from __future__ import annotations

_NEXT = " (next: "


class PenstockError(Exception):
    """Something that the user should read. `where` is `file:line` or a flag; `hint` is the next thing to type."""

    exit_code = 1
    headline = ""  # of a class of the user's: what kind of trouble it is

    def __init__(self, message: str = "", *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message, self.hint, self.where = message, hint, where

    def __str__(self) -> str:
        return self.message

    @property
    def in_one_line(self) -> str:
        """Message and hint, where only a sentence can be kept: the reason of a job, of a record."""
        return together(self.message, self.hint)

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # its hint may change until it is told
        """What Python, Jupyter and pytest print below an error that nobody caught: the hint is for them, too."""
        return [f"  next: {self.hint}"] if self.hint else []

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.hint, self.where)


def together(message: str, hint: str) -> str:
    """Message and hint as one sentence."""
    return f"{message}{_NEXT}{hint})" if hint else message


def apart(text: str) -> tuple[str, str]:
    """Message and hint, of what `together` has made of them."""
    message, found, hint = text.rpartition(_NEXT)
    return (message, hint[:-1]) if found and hint.endswith(")") else (text, "")


def _rebuild(cls: type[PenstockError], message: str, hint: str, where: str) -> PenstockError:
    error = cls.__new__(cls)
    PenstockError.__init__(error, message, hint=hint, where=where)
    return error


class UsageError(PenstockError):
    """A command, an option or a parameter was not typed as it must be."""

    exit_code = 2


class NotFound(UsageError):
    """What was asked for is not there; the message says what is."""


class NamespaceMismatch(NotFound):
    """What was asked for is there, but it lacks the tag that the namespace asks for."""


class RunDriven(UsageError):
    """Another scheduler holds the lease of the run: nothing was begun."""


class FlowError(PenstockError):
    """The flow file or its graph can't be run as it is."""

    exit_code = 3


class SettingsError(PenstockError):
    """A setting is unknown, malformed, or does not go with another."""

    exit_code = 4


class PluginError(SettingsError):
    """A plugin is missing, broken, doubled or of another contract."""


class NotInstalled(PluginError, ImportError):
    """A plugin is not installed: told like any other error, and caught like any other failed import."""


class RunFailed(PenstockError):
    """The run ended without success."""


class RunCancelled(RunFailed):
    """The run was stopped."""

    exit_code = 130


class ArtifactError(PenstockError):
    """A value can't be stored or read."""


class NotStorable(ArtifactError):
    """A value that can't be pickled."""


class ChunkDamaged(ArtifactError):
    """Stored bytes are missing, cut short, or not what their name says."""


class NotReadable(ArtifactError):
    """This reader lacks the class, codec or Python version that the value needs."""


class BackendError(PenstockError):
    """A backend can't do its work."""

    exit_code = 5


class BackendUnavailable(BackendError):
    """The platform can't be asked now; a later call may succeed. Never means that a task failed."""


class BackendMisconfigured(BackendError):
    """The user must change a setting; the message names the flag."""

    exit_code = 4


class JobRejected(BackendError):
    """The platform will never run this job."""

    exit_code = 1


class StoreVersion(BackendError):
    """The store has a format that this version does not know."""

    exit_code = 4


class KeyMissing(BackendError):
    """No object has this key. `key` says which."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no such key: {key}")
        self.key = key

    def __reduce__(self) -> tuple[object, ...]:
        return KeyMissing, (self.key,)
