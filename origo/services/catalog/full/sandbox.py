"""Run a command as nobody in particular: root among 65536 users who own nothing on this machine.

usage: python3 -I sandbox.py [--offline] [--input FILE] [--output FILE] [--bind SOURCE TARGET]… COMMAND [ARGUMENT…]

The command has user, mount and IPC namespaces of its own and gains no rights by any program it starts; with
`--offline` it has a network of its own without any link. Input and output are opened, and sources bound to where the
command finds them, before rights are given up.
"""

import argparse
import ctypes
import os
import pathlib
import resource
import signal
import sys

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
FIRST, COUNT = 2_000_000_000, 65536
"""Whom those inside are on this machine: users above what containers and subordinate users are given."""

PROCESSES = 4096
"""How many there may be at once of each of those users, so that a mistake cannot stop the machine."""

libc = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """The machine's side: lay out the world, say who its users are, wait for the command."""
    parser = argparse.ArgumentParser(prog="sandbox")
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--input", default=os.devnull)
    parser.add_argument("--output")
    parser.add_argument("--bind", nargs=2, action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    os.dup2(os.open(options.input, os.O_RDONLY), 0)
    if options.output:
        os.dup2(os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
    call(libc.unshare, CLONE_NEWNS)
    call(libc.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)
    for source, target in options.bind:
        call(libc.mount, os.fsencode(source), os.fsencode(target), None, MS_BIND, None)
    ready, tell_ready = os.pipe()
    known, tell_known = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        os.close(tell_known)
        inside(options, tell_ready, known)
    os.close(tell_ready)
    os.close(known)
    if os.read(ready, 1):
        for kind in ("uid_map", "gid_map"):
            pathlib.Path(f"/proc/{child}/{kind}").write_text(f"0 {FIRST} {COUNT}\n")
        os.write(tell_known, b"!")
    os.close(tell_known)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 128 - code if code < 0 else code


def inside(options: argparse.Namespace, tell_ready: int, known: int) -> None:
    """The command's side: give up this machine, become root of the small world, and then the command."""
    try:
        call(libc.unshare, CLONE_NEWUSER | CLONE_NEWIPC | (CLONE_NEWNET if options.offline else 0))
        os.write(tell_ready, b"!")
        if not os.read(known, 1):
            os._exit(125)
        os.setgroups([])
        os.setgid(0)
        os.setuid(0)
        # Changing users forgets the death signal, so it is set only now.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.umask(0o022)
        os.chdir("/")
        os.execvp(options.command[0], options.command)  # noqa: S606 - the whole purpose; there is no shell
    except OSError as error:
        print(f"sandbox: {error}", file=sys.stderr, flush=True)
        os._exit(125)


def call(function: object, *arguments: object) -> None:
    """A system call that must succeed."""
    if function(*arguments) != 0:  # type: ignore[operator]
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main())
