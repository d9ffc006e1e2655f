"""Datastore in a folder: one file an object, its key is its path.

Nothing half-written ever has a name: an object is written into a file without one (`O_TMPFILE`) and then linked, which
the kernel does for exactly one of many writers. Where the file system can't do that, and to replace an object, it is
written beside its place under a name that no key can have (it holds a `+`).
"""

from __future__ import annotations

import errno
import io
import os
import shlex
import stat
import time

from penstock.contracts.datastore import Datastore, Stat
from penstock.contracts.finding import BAD, DOUBTFUL, GOOD, Finding
from penstock.contracts.reach import Reach
from penstock.errors import BackendError, BackendMisconfigured, BackendUnavailable, KeyMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path
    from typing import Any, BinaryIO, TypeAlias

    from penstock.contracts.datastore import Bytes

    Pieces: TypeAlias = Callable[[], Iterable[Bytes]]
    Entries: TypeAlias = list[os.DirEntry[str]]  # inside the class `list` is a method

_UNNAMED = getattr(os, "O_TMPFILE", 0)  # Linux; 0: every object is written beside its place
_READ = os.O_RDONLY | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CLOEXEC
_ASK_FIRST_BYTES = 256 << 10  # above this size it is cheaper to ask whether the object exists than to write in vain
_TRIES = 20  # how often a folder may vanish under a writer because another one has just emptied it

_FEW_MB = 1000  # of free space: a run may well need more

_MARK = "+"  # no key holds it: a file whose name does is not (or not yet) an object
_GITIGNORE = ".gitignore"
_BAD_PARTS = frozenset({"", ".", ".."})

