"""Runs what the test outside asks for, as root, and answers with status and output: the guest's end of the channel."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

PORT = "/dev/virtio-ports/origo.runner"
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "dumb",
}


def main() -> None:
    """Greet with what this boot is called, then serve each request in a thread of its own."""
    while not os.path.exists(PORT):  # noqa: PTH110
        time.sleep(0.05)
    port = os.open(PORT, os.O_RDWR)
    lock = threading.Lock()
    send(port, lock, {"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip()}, b"")
    with os.fdopen(port, "rb", buffering=1 << 20, closefd=False) as stream:
        while True:
            line = stream.readline()
            if not line:
                time.sleep(0.1)
                continue
            request = json.loads(line)
            payload = stream.read(request["size"])
            threading.Thread(target=serve, args=(port, lock, request, payload), daemon=True).start()


def serve(port: int, lock: Any, request: dict[str, Any], payload: bytes) -> None:
    """One request and its answer; what goes wrong is an answer too."""
    answer: dict[str, Any] = {"id": request["id"]}
    output = b""
    try:
        if request["do"] == "run":
            answer["status"], output, errors = run(request["argv"], payload, request["timeout"])
            answer["errors"] = errors.decode(errors="replace")
        elif request["do"] == "put":
            put(Path(request["path"]), payload, request["mode"])
        else:
            output = Path(request["path"]).read_bytes()
    except (OSError, ValueError) as problem:
        answer["problem"] = str(problem)
    send(port, lock, answer, output)


def send(port: int, lock: Any, header: dict[str, Any], payload: bytes) -> None:
    """A line of JSON, then as many bytes as it says."""
    rest = memoryview(json.dumps({**header, "size": len(payload)}).encode() + b"\n" + payload)
    with lock:
        while rest:
            rest = rest[os.write(port, rest[: 1 << 16]) :]


def run(argv: list[str], given: bytes, timeout: float) -> tuple[int | None, bytes, bytes]:
    """Exit status (none if it had to be killed), output and errors.

    They are kept in memory: a pipe would wait for every daemon that the command leaves behind, and a file needs a
    disk that is not full.
    """
    files = [os.memfd_create(name) for name in ("input", "output", "errors")]
    try:
        view = memoryview(given)
        while view:
            view = view[os.write(files[0], view) :]
        os.lseek(files[0], 0, os.SEEK_SET)
        process = subprocess.Popen(
            argv, stdin=files[0], stdout=files[1], stderr=files[2], env=ENVIRONMENT, cwd="/root", start_new_session=True
        )
        status: int | None = None
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return status, content(files[1]), content(files[2])
    finally:
        for file in files:
            os.close(file)


def content(file: int) -> bytes:
    """All that was written to a file in memory."""
    size = os.fstat(file).st_size
    return os.pread(file, size, 0)


def put(path: Path, data: bytes, mode: int) -> None:
    """The file, whole and on the disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".half")
    with half.open("wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    half.rename(path)
    # Until its folder is on the disk, a power cut takes the name back.
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


if __name__ == "__main__":
    main()
