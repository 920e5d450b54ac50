"""Files of servers are called so that libvirt's helper may read them, wherever pools lie: guests are held by that."""

import fnmatch
import uuid
from itertools import product

import pytest
from origo_plugins.hypervisor_kvm import domain_xml

from origo.model import Image, Server
from origo.services import pools
from origo.services.servers import spec

READABLE = ("/**.raw", "/**.qcow2", "/**.iso")
"""What of rules in Debian's profile of virt-aa-helper our names rely on; it reads nothing else below a pool."""


@pytest.mark.parametrize(("kind", "format"), list(product(("child", "master", "upload"), domain_xml.FORMATS)))
def test_the_file_of_an_image_has_such_a_name(kind: str, format: str) -> None:
    place = pools.place(Image(id=str(uuid.uuid4()), kind=kind, format=format, state="ready"))
    assert any(fnmatch.fnmatch(f"/tank/x/{place.area}/{place.name}", rule) for rule in READABLE)


def test_so_has_a_seed() -> None:
    place = spec.seed_place(Server(id=str(uuid.uuid4())))
    assert any(fnmatch.fnmatch(f"/tank/x/{place.area}/{place.name}", rule) for rule in READABLE)
