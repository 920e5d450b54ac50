"""A certificate from elsewhere is looked at before it is shown: each fault has its own sentence, with what to do."""

import subprocess
from pathlib import Path

import pytest

from origo.errors import BadInput
from origo.secrets import Secrets, certificates
from tests.functional import fake_acme

NAMES = ["origo.lab.example", "*.origo.lab.example"]


def test_a_chain_with_its_key_becomes_one_text_that_says_what_it_is() -> None:
    chain, key = fake_acme.pair(NAMES)
    pem = certificates.checked(chain, key, NAMES)
    assert pem.count(b"BEGIN") == 2
    said = certificates.usable(pem)
    assert (list(said.names), said.issuer) == (NAMES, "Somebody") and said.since < said.until


def test_a_whole_chain_is_taken_in_its_order_only(tmp_path: Path) -> None:
    made = Secrets(tmp_path).front("lab.example")
    leaf, authority, key = (path.read_bytes() for path in (made.certificate, made.authority, made.key))
    assert certificates.checked(leaf + authority, key, NAMES).count(b"BEGIN CERTIFICATE") == 2
    with pytest.raises(BadInput, match="wrong order, the engine's own certificate is number 2"):
        certificates.checked(authority + leaf, key, NAMES)
    other = Secrets(tmp_path / "other").front("lab.example").authority.read_bytes()
    with pytest.raises(BadInput, match="has not signed the one before") as refused:
        certificates.checked(leaf + other, key, NAMES)
    assert "CN=Origo origo.lab.example" in refused.value.hint


@pytest.mark.parametrize(
    ("chain", "said", "hint"),
    [
        (fake_acme.pair(NAMES, since=-9, until=-1), "it was valid until", "a new one"),
        (fake_acme.pair(NAMES, since=1), "it is valid only from", "clock"),
        (fake_acme.pair(NAMES[:1]), r"it is not for \*\.origo\.lab\.example", "this one is for origo.lab.example"),
        (fake_acme.pair(["other.example"]), "it is not for origo.lab.example", "other.example"),
        (fake_acme.pair(NAMES, ca=True), "an authority's own", "signed"),
        ((fake_acme.pair(NAMES)[0], fake_acme.pair(NAMES)[1]), "does not belong", "asked for"),
        ((b"nothing", b""), "no certificate in it", "BEGIN CERTIFICATE"),
        ((fake_acme.pair(NAMES)[0], b"nothing"), "no private key", "BEGIN PRIVATE KEY"),
    ],
)
def test_what_cannot_serve_is_refused_with_what_to_do(chain: tuple[bytes, bytes], said: str, hint: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        certificates.checked(*chain, NAMES)
    assert refused.value.message.startswith("cannot ") and hint in refused.value.hint


@pytest.mark.parametrize(
    ("making", "said"),
    [
        (("genpkey", "-algorithm", "ed25519"), "browsers take no such kind"),
        (("genrsa", "1024"), "browsers take no such kind"),
        (("genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256", "-pass", "pass:x"), "encr"),
    ],
)
def test_a_key_that_no_browser_takes_or_nobody_can_read_is_refused(making: tuple[str, ...], said: str) -> None:
    key = subprocess.run(["openssl", *making], check=True, capture_output=True).stdout
    with pytest.raises(BadInput, match=said):
        certificates.checked(fake_acme.pair(NAMES)[0], key, NAMES)


def test_a_star_stands_for_one_label() -> None:
    assert certificates.missing(["*.a.example"], ["b.a.example", "*.a.example", "a.example", "c.b.a.example"]) == [
        "a.example",
        "c.b.a.example",
    ]


def test_one_that_does_not_fit_or_is_damaged_gives_way_to_the_engines_own(tmp_path: Path) -> None:
    vault = Secrets(tmp_path)
    vault.given_path.write_bytes(certificates.checked(*fake_acme.pair(NAMES), NAMES))
    assert vault.front("lab.example").certificate == vault.given_path
    assert vault.front("other.example").certificate != vault.given_path
    vault.given_path.write_text("damaged")
    assert vault.front("lab.example").certificate != vault.given_path
