"""What answers: a page, believed by its first line in a time and size that it cannot stretch; or a certificate."""

import re
import socket
import ssl
import time
from urllib.parse import quote

FIRST_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
MOST_BYTES = 1024
AS_THEY_ARE = "/?=&%:;,+@!$'()*~"


def status(address: str, path: str, seconds: float) -> int | None:
    """The status with which the page at `address` (host:port) answers; None if it has not within so many seconds."""
    end = time.monotonic() + seconds
    host, _, port = address.rpartition(":")
    request = f"GET {quote(path, safe=AS_THEY_ARE)} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    said = b""
    try:
        with socket.create_connection((host, int(port)), timeout=seconds) as line:
            line.sendall(request.encode())
            while b"\n" not in said and len(said) < MOST_BYTES and (left := end - time.monotonic()) > 0:
                line.settimeout(left)
                more = line.recv(MOST_BYTES - len(said))
                if not more:
                    break
                said += more
    except OSError:
        return None
    found = FIRST_LINE.match(said)
    return int(found[1]) if found else None


def shown_certificate(path: str, name: str, seconds: float) -> bytes:
    """The certificate (DER) that the server at the unix socket `path` shows for that name; empty if it shows none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(seconds)
            line.connect(path)
            with context.wrap_socket(line, server_hostname=name) as secure:
                return secure.getpeercert(binary_form=True) or b""
    except OSError:
        return b""
