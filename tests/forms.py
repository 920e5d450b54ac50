"""The form of supervision that tests are about: our own, or systemd's in a world where that is process 1."""

import functools
import os

import pytest

from origo.host.local import LocalHost
from origo.supervise import Form, systemd
from origo.supervise.own import Child

UNDER_SYSTEMD = os.environ.get("ORIGO_TEST_FORM") == "systemd"
FORM: Form = functools.partial(systemd.Unit, host=LocalHost()) if UNDER_SYSTEMD else Child
own_form_only = pytest.mark.skipif(UNDER_SYSTEMD, reason="it is about the daemon's own children")
