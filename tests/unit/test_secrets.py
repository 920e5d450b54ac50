"""Passwords, keys, sealed values and certificates."""

import re
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
import time_machine

from origo import secrets
from origo.errors import OrigoError
from origo.secrets import Secrets


@pytest.fixture
def vault(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path / "keys")


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_a_password_is_known_by_its_hash_and_by_nothing_else(vault: Secrets) -> None:
    hashed = vault.hash_password("correct horse")
    assert hashed.startswith("$argon2id$") and "correct" not in hashed
    assert vault.verify_password("correct horse", hashed)
    assert not vault.verify_password("correct horsf", hashed)
    assert vault.hash_password("correct horse") != hashed


def test_refusing_an_unknown_user_takes_as_long_as_a_wrong_password(vault: Secrets) -> None:
    hashed = vault.hash_password("right")
    vault.verify_password("wrong", "")  # the first one makes the hash to compare with

    def seconds(of: str) -> float:
        started = time.thread_time()
        assert not vault.verify_password("wrong", of)
        return time.thread_time() - started

    unknown, wrong = min(seconds("") for _ in range(3)), min(seconds(hashed) for _ in range(3))
    assert unknown > wrong / 3


def test_an_empty_password_never_fits_an_empty_hash(vault: Secrets) -> None:
    assert not vault.verify_password("", "")


def test_hashes_do_not_pile_up_in_memory(vault: Secrets) -> None:
    most, running = 0, 0
    lock = threading.Lock()
    real = secrets._argon2

    def counted(salt: bytes) -> object:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        try:
            time.sleep(0.05)
            return real(salt)
        finally:
            with lock:
                running -= 1

    secrets._argon2 = counted  # type: ignore[assignment]
    try:
        threads = [threading.Thread(target=vault.hash_password, args=("x",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        secrets._argon2 = real
    assert most == secrets.HASHES_AT_ONCE


def test_a_damaged_key_is_said(vault: Secrets) -> None:
    (vault.folder / "seal.key").write_text("short")
    with pytest.raises(OrigoError, match="cannot use the key .*seal.key: it is damaged"):
        Secrets(vault.folder)


def test_a_sealed_value_is_read_again_after_a_restart_and_only_with_its_key(vault: Secrets, tmp_path: Path) -> None:
    sealed = vault.seal("s3cret")
    assert "s3cret" not in sealed
    assert Secrets(vault.folder).unseal(sealed) == "s3cret"
    with pytest.raises(OrigoError, match="cannot read a sealed value"):
        Secrets(tmp_path / "other").unseal(sealed)


def test_keys_are_long_random_and_stored_as_their_digest() -> None:
    keys = {secrets.new_key() for _ in range(100)}
    assert len(keys) == 100 and min(map(len, keys)) >= 43
    assert len(secrets.digest(keys.pop())) == 64


def test_nobody_but_root_can_read_what_lies_under_keys(vault: Secrets) -> None:
    vault.front("localhost")
    vault.issue("libvirt", ["node1"])
    for path in (vault.folder, *vault.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_openssl_trusts_the_front_for_every_stack_and_for_nothing_else(vault: Secrets) -> None:
    front = vault.front("localhost")

    def verify(name: str) -> int:
        return openssl("verify", "-CAfile", front.authority, "-verify_hostname", name, front.certificate).returncode

    assert verify("origo.localhost") == 0
    assert verify("hello-a1b2c3.origo.localhost") == 0
    assert verify("example.org") != 0


@pytest.mark.parametrize("name", ["bank.example", "192.0.2.1", "2001:db8::1"])
def test_the_fronts_authority_cannot_vouch_for_other_names_or_addresses(
    vault: Secrets, tmp_path: Path, name: str
) -> None:
    front = vault.front("localhost")
    authority, key = secrets._authority(vault.folder / "front", "origo.localhost")
    stolen = secrets.ec.generate_private_key(secrets.ec.SECP256R1())
    leaf = secrets._leaf([name], stolen, authority, key)
    forged = tmp_path / "forged.crt"
    forged.write_bytes(leaf.public_bytes(secrets.serialization.Encoding.PEM))
    answer = openssl("verify", "-CAfile", front.authority, forged)
    assert answer.returncode != 0 and re.search("(permitted|excluded) subtree violation", answer.stderr)


def test_a_certificate_is_kept_until_near_its_end_and_then_renewed_by_the_same_authority(vault: Secrets) -> None:
    first = vault.front("localhost")
    assert vault.front("localhost") == first
    authority = first.authority.read_bytes()
    with time_machine.travel(time.time() + 370 * 86400):
        renewed = vault.front("localhost")
    assert renewed.serial != first.serial
    assert renewed.authority.read_bytes() == authority


@pytest.mark.parametrize("years", [-30, 20])
def test_a_clock_that_was_wrong_leaves_an_authority_and_a_certificate_that_are_good_now(
    vault: Secrets, years: int
) -> None:
    with time_machine.travel(time.time() + years * 365 * 86400):
        wrong = vault.front("localhost")
        authority = wrong.authority.read_bytes()
    right = vault.front("localhost")
    assert right.serial != wrong.serial
    assert right.authority.read_bytes() == authority
    assert openssl("verify", "-CAfile", right.authority, right.certificate).returncode == 0


def test_another_domain_gets_another_authority(vault: Secrets) -> None:
    before = vault.front("localhost").authority.read_bytes()
    after = vault.front("example.org")
    assert after.authority.read_bytes() != before
    assert openssl("verify", "-CAfile", after.authority, after.certificate).returncode == 0


def test_nodes_know_each_other_by_name_and_address_and_libvirts_key_usage(vault: Secrets) -> None:
    node = vault.issue("libvirt", ["node1", "10.9.0.2"])
    for check in (("-verify_hostname", "node1"), ("-verify_ip", "10.9.0.2")):
        assert openssl("verify", "-CAfile", node.authority, *check, node.certificate).returncode == 0
    text = openssl("x509", "-in", node.certificate, "-noout", "-text").stdout
    assert "Key Encipherment" in text and "TLS Web Client Authentication" in text
    other = vault.issue("ssh", ["node2"])
    assert other.authority == node.authority and other.certificate != node.certificate
