"""The one small process that owns every container's processes, so that none outlives devcluster.

It reads requests from a socket (its file descriptor is the only argument) and answers with events,
one JSON object a line:

    {"op": "start", "id", "argv", "env", "cwd", "log"}     -> {"event": "started", "id", "pid"}
                                                            or {"event": "failed", "id", "error"}
    {"op": "signal", "id", "signal"}                        to the container's whole process group
                                                            -> {"event": "exited", "id", "code", "signal"}

Promises: when the socket closes, for whatever reason, every process started here is killed before the
shim ends; it is a child subreaper, so processes that left their group are found and killed with their
container too. Output is written to `log` line by line in the CRI form `TIME STREAM F|P TEXT`; the exit is
reported after the last line. Standard library only: it must start in a few hundredths of a second.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MARK = "DEVCLUSTER_CONTAINER"  # in every container's environment: names the container its orphans belong to
LOG_LIMIT = 10 * 1024 * 1024  # bytes; a longer log is moved to NAME.1, of which one is kept
LINE_LIMIT = 16 * 1024  # bytes; a longer line is written in parts, as container runtimes do
DRAIN_LIMIT = 1.0  # seconds that output may still arrive after the group was killed

_libc = ctypes.CDLL(None, use_errno=True)


class Log:
    """One container's log file: turns chunks of output into stamped lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("ab", buffering=0)
        self.partial = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, chunk: bytes) -> None:
        *lines, rest = (self.partial[stream] + chunk).split(b"\n")
        stamped = [self._stamp(stream, b"F", line) for line in lines]
        while len(rest) > LINE_LIMIT:
            stamped.append(self._stamp(stream, b"P", rest[:LINE_LIMIT]))
            rest = rest[LINE_LIMIT:]
        self.partial[stream] = rest
        if stamped:
            self._append(b"".join(stamped))

    def close(self) -> None:
        for stream, rest in self.partial.items():
            if rest:
                self._append(self._stamp(stream, b"F", rest))
        self.file.close()

    def _append(self, data: bytes) -> None:
        if self.file.tell() > LOG_LIMIT:
            self.file.close()
            self.path.replace(f"{self.path}.1")
            self.file = self.path.open("ab", buffering=0)
        self.file.write(data)

    @staticmethod
    def _stamp(stream: str, tag: bytes, text: bytes) -> bytes:
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        return f"{moment}.{nanos:09d}Z {stream} ".encode() + tag + b" " + text + b"\n"


class Container:
    """One started process group."""

    def __init__(self, ident: str, pid: int, log: Log) -> None:
        self.ident = ident
        self.pid = pid
        self.log = log
        self.streams: set[int] = set()
        self.status: int | None = None  # as waitpid gives it
        self.drained_by = 0.0  # monotonic; output later than this is not waited for


