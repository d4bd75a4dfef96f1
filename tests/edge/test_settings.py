"""The settings: where they come from, what is refused and how, what is never shown."""

import copy
import traceback
from pathlib import Path

import pytest

from adapters.knobs import NAMES
from adapters.settings import (
    REMEDIES,
    TEXT_REMEDY,
    Secret,
    Settings,
    SettingsError,
    effective,
    load_settings,
    settings_warnings,
    split_address,
)
from engine.model import Category, Gate

WEBHOOKS = {"PENSTOCK_META_APP_SECRET": "an app secret of Meta's"}


def loaded(directory: Path, /, *, toml: str = "", **environment: str) -> Settings:
    """Load with nothing from the machine but what the test says."""
    if toml:
        (directory / "penstock.toml").write_text(toml)
    variables = {f"PENSTOCK_{name}": text for name, text in environment.items()}
    return load_settings(environment=variables, directory=directory)


def problems_of(directory: Path, /, *, toml: str = "", **environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(directory, toml=toml, **environment)
    return caught.value.problems


def test_the_defaults_are_the_ones_of_the_interface(tmp_path: Path) -> None:
    shown = {row.name: row.shown for row in effective(loaded(tmp_path))}
    assert shown == {
        "redis_url": "embedded",
        "data_dir": ".penstock",
        "graph_url": "https://graph.facebook.com",
        "graph_version": "v25.0",
        "listen": "127.0.0.1:8080",
        "metrics_listen": "127.0.0.1:9108",
        "api_key": "-",
        "meta_app_secret": "-",
        "secret_key": "-",
        "meta_verify_token": "-",
        "window_seconds": "86400",
        "guard_seconds": "-",
        "concurrency": "512",
        "queue_max": "20000000",
        "send_timeout_seconds": "20",
        "lease_seconds": "30",
        "keep_days": "7",
        "export_dir": "-",
        "doubt_seconds": "-",
        "phone_salt": "-",
        "log": "json",
        "rules": "today",
        "yellow_share": "0.5",
        "red_share": "0",
        "no_marketing": "US",
        "silence_seconds": "900",
        "gates_off": "-",
    }


def test_lengths_are_milliseconds_inside_the_house(tmp_path: Path) -> None:
    its = loaded(tmp_path)
    assert (its.window_ms, its.guard_ms, its.lease_ms) == (86_400_000, 300_000, 30_000)
    assert (its.send_timeout_ms, its.authentication_send_timeout_ms) == (20_000, 10_000)
    assert its.keep_ms == 7 * 86_400_000
    doubts = {category.value: its.doubt_ms(category) for category in Category}
    assert doubts == {
        "authentication": 15_000,
        "utility": 120_000,
        "marketing": 3_600_000,
        "service": 3_600_000,
    }


def test_a_short_window_has_its_share_of_the_guard(tmp_path: Path) -> None:
    assert loaded(tmp_path, WINDOW_SECONDS="288").guard_ms == 1_000
    assert loaded(tmp_path, WINDOW_SECONDS="288", GUARD_SECONDS="2.5").guard_ms == 2_500
    assert loaded(tmp_path, GUARD_SECONDS="0").guard_ms == 0


def test_one_doubt_time_replaces_all(tmp_path: Path) -> None:
    its = loaded(tmp_path, DOUBT_SECONDS="7")
    assert {its.doubt_ms(category) for category in Category} == {7_000}


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(
    tmp_path: Path,
) -> None:
    (tmp_path / "penstock.toml").write_text(
        'concurrency = 1\nkeep_days = 2\nlog = "console"\ngates_off = ["quota", "pair"]\n'
    )
    its = load_settings(
        {"concurrency": 3, "keep_days": None},
        {"PENSTOCK_CONCURRENCY": "2", "PENSTOCK_KEEP_DAYS": "3", "HOME": "/"},
        tmp_path,
    )
    assert (its.concurrency, its.keep_days, its.log) == (3, 3, "console")
    assert its.gates_switched_off == {Gate.QUOTA, Gate.PAIR}
    sources = {row.name: row.source for row in effective(its)}
    assert sources["concurrency"] == "flag"
    assert sources["keep_days"] == "environment"
    assert sources["log"] == str(tmp_path / "penstock.toml")
    assert sources["listen"] == "default"


def test_the_file_may_be_elsewhere_and_must_then_exist(tmp_path: Path) -> None:
    elsewhere = tmp_path / "etc.toml"
    with pytest.raises(SettingsError, match="no such file"):
        loaded(tmp_path, CONFIG=str(elsewhere))
    elsewhere.write_text("concurrency = 9")
    assert loaded(tmp_path, CONFIG=str(elsewhere)).concurrency == 9


def test_a_file_that_is_not_toml_is_named_with_its_line(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, toml="concurrency = \n")
    assert "penstock.toml" in problem
    assert "line 1" in problem


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    its = loaded(tmp_path, API_KEY="", CONCURRENCY="")
    assert (its.api_key, its.concurrency) == (None, 512)


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        pytest.param("REDIS_URL", "http://h", "redis+sentinel", id="redis scheme"),
        pytest.param("REDIS_URL", "redis://", "embedded", id="redis without a host"),
        pytest.param("GRAPH_URL", "http://graph.facebook.com", "https://", id="graph without TLS"),
        pytest.param("GRAPH_URL", "http://localhost.evil.com", "https://", id="not loopback"),
        pytest.param("GRAPH_URL", "https://u:p@h", "without user", id="graph with a user"),
        pytest.param("GRAPH_URL", "ftp://localhost", "https://", id="graph scheme"),
        pytest.param("GRAPH_VERSION", "25.0", "v25.0", id="version"),
        pytest.param("GRAPH_VERSION", "v25.0/../..", "v25.0", id="version with a path"),
        pytest.param("LISTEN", "8080", "host:port", id="no host"),
        pytest.param("LISTEN", "localhost:70000", "host:port", id="port too high"),
        pytest.param("METRICS_LISTEN", "::1:80", "host:port", id="bare ipv6"),
        pytest.param("WINDOW_SECONDS", "0", "above 0", id="no window"),
        pytest.param("WINDOW_SECONDS", "inf", "above 0", id="endless window"),
        pytest.param("GUARD_SECONDS", "-1", "0 or more", id="negative guard"),
        pytest.param("CONCURRENCY", "0", "1 to 65536", id="no concurrency"),
        pytest.param("CONCURRENCY", "65537", "1 to 65536", id="too much concurrency"),
        pytest.param("CONCURRENCY", "many", "use a whole number", id="not a number"),
        pytest.param("CONCURRENCY", "1.5", "use a whole number", id="not whole"),
        pytest.param("QUEUE_MAX", "-1", "0 for no bound", id="negative queue"),
        pytest.param("SEND_TIMEOUT_SECONDS", "0", "above 0", id="no timeout"),
        pytest.param("LEASE_SECONDS", "29", "send_timeout_seconds + 10", id="short lease"),
        pytest.param("LEASE_SECONDS", "nan", "send_timeout_seconds + 10", id="nan"),
        pytest.param("KEEP_DAYS", "0.5", "1 day", id="keeps too short"),
        pytest.param("DOUBT_SECONDS", "0", "1 or more", id="no doubt"),
        pytest.param("LOG", "xml", "use json or console", id="log"),
        pytest.param("GATES_OFF", "quota,brakes", "suppression", id="gate"),
        pytest.param("META_APP_SECRET", "a,b,c", "two with a comma", id="three secrets"),
        pytest.param("SECRET_KEY", "a,b,c", "the first seals", id="three keys"),
        pytest.param("YELLOW_SHARE", "1.1", "from 0.001 to 1", id="more than all"),
        pytest.param("RED_SHARE", "0.0001", "from 0.001 to 1", id="next to nothing"),
        pytest.param("NO_MARKETING", "US,XX", "name countries of", id="country"),
        pytest.param("RULES", "yesterday", "use today or seed", id="rules"),
        pytest.param("SILENCE_SECONDS", "0.5", "1 or more", id="silence"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(
    tmp_path: Path, name: str, text: str, remedy: str
) -> None:
    (problem,) = problems_of(tmp_path, **{name: text})
    assert problem.startswith(f"{name.lower()} = ")
    assert remedy in problem


SECRETS = {"api_key", "meta_app_secret", "secret_key", "meta_verify_token", "phone_salt"}
ANY_PATH = {"data_dir", "export_dir"}
HOPELESS = ("§ $%&'\"", "-5", "1e400", "9" * 400, "nan\n", "\x1b[31m", "x" * 20_000, "\udcff\udcfe")


@pytest.mark.parametrize("text", HOPELESS)
@pytest.mark.parametrize("name", sorted({*NAMES} - ANY_PATH))
def test_whatever_is_written_for_a_setting_its_refusal_is_one_line_with_a_remedy(
    tmp_path: Path, name: str, text: str
) -> None:
    if name in SECRETS and text.isprintable():
        return  # a secret may be anything that can be typed
    try:
        its = loaded(tmp_path, **{name.upper(): text})
    except SettingsError as error:
        (problem,) = error.problems
        assert problem.startswith(f"{name} = ")
        assert any(remedy in problem for remedy in (REMEDIES.get(name, TEXT_REMEDY), TEXT_REMEDY))
        assert problem.isprintable()
        assert len(problem) < 600
    else:
        assert name in SECRETS, effective(its)


def test_a_blank_variable_counts_as_not_set_and_none_stands_for_no_country(tmp_path: Path) -> None:
    its = loaded(tmp_path, META_APP_SECRET="   ", NO_MARKETING=" ")
    assert (its.app_secrets, its.countries_without_marketing) == ((), ["US"])
    assert any("webhooks are refused" in warning for warning in settings_warnings(its))
    assert loaded(tmp_path, NO_MARKETING="none").countries_without_marketing == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GRAPH_URL", "http://localhost:9000"),
        ("GRAPH_URL", "http://127.0.0.2:9000/sub"),
        ("GRAPH_URL", "http://[::1]:9000"),
        ("GRAPH_URL", "https://proxy.example.com"),
        ("LISTEN", ":8080"),
        ("LISTEN", "[::1]:0"),
        ("REDIS_URL", "redis+cluster://:pw@a:1,b:2"),
        ("REDIS_URL", "unix:///run/redis.sock"),
        ("CONCURRENCY", "65536"),
    ],
)
def test_a_right_value_is_taken(tmp_path: Path, name: str, text: str) -> None:
    assert str(getattr(loaded(tmp_path, **{name: text}), name.lower())) == text


