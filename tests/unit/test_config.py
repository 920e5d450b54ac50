"""What settings promise: a wrong one is refused with a sentence, the environment wins over the file."""

from pathlib import Path

import pytest

from origo import config
from origo.errors import BadInput

PACKAGED = Path(__file__).resolve().parents[2] / "appliance" / "deb" / "appliance.toml"
WRONG = [
    *(("ORIGO_DOMAIN", text) for text in ("", "a b", "a\n;", "-a", "a..b", "a" * 300, "b\u00fccher.example")),
    *(("ORIGO_STORAGE_OPTIONS", text) for text in ("mirror", "=mirror", 'devices="/dev/sdb')),
    *(("ORIGO_HTTPS_PORT", text) for text in ("0", "-1", "65536")),
]


def load(home: Path, text: str, **environment: str) -> config.Config:
    (home / "origo.toml").write_text(text)
    return config.load(home, environment)


def test_without_a_file_every_setting_has_its_default(tmp_path: Path) -> None:
    loaded = config.load(tmp_path, {})
    assert {setting.name: loaded[setting.name] for setting in config.SETTINGS} == {
        setting.name: setting.default for setting in config.SETTINGS
    }


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, "workers = 3", ORIGO_WORKERS="5")["workers"] == 5


def test_the_machines_defaults_give_way_to_the_file_and_to_the_environment(tmp_path: Path) -> None:
    defaults = tmp_path / "defaults.toml"
    defaults.write_text("workers = 1\nhttp_port = 1\nhttps_port = 1\n")
    found = load(tmp_path, "workers = 2\nhttp_port = 2", ORIGO_DEFAULTS=str(defaults), ORIGO_WORKERS="3")
    assert (found["workers"], found["http_port"], found["https_port"]) == (3, 2, 1)


def test_defaults_that_cannot_be_read_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read .*absent"):
        config.load(tmp_path, {"ORIGO_DEFAULTS": str(tmp_path / "absent")})


def test_what_the_package_sets_are_settings(tmp_path: Path) -> None:
    found = config.load(tmp_path, {"ORIGO_DEFAULTS": str(PACKAGED)})
    assert (found["http_port"], found["https_port"]) == (80, 443)


def test_an_unknown_setting_is_refused_with_the_nearest_known_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, "wokers = 3")
    assert caught.value.hint == "did you mean workers?"


@pytest.mark.parametrize(
    "text",
    ["workers = 'many'", "workers = true", "guests_nat = 1", "not toml", "domain = 'Example.org'", "domain = 'a;b'"],
)
def test_a_value_of_the_wrong_type_is_refused_naming_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match="cannot read .*origo.toml"):
        load(tmp_path, text)


@pytest.mark.parametrize(("name", "value"), [("ORIGO_WORKERS", "many"), ("ORIGO_GUESTS_NAT", "perhaps"), *WRONG])
def test_a_wrong_value_in_the_environment_is_refused_naming_the_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"cannot use {name}"):
        config.load(tmp_path, {name: value})


def test_every_setting_says_what_it_is() -> None:
    assert all(setting.help.endswith(".") and type(setting.default) is setting.kind for setting in config.SETTINGS)


def test_options_of_the_first_pool_are_words_with_values(tmp_path: Path) -> None:
    found = load(tmp_path, "", ORIGO_STORAGE_OPTIONS='devices="/dev/sdb /dev/sdc" layout=mirror')
    assert found.storage_options == {"devices": "/dev/sdb /dev/sdc", "layout": "mirror"}
