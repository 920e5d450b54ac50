"""An authority that takes only accounts of its own site is shown one."""

import pytest
from acme_world import ENGINE, acme_world

from origo.client import ordering
from origo.errors import OrigoError
from origo.secrets import certificates

pytestmark = [pytest.mark.needs("pebble"), pytest.mark.timeout(60)]


def test_an_authority_that_wants_an_account_of_its_site_is_given_it() -> None:
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    with acme_world({"mine": key}) as strict:
        directory = ordering.Directory(strict.directory, certificates.new_key(), str(strict.authority))
        with pytest.raises(OrigoError) as refused:
            directory.register("", agreed=True, external=None)
        assert "--account-id" in refused.value.hint, refused.value.message
        with pytest.raises(OrigoError, match="the ACME server says"):
            directory.register("", agreed=True, external=("mine", key[::-1]))
        directory.register("", agreed=True, external=("mine", key))
        directory.order(certificates.request(certificates.new_key(), [ENGINE]))
