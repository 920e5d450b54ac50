"""Whether a page answers: asked once, believed by its first line, in a time and size that it cannot stretch."""

import re
import socket
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