_NO_UNNAMED = frozenset({errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_FOLDER = frozenset({errno.ENOTDIR, errno.EEXIST})


class FileDatastore(Datastore):
    """Keeps objects as files below a folder.

    root: the folder; relative to the working directory at construction; made when the first object is put.
    durable: sync each object and its folder before `put` returns, so that it survives a power cut (without it, it
    survives the death of any process).
    """

    reach = Reach.HOST
    exclusive_put = True

    def __init__(self, root: str, durable: bool = False) -> None:
        self._root = os.path.abspath(root)
        self._durable = durable
        self._below = self._root.rstrip("/") + "/"
        self._unnamed = bool(_UNNAMED)

    # -- the four

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        path = self._path(key)
        size = memoryview(data).nbytes
        try:
            if replace:
                return self._put_beside(path, lambda: (data,), replace=True)
            if size > _ASK_FIRST_BYTES and os.path.exists(path):
                return False
            return self._put_new(path, lambda: (data,))
        except OSError as error:
            raise self._refusal(error, size) from error

    def put_pieces(self, key: str, pieces: Pieces) -> bool:
        """Written one by one."""
        try:
            return self._put_new(self._path(key), pieces)
        except OSError as error:
            raise self._refusal(error) from error

    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        fd = self._open(key)
        try:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                raise KeyMissing(key)
            if length is None:
                stream = os.fdopen(fd, "rb")
                stream.seek(start)
                return stream
            return io.BufferedReader(_Range(fd, start, length))
        except BaseException:
            os.close(fd)
            raise

    def list(self, prefix: str) -> Iterator[Stat]:
        top, slash, _ = prefix.rpartition("/")
        waiting = [top + slash]
        now_s = time.time()
        while waiting:
            within = waiting.pop()
            for entry in self._entries(within):
                key = within + entry.name
                if not key.startswith(prefix):
                    continue
                if entry.is_dir():
                    waiting.append(key + "/")
                    continue
                try:
                    facts = entry.stat()
                except FileNotFoundError:  # deleted since the folder was read
                    continue
                yield Stat(key, facts.st_size, max(0.0, now_s - facts.st_mtime))

    def delete(self, keys: Collection[str]) -> None:
        folders = set()
        for key in keys:
            path = self._path(key)
            try:
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except OSError as error:
                raise self._refusal(error) from error
            folders.add(os.path.dirname(path))
        for folder in folders:
            self._remove_empty(folder)

    # -- faster than the defaults

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        fd = self._open(key)
        try:
            facts = os.fstat(fd)
            if stat.S_ISDIR(facts.st_mode):
                raise KeyMissing(key)
            left = facts.st_size - start  # objects never change in place, so this stays true
            if length is not None and length < left:
                left = length
            if left <= 0:
                return b""
            data = os.pread(fd, left, start)
            if len(data) == left:
                return data
            pieces = [data]
            while data and (left := left - len(data)):  # one read takes at most 2 GiB
                start += len(data)
                data = os.pread(fd, left, start)
                pieces.append(data)
            return b"".join(pieces)
        except OSError as error:
            raise self._refusal(error) from error
        finally:
            os.close(fd)

    def stat(self, key: str) -> Stat | None:
        try:
            facts = os.stat(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refusal(error) from error
        if stat.S_ISDIR(facts.st_mode):
            return None
        return Stat(key, facts.st_size, max(0.0, time.time() - facts.st_mtime))

    def touch(self, key: str) -> None:
        if self.stat(key) is None:  # a folder has a time of its own
            raise KeyMissing(key)
        try:
            os.utime(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            raise KeyMissing(key) from None
        except OSError as error:
            raise self._refusal(error) from error

    def list_folders(self, prefix: str) -> Iterator[str]:
        for entry in self._entries(prefix):
            # A folder counts once it holds an object: a writer may have died between making it and its link.
            if not entry.is_dir() or next(self.list(f"{prefix}{entry.name}/"), None) is not None:
                yield entry.name

    # -- what it says of itself

    def local_path(self, key: str) -> str:
        return self._path(key)

    @property
    def host_paths(self) -> tuple[Path, ...]:
        from pathlib import Path

        return (Path(self._root),)

    @property
    def label(self) -> str:
        return self._root

    def examine(self) -> Iterator[Finding]:
        """A folder that is not there yet is not made for it."""
        at = self._root
        while not os.path.lexists(at):
            at = os.path.dirname(at)
        if at == self._root:
            yield from super().examine()
        elif os.path.isdir(at) and os.access(at, os.W_OK | os.X_OK):
            yield Finding("folder", f"{self._root} will be made by the first run")
        else:
            yield Finding("folder", f"{self._root} can't be made: {at} is no folder to write in", BAD, f"ls -ld {at}")
            return
        import shutil

        free_mb = shutil.disk_usage(at).free / 1e6
        state, hint = (GOOD, "") if free_mb >= _FEW_MB else (DOUBTFUL, f"df -h {at}")
        yield Finding("space", f"{free_mb / 1000:,.1f} GB are free there", state, hint)

    def options(self) -> dict[str, Any]:
        return {"root": self._root, "durable": self._durable}

    def bootstrap(self) -> str:
        return (
            "def fetch(key):\n"
            f"    with open({self._below!r} + key, 'rb') as file:\n"
            "        return file.read()\n"
        )  # fmt: skip

    # -- writing

    def _put_new(self, path: str, pieces: Pieces) -> bool:
        return self._put_unnamed(path, pieces) if self._unnamed else self._put_beside(path, pieces, replace=False)

    def _put_unnamed(self, path: str, pieces: Pieces) -> bool:
        """Write a file without a name, then link it. Its folder is made only when the link asks for it: most exist."""
        try:
            fd = os.open(self._root, _UNNAMED | _WRITE, 0o666)
        except FileNotFoundError:
            self._make_root()
            return self._put_unnamed(path, pieces)
        except OSError as error:
            if error.errno not in _NO_UNNAMED:
                raise
            self._unnamed = False  # this file system has no such files
            return self._put_beside(path, pieces, replace=False)
        try:
            for piece in pieces():
                _write_all(fd, piece)
            if self._durable:
                os.fsync(fd)
            linked = self._link(fd, path)
        finally:
            os.close(fd)
        return self._put_beside(path, pieces, replace=False) if linked is None else linked

    def _link(self, fd: int, path: str) -> bool | None:
        """Give an unnamed file its name; False where another has it, None where this can't be done here."""
        source = f"/proc/self/fd/{fd}"
        made = False
        for _ in range(_TRIES):
            try:
                # With a `src_dir_fd` (an absolute path passes over it) it is linkat, which follows the link in /proc.
                os.link(source, path, src_dir_fd=fd, follow_symlinks=True)
            except FileExistsError:
                return False
            except FileNotFoundError:
                if made and os.path.isdir(os.path.dirname(path)):
                    return None  # it is /proc that is not there
                self._make_folder(os.path.dirname(path))
                made = True
            except OSError as error:
                if error.errno == errno.EXDEV:  # a folder of the store lies on another disk
                    return None
                raise
            else:
                if self._durable:
                    _sync_folder(os.path.dirname(path))
                return True
        return None

    def _put_beside(self, path: str, pieces: Pieces, *, replace: bool) -> bool:
        """Write under a name that is no key, then rename (replace) or link (exclusive)."""
        folder = os.path.dirname(path)
        beside = f"{path}{_MARK}{os.urandom(8).hex()}"
        for tries_left in reversed(range(_TRIES)):
            try:
                fd = os.open(beside, os.O_CREAT | os.O_EXCL | _WRITE, 0o666)
                break
            except FileNotFoundError:
                if not tries_left:
                    raise
                self._make_folder(folder)
        try:
            try:
                for piece in pieces():
                    _write_all(fd, piece)
                if self._durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            if replace:
                os.replace(beside, path)
            elif not _link(beside, path):
                return False
        finally:
            _unlink(beside)
        if self._durable:
            _sync_folder(folder)
        return True

    def _make_folder(self, folder: str) -> None:
        """Make a folder and those above it, up to the root. Another writer may do or undo the same at this moment."""
        if folder == self._root:
            return self._make_root()
        for _ in range(_TRIES):
            try:
                os.mkdir(folder)
            except FileNotFoundError:
                self._make_folder(os.path.dirname(folder))
            except FileExistsError:
                if os.path.isdir(folder):
                    return None
                raise
            else:
                if self._durable:
                    _sync_folder(os.path.dirname(folder))
                return None
        return None  # it goes as quickly as it is made; the caller's next step says so

    def _make_root(self) -> None:
        """Make the store's folder, for its owner alone, with a `.gitignore`: data does not belong in a repository."""
        os.makedirs(os.path.dirname(self._root), exist_ok=True)
        try:
            os.mkdir(self._root, 0o700)
        except FileExistsError:
            if os.path.isdir(self._root):
                return
            raise
        fd = os.open(self._below + _GITIGNORE, os.O_CREAT | _WRITE, 0o666)
        try:
            os.write(fd, b"*\n")
        finally:
            os.close(fd)
        if self._durable:
            _sync_folder(os.path.dirname(self._root))

    def _remove_empty(self, folder: str) -> None:
        """Remove a folder and those above it as long as they are empty, so that listing folders stays quick."""
        while folder.startswith(self._below):
            try:
                os.rmdir(folder)
            except OSError:  # not empty, gone already, or not ours to remove: none of it matters
                return
            folder = os.path.dirname(folder)

    # -- reading

    def _path(self, key: str) -> str:
        """The file of a key. Raises ValueError for a key that would lead elsewhere."""
        if not _BAD_PARTS.isdisjoint(key.split("/")) or _MARK in key:
            raise ValueError(f"{key!r} is not a key")
        return self._below + key

    def _open(self, key: str) -> int:
        try:
            return os.open(self._path(key), _READ)
        except (FileNotFoundError, NotADirectoryError):
            raise KeyMissing(key) from None
        except OSError as error:
            raise self._unreadable(error) from error

    def _entries(self, within: str) -> Entries:
        """What lies in the folder `within` (a prefix that ends in `/`, or empty), objects and folders alone."""
        if within and not _BAD_PARTS.isdisjoint(within[:-1].split("/")):
            return []
        try:
            with os.scandir(self._below + within) as entries:
                return [entry for entry in entries if _MARK not in entry.name and entry.name != _GITIGNORE]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._unreadable(error) from error

    # -- errors

    def _unreadable(self, error: OSError) -> BackendError:
        """The error of the contract for what could not be read."""
        if error.errno not in _NOT_ALLOWED:
            return self._refusal(error)
        return BackendMisconfigured(
            f"{error.filename} may not be read by this user{_owner(self._root)}",
            hint=f"chmod -R g+rX {shlex.quote(self._root)}   # by its owner; or another one: --local-root=FOLDER",
        )

    def _refusal(self, error: OSError, size: int = 0) -> BackendError:
        """The error of the contract for one of the system."""
        names = [name for name in (error.filename2, error.filename) if isinstance(name, str)]
        number, at = error.errno, names[0] if names else self._root
        if number in _NO_SPACE:
            return BackendMisconfigured(
                f"no space left in {self._root}: {size:,} bytes needed, {_free_bytes(self._root)}",
                hint="make space there, or choose another folder: --local-root=FOLDER",
            )
        if number in _NOT_ALLOWED:
            what = "is read-only" if number == errno.EROFS else "may not be used by this user"
            return BackendMisconfigured(
                f"{at} {what}", hint="choose a folder that can be written: --local-root=FOLDER"
            )
        if number in _NO_FOLDER:
            return BackendMisconfigured(
                f"a file stands where the store {self._root} needs a folder ({at})",
                hint="choose another folder: --local-root=FOLDER",
            )
        if number == errno.ENAMETOOLONG:
            return BackendMisconfigured(
                f"a path below {self._root} is too long for this system",
                hint="choose a shorter folder: --local-root=FOLDER",
            )
        return BackendUnavailable(
            f"{at}: {error.strerror or error}", hint="flow doctor   # or choose another folder: --local-root=FOLDER"
        )


class _Range(io.RawIOBase):
    """Bytes `start` to `start + length` of an open file."""

    def __init__(self, fd: int, start: int, length: int) -> None:
        self._fd, self._at, self._end = fd, start, start + length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        want = min(len(buffer), self._end - self._at)
        if want <= 0:
            return 0
        count = os.preadv(self._fd, [memoryview(buffer)[:want]], self._at)
        self._at += count
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def _owner(path: str) -> str:
    """`; PATH belongs to ann`, empty where that can't be told."""
    import pwd

    try:
        number = os.stat(path).st_uid
    except OSError:
        return ""
    try:
        return f"; {path} belongs to {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"; {path} belongs to user {number}"


def _write_all(fd: int, data: Bytes) -> None:
    """Write every byte; one call takes at most 2 GiB, and fewer where space runs out."""
    written = os.write(fd, data)
    size = memoryview(data).nbytes
    if written < size:
        rest = memoryview(data).cast("B")
        while written < size:
            written += os.write(fd, rest[written:])


def _link(source: str, path: str) -> bool:
    """Link exclusively; False when `path` exists and is another file."""
    try:
        os.link(source, path)
    except FileExistsError:
        # A network file system may link, lose the answer and try again: then the file has two names.
        return os.stat(source).st_nlink == 2
    return True


def _unlink(path: str) -> None:
    """Remove a name that may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _sync_folder(folder: str) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(folder, _READ | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _free_bytes(root: str) -> str:
    """`N free`, of the nearest folder that exists."""
    folder = root
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    facts = os.statvfs(folder)
    return f"{facts.f_bavail * facts.f_frsize:,} free"