def test_the_lease_follows_the_timeout(tmp_path: Path) -> None:
    assert problems_of(tmp_path, SEND_TIMEOUT_SECONDS="25")[0].startswith("lease_seconds = 30")
    assert loaded(tmp_path, SEND_TIMEOUT_SECONDS="25", LEASE_SECONDS="35").lease_ms == 35_000


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    problems = problems_of(
        tmp_path, toml='lissen = "x"\nlog = 3', CONCURRENCY="0", WINDOW_SECOND="7", LISTEN="x"
    )
    assert [problem.split(" = ")[0] for problem in problems] == [
        f"unknown setting lissen in {tmp_path / 'penstock.toml'}, did you mean listen?",
        (
            "unknown setting PENSTOCK_WINDOW_SECOND in the environment, "
            "did you mean PENSTOCK_WINDOW_SECONDS?"
        ),
        "log",
        "listen",
        "concurrency",
    ]


def test_an_unknown_flag_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean concurrency"):
        load_settings({"concurency": 3}, {}, tmp_path)


def test_names_that_kubernetes_and_our_tests_set_are_no_settings(tmp_path: Path) -> None:
    its = loaded(
        tmp_path,
        CI="1",
        TEST_SERVERS="embedded",
        SERVICE_HOST="10.0.0.1",
        SERVICE_PORT="8080",
        SERVICE_PORT_HTTP="8080",
        PORT="tcp://10.0.0.1:8080",
        PORT_8080_TCP="tcp://10.0.0.1:8080",
        PORT_8080_TCP_ADDR="10.0.0.1",
        API_SERVICE_HOST="10.0.0.2",
    )
    assert its.sources == {}


