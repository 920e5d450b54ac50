"""nginx as a service: its configuration, made from the settings alone."""

import hashlib
import ipaddress
import os
import re
from pathlib import Path

from origo.contracts import ServiceSpec
from origo.errors import BadInput
from origo.operations.core import Core
from origo.services.front import setting_up

TEMPLATE = Path(__file__).with_name("nginx.conf")
MOST_WORKERS = 4

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

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


PLAIN = """\
# Plain http from elsewhere: it leads to https, and shows an ACME server what proves that a name is ours.
    server {
        @PLAIN_LISTEN@
        server_name @ENGINE@ *.@ENGINE@;
        location / {
            return 301 https://$host@HTTPS_PORT@$request_uri;
        }
        location ^~ /.well-known/acme-challenge/ {
            default_type text/plain;
            alias @CHALLENGES@/;
        }
    }"""
HTTP2_BY_ITSELF = (1, 25, 1)
"""The version of nginx from which on `http2` is a directive, and no word of `listen` any more."""


def service(core: Core) -> ServiceSpec:
    """nginx for this engine. The certificate is made or renewed when it must be."""
    run = core.config.path("run")
    certificate = core.secrets.front(core.config["domain"])
    sockets = (f"{run}/front-http.sock", f"{run}/front-https.sock")
    apart = _version(core) >= HTTP2_BY_ITSELF
    secure = " ssl" if apart else " ssl http2"
    values = {
        "SERIAL": f"{certificate.serial:x}",
        "WORKERS": str(min(MOST_WORKERS, os.cpu_count() or 1)),
        "RUN": run,
        "ANSWERS": _answers(run),
        "CERTIFICATE": str(certificate.certificate),
        "KEY": str(certificate.key),
        "ENGINE": core.config.host_name,
        "ENGINE_PATTERN": re.escape(core.config.host_name),
        "LISTEN": listen(core, sockets, secure),
        "LISTEN_DEFAULT": listen(core, sockets, secure, " default_server"),
        "HTTP2": "http2 on;" if apart else "",
        "HTTPS_PORT": "" if core.config["https_port"] == 443 else f":{core.config['https_port']}",
        "PLAIN_LISTEN": "\n        ".join(f"listen {host}:{core.config['http_port']};" for host in outside(core)),
        "CHALLENGES": challenges(core),
        "DROPPED": "\n            ".join(f'proxy_set_header {name} "";' for name in DROPPED),
        "AWAY": AWAY,
    }
    values["PLAIN"] = _filled(PLAIN, values) if outside(core) else ""
    setup = setting_up.values(core)
    values |= {"SETUP_CERTIFICATE": ""} | setup
    values["SETUP"] = _filled(setting_up.SERVER, values) if setup else ""
    # One that listens elsewhere is another file, and so another program: while it runs, nginx cannot begin to listen on
    # all addresses of a port of which it has one, and goes on as it was.
    where = hashlib.sha256(values["LISTEN_DEFAULT"].encode()).hexdigest()[:8]
    path = f"{run}/nginx/nginx-{where}.conf"
    return ServiceSpec(
        name="nginx",
        argv=("/usr/sbin/nginx", "-c", path, "-e", "stderr", "-p", f"{run}/nginx"),
        files={path: _filled(TEMPLATE.read_text(), values)},
        ready=sockets[1],
        stale=sockets,
    )


def _answers(run: str) -> str:
    """Where nginx remembers who may pass: in memory, since a disk that is full would keep everybody out."""
    return f"/run/origo-answers-{hashlib.sha256(run.encode()).hexdigest()[:8]}"


def challenges(core: Core) -> str:
    """The folder whose files an ACME server finds by plain http."""
    return core.config.path("run", "challenges")


def outside(core: Core) -> list[str]:
    """The addresses other than loopback on which the front listens, as nginx writes them."""
    return [_host(address) for address in _addresses(core) if not address.is_loopback]


def listen(core: Core, sockets: tuple[str, str], secure: str, more: str = "") -> str:
    """The lines that say where nginx listens: the two sockets, and TCP where the setting says so.

    Plain http is only for loopback: anywhere else a browser would not keep our cookie, and everybody could read it.
    """
    lines = [f"listen unix:{sockets[0]}{more};", f"listen unix:{sockets[1]}{secure}{more};"]
    for address in _addresses(core):
        if address.is_loopback or more:
            lines.append(f"listen {_host(address)}:{core.config['http_port']}{more};")
        lines.append(f"listen {_host(address)}:{core.config['https_port']}{secure}{more};")
    return "\n        ".join(lines)


def _addresses(core: Core) -> list[Address]:
    found = []
    for word in core.config["listen"].split():
        try:
            found.append(ipaddress.ip_address(word))
        except ValueError:
            raise BadInput(f"cannot listen on {word}: it is no address", hint="mend the setting `listen`") from None
    return found


def _host(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


def _version(core: Core) -> tuple[int, ...]:
    said = core.local.run(["/usr/sbin/nginx", "-v"]).err.decode(errors="replace")
    return tuple(int(part) for part in re.findall(r"nginx/(\d+)\.(\d+)\.(\d+)", said)[0])


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z0-9_]+)@", lambda found: values[found[1]], text)
