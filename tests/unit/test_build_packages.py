"""What apt says of the packages for a tree."""

import pytest

from origo.errors import Unavailable
from origo.services.catalog.build_packages import Package, listed

URI = "http://archive.test/pool/f/fio/fio_3.33-3_amd64.deb"


def test_every_package_that_apt_names_is_fetched_by_its_hash() -> None:
    text = f"'{URI}' fio_3.33-3_amd64.deb 578884 SHA256:8d98f0c8\n"
    assert listed(text) == [Package(URI, "fio_3.33-3_amd64.deb", "SHA256:8d98f0c8")]


def test_a_package_without_a_hash_is_refused_and_not_left_out() -> None:
    text = "'http://archive.test/libssl3.deb' libssl3_3.0.22_amd64.deb 2039888 \n"
    with pytest.raises(Unavailable, match=r"cannot fetch libssl3_3\.0\.22_amd64\.deb: apt tells no hash"):
        listed(text)
