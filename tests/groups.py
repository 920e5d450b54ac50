"""The groups of tests, one pytest run each, added up to one closing line and one exit status."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRIVATE = [str(ROOT / "appliance" / "private"), "--egress", "--"]
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
NO_TESTS = 5

# Group → where its tests lie, and what pytest is told. `timeout`: seconds for one test; a hang ends with a stack dump.
GROUPS = {
    "house": (["tests/house"], ["--timeout=300"]),
    "unit": (["tests/unit", "plugins"], ["-m", "not needs", "--timeout=60"]),
    "functional": (["tests/functional"], ["-m", "not needs", "--timeout=120"]),
    "system": (["tests", "plugins"], ["-m", "needs", "--timeout=600", "--durations=10"]),
    "appliance": (["tests/appliance"], ["--timeout=3600", "--durations=10"]),
}
REAL = ("system", "appliance")
# What takes longer than a change can wait for runs when it is named.
NAMED = ("appliance",)


def main(arguments: list[str]) -> int:
    """Run the groups that were named, or all but those that run only then."""
    os.chdir(ROOT)
    if arguments[:1] == ["bench"]:
        return bench(arguments[1:])
    own, _, extra = split(arguments)
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    parser.add_argument("group", nargs="*", help=f"{', '.join(GROUPS)}, or bench")
    groups = parser.parse_args(own).group or [group for group in GROUPS if group not in NAMED]
    unknown = [group for group in groups if group not in GROUPS]
    if unknown:
        parser.error(f"cannot find the group {unknown[0]}; those there are: {', '.join(GROUPS)}, bench")
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for group in groups:
        print(f"\n==== {group} ====", flush=True)
        for kind, count in run(group, extra).items():
            total[kind] += count
    print(f"\n{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped", flush=True)
    return 1 if total["failed"] else 0


def split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    """What stands before and after `--`."""
    if "--" not in arguments:
        return arguments, "", []
    place = arguments.index("--")
    return arguments[:place], "--", arguments[place + 1 :]


def run(group: str, extra: list[str]) -> dict[str, int]:
    """One pytest run; its counts. One that fails without a failed test (it crashed) counts as a failure."""
    paths, told = GROUPS[group]
    present = [path for path in paths if pathlib.Path(path).exists()]
    if not present:
        print(f"(there are no tests in {', '.join(paths)} yet)")
        return {}
    if group in REAL and os.geteuid() != 0:
        print("cannot run real things as an ordinary user; run it as root (sudo)")
        return {"failed": 1}
    world = PRIVATE if group in REAL else []
    with tempfile.NamedTemporaryFile(prefix="origo-counts-") as counts:
        environment = {**os.environ, "ORIGO_TEST_COUNTS": counts.name}
        ended = subprocess.run([*world, *PYTEST, *told, *extra, *present], env=environment, check=False)
        text = pathlib.Path(counts.name).read_text()
    found: dict[str, int] = json.loads(text) if text else {}
    if ended.returncode not in (0, NO_TESTS) and not found.get("failed"):
        print(f"the group {group} ended with status {ended.returncode}")
        found["failed"] = 1
    return found


def bench(names: list[str]) -> int:
    """Run the measures named, or all but those of whole machines, each in a world of its own.

    A figure out of bounds is said by the exit status.
    """
    folder = pathlib.Path("tests/bench")
    known = {path.stem.replace("_", "-"): path for path in sorted(folder.glob("[!_]*.py"))}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"cannot find the measure {unknown[0]}; those there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = 0
    for name in names or sorted(set(known) - set(NAMED)):
        command = [*PRIVATE, sys.executable, "-m", f"tests.bench.{known[name].stem}"]
        failed += subprocess.run(command, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
