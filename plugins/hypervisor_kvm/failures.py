"""libvirt's errors as the project's own, each with a sentence and, where something can be done, a hint."""

import libvirt

from origo.errors import Conflict, NoRoom, NotFound, OrigoError, Unavailable, Unsupported

ABSENT = {libvirt.VIR_ERR_NO_DOMAIN}
TAKEN = {libvirt.VIR_ERR_DOM_EXIST, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_RESOURCE_BUSY}
IMPOSSIBLE = {
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_XML_ERROR,
    libvirt.VIR_ERR_XML_DETAIL,
    libvirt.VIR_ERR_XML_INVALID_SCHEMA,
}
SILENT = {
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_AUTH_FAILED,
    libvirt.VIR_ERR_GNUTLS_ERROR,
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
}
SHORT_OF_MEMORY = ("annot allocate memory", "cannot set up guest memory", "out of memory")


def as_error(what: str, error: libvirt.libvirtError) -> OrigoError:
    """The error to raise for a failed `what`, such as "start server web1"."""
    said = error.get_error_message() or str(error)
    sentence = f"cannot {what}: {said}"
    code = error.get_error_code()
    if code == libvirt.VIR_ERR_NO_MEMORY or any(words in said for words in SHORT_OF_MEMORY):
        return NoRoom(sentence, hint="stop a server, or give it less memory")
    if code in ABSENT:
        return NotFound(sentence)
    if code in TAKEN:
        return Conflict(sentence)
    if code in IMPOSSIBLE:
        return Unsupported(sentence)
    if code in SILENT:
        return Unavailable(sentence, hint="see whether libvirtd runs: origo doctor")
    return OrigoError(sentence, details={"libvirt": code})
