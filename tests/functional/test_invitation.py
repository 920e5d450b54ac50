"""Who stands at the machine sees the set-up link above the log-in prompt, until there is an administrator."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_world import World

from origo.model import Ticket
from origo.services.access import SYSTEM
from origo.services.users import passwords
from origo.services.users.invitation import Invitation


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issue.d" / "origo.issue"


def shown(path: Path) -> str:
    """The key of the link that is shown."""
    return path.read_text().partition("ticket=")[2].split()[0]


def test_the_link_is_shown_to_root_alone_and_goes_once_it_is_used(world: World, path: Path) -> None:
    invitation = Invitation(world.core, str(path))
    invitation.look()
    assert path.stat().st_mode & 0o777 == 0o600
    passwords.set_up(world.core, shown(path), "ann", "four words are good")
    invitation.look()
    assert not path.exists() and invitation.over


def test_the_next_daemon_goes_on_with_the_link_that_is_shown(world: World, path: Path) -> None:
    Invitation(world.core, str(path)).look()
    key = shown(path)
    Invitation(world.core, str(path)).look()
    assert shown(path) == key and passwords.ticket_for(key)[0]


def test_after_a_reboot_there_is_a_new_link_and_the_old_one_has_ended(world: World, path: Path) -> None:
    Invitation(world.core, str(path)).look()
    key = shown(path)
    path.unlink()
    Invitation(world.core, str(path)).look()
    assert shown(path) != key and not passwords.ticket_for(key)[0]


def test_a_link_that_is_too_old_is_replaced(world: World, path: Path) -> None:
    invitation = Invitation(world.core, str(path))
    invitation.look()
    key = shown(path)
    Ticket.update(expires=time.time() - 1).execute()
    invitation.look()
    assert shown(path) != key and passwords.ticket_for(shown(path))[0]


def test_a_link_that_was_asked_for_stays_good(world: World, path: Path) -> None:
    invitation = Invitation(world.core, str(path))
    invitation.look()
    asked = passwords.setup_link(world.core, SYSTEM)["url"].partition("ticket=")[2]
    invitation.look()
    invitation.look()
    assert passwords.ticket_for(asked)[0] and "ticket=" not in path.read_text()


def test_until_set_up_it_is_at_the_machines_address_and_stays_the_same(world: World, path: Path) -> None:
    world.core.config = world.core.config.changed({"setup": True, "listen": "0.0.0.0"})
    invitation = Invitation(world.core, str(path))
    invitation.look()
    said = path.read_text()
    assert "/setup/" in said and "SHA-256" in said and "ticket=" not in said
    invitation.look()
    assert path.read_text() == said