class Launch(NamedTuple):
    """What to execute, and the descriptors it gets."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    stdout: int
    stderr: int
    failure: int  # written to when exec fails; closed by a successful exec


class Shim:
    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.owner = os.getpid()
        self.selector = selectors.DefaultSelector()
        self.by_id: dict[str, Container] = {}
        self.by_pid: dict[int, Container] = {}
        self.incoming = b""
        self.outgoing = b""

    def run(self) -> None:
        """Serve until the control socket closes, then kill everything."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the socket decides
        self.selector.register(wake_read, selectors.EVENT_READ, lambda: self._reap(wake_read))
        self.control.setblocking(False)
        self.selector.register(self.control, selectors.EVENT_READ, self._serve)
        try:
            while True:
                for key, _ in self.selector.select(self._patience()):
                    key.data()
                self._finish_exited()
        except EOFError:
            self._kill_everything()

    def _patience(self) -> float | None:
        return 0.05 if any(c.status is not None for c in self.by_id.values()) else None

    def _serve(self) -> None:
        self._flush()
        try:
            chunk = self.control.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionError:
            raise EOFError from None
        if not chunk:
            raise EOFError
        *lines, self.incoming = (self.incoming + chunk).split(b"\n")
        for line in lines:
            self._do(json.loads(line))

    def _do(self, request: dict[str, Any]) -> None:
        if request["op"] == "start":
            self._start(request)
        elif (container := self.by_id.get(request["id"])) is not None:
            _kill_group(container.pid, request["signal"])

    def _send(self, **event: Any) -> None:
        self.outgoing += json.dumps(event).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self.outgoing:
                self.outgoing = self.outgoing[self.control.send(self.outgoing) :]
        except BlockingIOError:
            pass  # the rest goes when the socket can be written again
        except ConnectionError:
            raise EOFError from None
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.outgoing else 0)
        self.selector.modify(self.control, wanted, self._serve)

    # starting

    def _start(self, request: dict[str, Any]) -> None:
        ident = request["id"]
        try:
            log = Log(Path(request["log"]))
            pid, streams = self._spawn(request)
        except OSError as error:
            self._send(
                event="failed", id=ident, error=f"{error.strerror}: {error.filename or request['cwd']}"
            )
            return
        container = self.by_id[ident] = self.by_pid[pid] = Container(ident, pid, log)
        for name, fd in streams.items():
            self._follow(container, name, fd)
        self._send(event="started", id=ident, pid=pid)

    def _spawn(self, request: dict[str, Any]) -> tuple[int, dict[str, int]]:
        pipes = {name: os.pipe2(os.O_CLOEXEC) for name in ("stdout", "stderr", "failure")}
        env = {**request["env"], MARK: request["id"]}
        writers = {name: write for name, (_, write) in pipes.items()}
        launch = Launch(request["argv"], env, request["cwd"], **writers)
        pid = os.fork()
        if pid == 0:
            _become(launch, self.owner)
        for write in writers.values():
            os.close(write)
        failure = os.read(pipes["failure"][0], 4096)
        os.close(pipes["failure"][0])
        if not failure:
            return pid, {"stdout": pipes["stdout"][0], "stderr": pipes["stderr"][0]}
        os.close(pipes["stdout"][0])
        os.close(pipes["stderr"][0])
        number, _, what = failure.decode().partition(" ")
        raise OSError(int(number), os.strerror(int(number)), what)

    def _follow(self, container: Container, stream: str, fd: int) -> None:
        os.set_blocking(fd, False)
        container.streams.add(fd)

        def read() -> None:
            try:
                chunk = os.read(fd, 1 << 16)
            except BlockingIOError:
                return
            if chunk:
                container.log.write(stream, chunk)
            else:
                self._close_stream(container, fd)

        self.selector.register(fd, selectors.EVENT_READ, read)

    def _close_stream(self, container: Container, fd: int) -> None:
        self.selector.unregister(fd)
        os.close(fd)
        container.streams.discard(fd)

    # ending

    def _reap(self, wake: int) -> None:
        try:
            os.read(wake, 4096)
        except BlockingIOError:
            pass
        while (pid := _dead_child()) is not None:
            container = self.by_pid.pop(pid, None)
            if container is not None:
                _kill_group(pid, signal.SIGKILL)  # before it is reaped, so that the number is still its own
            _, status = os.waitpid(pid, 0)
            if container is not None:
                container.status = status
                container.drained_by = time.monotonic() + DRAIN_LIMIT
                _kill_orphans(container.ident)

    def _finish_exited(self) -> None:
        """Report the containers that ended and whose output is all written."""
        for container in [c for c in self.by_id.values() if c.status is not None]:
            if container.streams and time.monotonic() < container.drained_by:
                continue
            for fd in list(container.streams):
                self._close_stream(container, fd)
            container.log.close()
            del self.by_id[container.ident]
            status = container.status or 0
            killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            code = 128 + killed_by if killed_by else os.WEXITSTATUS(status)
            self._send(event="exited", id=container.ident, code=code, signal=killed_by)

    def _kill_everything(self) -> None:
        for container in self.by_id.values():
            _kill_group(container.pid, signal.SIGKILL)
        # A killed parent's children become ours, so this ends when no descendant is left.
        while children := _children():
            for pid in children:
                _kill(pid, signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


def _become(launch: Launch, shim: int) -> NoReturn:
    """In the forked child: turn into the container's process, or report why not and end."""
    what = launch.cwd
    try:
        os.setsid()
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != shim:  # the shim died before the line above took effect
            os._exit(1)
        signal.set_wakeup_fd(-1)
        for changed in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(changed, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(launch.stdout, 1)
        os.dup2(launch.stderr, 2)
        os.chdir(launch.cwd)
        what = launch.argv[0]
        os.execvpe(launch.argv[0], launch.argv, launch.env)
    except OSError as error:
        os.write(launch.failure, f"{error.errno} {what}".encode())
    finally:
        os._exit(127)


def _dead_child() -> int | None:
    """A child that ended and is not reaped yet."""
    try:
        dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return dead.si_pid if dead else None


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _kill_orphans(ident: str) -> None:
    """Kill processes of a container that left its group: re-parented to us, still carrying its mark."""
    wanted = f"{MARK}={ident}".encode()
    for pid in _children():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile, which is what is wanted
        if wanted in environment:
            _kill_group(pid, signal.SIGKILL)
            _kill(pid, signal.SIGKILL)


def _kill_group(pid: int, number: int) -> None:
    _send_signal(os.killpg, pid, number)


def _kill(pid: int, number: int) -> None:
    _send_signal(os.kill, pid, number)


def _send_signal(send: Callable[[int, int], None], pid: int, number: int) -> None:
    try:
        send(pid, number)
    except ProcessLookupError:
        pass  # it ended meanwhile
    except PermissionError as error:  # it took another user's identity: the others must still be killed
        print(f"cannot signal process {pid}: {error}", file=sys.stderr)


def main() -> None:
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    Shim(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
