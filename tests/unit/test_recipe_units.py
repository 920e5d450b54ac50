"""The systemd units of a full system's services."""

import pytest

from origo.services.catalog import build_full
from origo.services.catalog.recipe import Service


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("/usr/bin/thing --flag", 'ExecStart=/usr/bin/env -- "/usr/bin/thing" "--flag"'),
        ("-/bin/x", 'ExecStart=/usr/bin/env -- "-/bin/x"'),
        ("echo 100% $HOME", 'ExecStart=/usr/bin/env -- "echo" "100%%" "$$HOME"'),
        ("""sh -c 'a "b" \\ c'""", 'ExecStart=/usr/bin/env -- "sh" "-c" "a \\"b\\" \\\\ c"'),
    ],
)
def test_the_words_of_a_command_mean_nothing_to_systemd(command: str, line: str) -> None:
    assert line in build_full.unit(Service("x", command)).splitlines()


def test_a_service_is_started_again_unless_it_runs_once() -> None:
    assert "Restart=always" in build_full.unit(Service("x", "true"))
    assert "Restart=" not in build_full.unit(Service("x", "true", once=True))


def test_a_service_knows_the_answers() -> None:
    assert "EnvironmentFile=-/etc/origo/answers.env" in build_full.unit(Service("x", "true")).splitlines()