def test_secrets_and_passwords_are_never_shown(tmp_path: Path) -> None:
    its = loaded(
        tmp_path,
        API_KEY="hunter2-key",
        META_APP_SECRET="hunter2-app, hunter2-old",
        REDIS_URL="redis://user:hunter2@host:1/0",
    )
    assert its.app_secrets == ("hunter2-app", "hunter2-old")
    assert its.api_key is not None
    assert its.api_key.reveal() == "hunter2-key"
    assert its.api_key == copy.copy(its.api_key) == Secret("hunter2-key")
    shown = f"{its!r} {its} {its.api_key} {its.api_key!r} {its.api_key:>9} {effective(its)}"
    assert "hunter2" not in shown
    assert "redis://***@host:1/0" in shown


def test_secrets_are_not_shown_in_refusals_either(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {"api_key": 5_551_234},
            {
                "PENSTOCK_META_APP_SECRET": "hunter2,b,c",
                "PENSTOCK_GRAPH_URL": "https://u:hunter2@h",
                "PENSTOCK_REDIS_URL": "sentinel://:hunter2@h",
            },
            tmp_path,
        )
    assert len(caught.value.problems) == 4
    told = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in told
    assert "5551234" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("WINDOW_SECONDS", "60", "for tests only"),
        ("GUARD_SECONDS", "10", "may break the limit"),
        ("GATES_OFF", "quota", "NOT kept"),
        ("GRAPH_URL", "http://localhost:1", "not Meta's own"),
        ("API_KEY", "short", "can be guessed"),
        ("SECRET_KEY", "short", "secret_key has fewer"),
        ("PHONE_SALT", "short", "phone_salt has fewer"),
        ("META_APP_SECRET", "", "webhooks are refused"),
    ],
)
def test_what_is_allowed_but_doubtful_is_warned_about(
    tmp_path: Path, name: str, text: str, part: str
) -> None:
    variables = {**WEBHOOKS, f"PENSTOCK_{name}": text}
    (warning,) = settings_warnings(load_settings(None, variables, tmp_path))
    assert part in warning


def test_nothing_is_doubtful_about_the_defaults_with_webhooks(tmp_path: Path) -> None:
    assert settings_warnings(load_settings(None, WEBHOOKS, tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (":80", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
        ("penstock.internal:0", ("penstock.internal", 0)),
    ],
)
def test_an_address_is_split(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address
