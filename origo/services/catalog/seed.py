"""What an installed server is told at its first boot: a small disk with its name and its stack's answers."""

import io
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from origo.errors import BadInput
from origo.services.catalog.questions import Answer

LABEL = "cidata"
"""The label by which cloud-init's NoCloud and a small guest find the disk."""
SERIAL = "origo-seed"
DATA_SERIAL = "origo-data"
DATA_LABEL = "origo-data"
"""A data disk is found by its serial number, or by the label of its file system."""


@dataclass(frozen=True)
class Seed:
    """Whom the disk is for. `instance` changes when the server is made anew; `mount` is where its data disk goes."""

    instance: str
    hostname: str
    stack: str
    member: str
    answers: Mapping[str, Answer] = field(default_factory=dict)
    mount: str | None = None


def image(seed: Seed) -> bytes:
    """The disk as ISO 9660, made in memory; it holds secrets where an answer is one: keep it 0600."""
    import pycdlib  # only for those who make one: it is large

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL, sys_ident="", pub_ident_str="")
    for number, (name, content) in enumerate(files(seed).items()):
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            f"/FILE{number}.;1",
            rr_name=name,
            joliet_path=f"/{name}",
            file_mode=0o100400,
        )
    target = io.BytesIO()
    iso.write_fp(target)
    iso.close()
    return target.getvalue()


def files(seed: Seed) -> dict[str, bytes]:
    """The files on the disk, by name: cloud-init's two, and the same for a guest that has no cloud-init."""
    if not re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", seed.hostname):
        raise BadInput(f"cannot call a server {seed.hostname!r}: it is no host name")
    answers = json.dumps(dict(seed.answers), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    environment = _environment(seed)
    return {
        "meta-data": _lines({"instance-id": seed.instance, "local-hostname": seed.hostname}),
        "user-data": b"#cloud-config\n" + _yaml(_cloud_config(seed, answers, environment)),
        "hostname": f"{seed.hostname}\n".encode(),
        "answers.json": answers.encode(),
        "answers.env": environment.encode(),
    }


def _environment(seed: Seed) -> str:
    """Lines that a shell and systemd read alike; each answer's name gets a prefix, so that none can be PATH."""
    values: dict[str, str] = {"ORIGO_STACK": seed.stack, "ORIGO_SERVER": seed.member}
    for name, answer in sorted(seed.answers.items()):
        text = str(answer).lower() if isinstance(answer, bool) else str(answer)
        if not text.isprintable():
            raise BadInput(f"cannot hand over the answer {name}: it must be one line of printable characters")
        values[f"ANSWER_{name.upper()}"] = text
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _cloud_config(seed: Seed, answers: str, environment: str) -> dict[str, object]:
    config: dict[str, object] = {
        "hostname": seed.hostname,
        "write_files": [
            {"path": f"/etc/origo/answers.{name}", "permissions": "0600", "owner": "root:root", "content": text}
            for name, text in (("json", answers), ("env", environment))
        ],
    }
    if seed.mount:
        options = "defaults,nofail,x-systemd.growfs,nosuid,nodev"
        config["mounts"] = [[f"LABEL={DATA_LABEL}", seed.mount, "ext4", options, "0", "2"]]
    return config


def _yaml(value: Mapping[str, object]) -> bytes:
    """JSON is YAML; one key a line, in ASCII, since YAML's own idea of printable characters is narrower."""
    return b"".join(f"{key}: {json.dumps(entry)}\n".encode() for key, entry in value.items())


def _lines(values: Mapping[str, str]) -> bytes:
    return b"".join(f"{name}: {json.dumps(value)}\n".encode() for name, value in values.items())
