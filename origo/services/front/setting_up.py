"""What nginx is told besides while an engine is new: its set-up pages, at the machine's own addresses, and no other."""

from origo.operations.core import Core
from origo.services.engine import door

SERVER = """\
# The engine is new: its set-up pages are at the machine's own addresses too, for who has the one-time link.
    server {
        @LISTEN@
        @HTTP2@
        server_name @SETUP_NAMES@;
        # certificate @SETUP_SERIAL@
        @SETUP_CERTIFICATE@
        client_max_body_size 64k;
        proxy_read_timeout 75s;

        location / {
            default_type text/plain;
            return 421 "This engine is not set up yet. The set-up link is on its machine's console.\\n";
        }
        location ^~ /setup/ {
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header Cookie "";
            proxy_set_header Authorization "";
            proxy_set_header X-Origo-Door setup;
            proxy_set_header X-Origo-Scheme $scheme;
            proxy_set_header X-Origo-Address $remote_addr;
            proxy_set_header X-Origo-Session "";
            proxy_set_header X-Origo-Label "";
            proxy_set_header X-Origo-Reason "";
            proxy_set_header X-Origo-Path "";
            error_page 502 504 = @engine_away_page;
            proxy_pass http://unix:@RUN@/front.sock;
        }
        location @engine_away_page {
            default_type text/html;
            return 503 '@AWAY@';
        }
    }"""


def values(core: Core) -> dict[str, str]:
    """What its part of the configuration needs; nothing once the engine is set up.

    Who asks by an address names no host before the certificate is chosen, so the default server shows it too.
    """
    names = door.names(core) if door.is_open(core) and core.config["listen"] else []
    if not names:
        return {}
    found = door.certificate(core, names)
    certificate = f"ssl_certificate {found.certificate};\n        ssl_certificate_key {found.key};"
    return {
        "SETUP_NAMES": " ".join(names),
        "SETUP_SERIAL": f"{found.serial:x}",
        "SETUP_CERTIFICATE": certificate,
    }
