"""nginx as a service: its configuration, made from the settings alone."""

import ipaddress
import os
import re
from pathlib import Path

from origo.contracts import ServiceSpec
from origo.errors import BadInput
from origo.operations.core import Core

TEMPLATE = Path(__file__).with_name("nginx.conf")
MOST_WORKERS = 4

DROPPED = (
    *("X-Origo-" + name for name in ("Door", "Scheme", "Address", "Label", "Session", "Reason", "Path")),
    *("X-Origo-" + name for name in ("Upstream", "User", "Role", "Owner", "Stack")),
    "Forwarded",
    *("X-Forwarded-" + name for name in ("For", "Host", "Proto", "Port", "Server", "Prefix", "Scheme", "Ssl", "Uri")),
    *("X-Forwarded-" + name for name in ("User", "Email", "Groups", "Preferred-Username", "Access-Token", "Method")),
    *("X-Auth-Request-" + name for name in ("User", "Email", "Groups", "Preferred-Username", "Access-Token")),
    *("Remote-" + name for name in ("User", "Name", "Email", "Groups", "Addr")),
    *("X-Remote-" + name for name in ("User", "Name", "Email", "Group", "Groups")),
    *("X-Authenticated-" + name for name in ("User", "Userid", "Groups")),
    *(
        "X-Real-Ip",
        "X-Client-Ip",
        "True-Client-Ip",
        "X-Cluster-Client-Ip",
        "Cf-Connecting-Ip",
        "X-Original-Forwarded-For",
    ),
    *("X-Webauth-User", "X-User", "X-Username", "X-Email", "X-Original-Url", "X-Rewrite-Url", "X-Original-Uri"),
    *("Ssl-Client-Cert", "Ssl-Client-Verify", "Ssl-Client-S-Dn", "X-Ssl-Client-Cert", "X-Client-Cert", "X-Client-Dn"),
    *("Proxy", "Proxy-Authorization", "X-Middleware-Subrequest"),
)
"""What a client could send to be taken by a guest for somebody, or for somewhere, else."""

AWAY = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
    '<meta name="viewport" content="width=device-width"><title>Origo</title>'
    "<h1>The engine does not answer</h1><p>It may be starting. This page looks again every 2 seconds.</p></html>"
)


def service(core: Core) -> ServiceSpec:
    """nginx for this engine. The certificate is made or renewed when it must be."""
    run = core.config.path("run")
    certificate = core.secrets.front(core.config["domain"])
    sockets = (f"{run}/front-http.sock", f"{run}/front-https.sock")
    values = {
        "SERIAL": f"{certificate.serial:x}",
        "WORKERS": str(min(MOST_WORKERS, os.cpu_count() or 1)),
        "RUN": run,
        "CERTIFICATE": str(certificate.certificate),
        "KEY": str(certificate.key),
        "ENGINE": core.config.host_name,
        "ENGINE_PATTERN": re.escape(core.config.host_name),
        "LISTEN": listen(core, sockets),
        "LISTEN_DEFAULT": listen(core, sockets, " default_server"),
        "DROPPED": "\n            ".join(f'proxy_set_header {name} "";' for name in DROPPED),
        "AWAY": AWAY,
    }
    path = f"{run}/nginx/nginx.conf"
    text = re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], TEMPLATE.read_text())
    return ServiceSpec(
        name="nginx",
        argv=("/usr/sbin/nginx", "-c", path, "-e", "stderr", "-p", f"{run}/nginx"),
        files={path: text},
        ready=sockets[1],
        stale=sockets,
    )


def listen(core: Core, sockets: tuple[str, str], more: str = "") -> str:
    """The lines that say where nginx listens: the two sockets, and TCP where the setting says so.

    Plain http is only for loopback: anywhere else a browser would not keep our cookie, and everybody could read it.
    """
    lines = [f"listen unix:{sockets[0]}{more};", f"listen unix:{sockets[1]} ssl http2{more};"]
    for word in core.config["listen"].split():
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            raise BadInput(f"cannot listen on {word}: it is no address", hint="mend the setting `listen`") from None
        host = f"[{address}]" if address.version == 6 else str(address)
        if address.is_loopback:
            lines.append(f"listen {host}:{core.config['http_port']}{more};")
        lines.append(f"listen {host}:{core.config['https_port']} ssl http2{more};")
    return "\n        ".join(lines)
