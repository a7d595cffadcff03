"""`check --deploy` reports every unsafe setting, and missing settings fail with a helpful sentence."""

import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography.fernet import Fernet

from config.checks.addresses import outside_names
from integrations.sandbox.keys import ensure_keys
from tests.support.processes import run_python

pytestmark = pytest.mark.xdist_group("deploy")  # its tests share reports
SECRET = "b7Kx2mQ9vT4wZ8nR"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the keys of WeChat Pay."""
    folder = tmp_path_factory.mktemp("keys")
    ensure_keys(folder)
    return folder


@pytest.fixture
def production(keys: Path) -> dict[str, str]:
    """Return an environment with safe settings."""
    return {
        "PATH": os.environ["PATH"],
        "RUN_DIR": str(keys),
        "DATABASE_URL": "postgres://wxrobot:secret@db.example.com/wxrobot",
        "REDIS_URL": "redis://:secret@redis.example.com/0",
        "SECRET_KEY": "8fXq2LrT0vZk6NwYb4HsJd9MgPc3RaUe7TiXoQzVnKy5WlSm-ci",
        "ALLOWED_HOSTS": "api.example.com",
        "PUBLIC_BASE_URL": "https://api.example.com",
        "CLIENT_BASE_URL": "https://api.example.com/grouppet",
        "IDENTITY_KEYS": Fernet.generate_key().decode(),
        "WECHAT_APPS": f"wx01={SECRET}",
        "GATEWAY_BASE_URL": "https://gateway.example.com",
        "GATEWAY_TOKEN": SECRET,
        "SMS_ACCESS_KEY_ID": "id",
        "SMS_ACCESS_KEY_SECRET": SECRET,
        "WECHAT_PAY_APP_ID": "wx01",
        "WECHAT_PAY_MCH_ID": "1900000109",
        "WECHAT_PAY_CERT_SERIAL": "5157F09EFDC096DE",
        "WECHAT_PAY_PRIVATE_KEY_FILE": str(keys / "merchant_key.pem"),
        "WECHAT_PAY_PUBLIC_KEY_FILE": str(keys / "platform_public.pem"),
        "WECHAT_PAY_PUBLIC_KEY_ID": "PUB_KEY_ID_01",
        "WECHAT_PAY_API_V3_KEY": "0123456789abcdef" * 2,
        "LAUNCH_BASE_URL": "https://launch.example.com",
        "ALIYUN_CS_BASE_URL": "https://cs.example.com",
        "ALIYUN_CS_KEY": SECRET,
    }


def check(environment: dict[str, str]) -> "CompletedProcess[str]":
    argv = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return run_python(*argv, name="check", env=environment)


def test_a_safe_environment_passes(production):
    done = check(production)
    assert done.returncode == 0, done.stderr


UNSAFE = [
    ("REDIS_URL", "", "E008"),
    ("DEBUG", "1", "E003"),
    ("ALLOWED_HOSTS", "*", "E005"),
    ("ALLOWED_HOSTS", "", "E005"),
    ("PUBLIC_BASE_URL", "http://api.example.com", "E006"),
    ("CLIENT_BASE_URL", "https://localhost", "E006"),
    ("CLIENT_BASE_URL", "https://m.example.com/grouppet", "W001"),
    ("CLIENT_BASE_URL", "https://api.example.com:8443/grouppet", "W001"),
    ("CORS_ALLOWED_ORIGINS", "m.example.com", "corsheaders.E013"),
    ("WECHAT_APPS", "", "WECHAT_APPS"),
    ("WECHAT_APPS", "wx01=", "WECHAT_APPS"),
    ("WECHAT_OAUTH_BASE_URL", "http://127.0.0.1:8001", "WECHAT_OAUTH_BASE_URL"),
    ("WECHAT_JS_SDK_URL", "http://res.wx.qq.com/open/js/jweixin-1.6.0.js", "WECHAT_JS_SDK_URL"),
    ("WECHAT_PAY_APP_ID", "wx02", "WECHAT_PAY_APP_ID"),
    ("BEHIND_PROXY", "1", "E010"),
    ("GATEWAY_TOKEN", "", "GATEWAY_TOKEN"),
    ("WECHAT_PAY_API_V3_KEY", "short", "WECHAT_PAY_API_V3_KEY"),
    ("WECHAT_PAY_PRIVATE_KEY_FILE", "/nowhere.pem", "WECHAT_PAY_PRIVATE_KEY_FILE"),
    ("IDENTITY_KEYS", "not a key", "IDENTITY_KEYS"),
    ("SECRET_KEY", "short", "E011"),
    ("SECRET_KEY", "ab" * 40, "E011"),
    ("ALLOWED_HOSTS", ".com", "E005"),
    ("ALLOWED_HOSTS", "api.example.com,127.0.0.1", "E005"),
    ("ALLOWED_HOSTS", "api.example.com,localhost", "E005"),
    ("PUBLIC_BASE_URL", "https://10.0.0.1", "E006"),
    ("PUBLIC_BASE_URL", "https://0.0.0.0", "E006"),
    ("PUBLIC_BASE_URL", "https://[::1]", "E006"),
    ("WECHAT_PAY_NOTIFY_URL", "http://api.example.com/wechat/pay/notify", "WECHAT_PAY_NOTIFY_URL"),
    ("WECHAT_PAY_NOTIFY_URL", "https://evil.example.org/", "WECHAT_PAY_NOTIFY_URL"),
    ("CSRF_TRUSTED_ORIGINS", "https://*", "E016"),
    ("CSRF_TRUSTED_ORIGINS", "https://*.com", "E016"),
    ("CSRF_TRUSTED_ORIGINS", "http://api.example.com", "E016"),
    *((name, "http://other.example.com", name) for name in outside_names()),
    *((name, "https://127.0.0.1:8001", name) for name in outside_names()),
    *((name, "https://localhost", name) for name in outside_names()),
    ("DATABASE_URL", "postgres://wxrobot@db.example.com/wxrobot", "E013"),
    ("DATABASE_URL", "postgres://wxrobot:postgres@db.example.com/wxrobot", "E013"),
    ("DATABASE_URL", "postgres://wxrobot:wxrobot@db.example.com/wxrobot", "E013"),
    ("DATABASE_URL", "sqlite:///x.db", "E013"),
    ("REDIS_URL", "redis://redis.example.com/0", "E013"),
    ("TRUSTED_PROXIES", "99", "E014"),
    ("TRUSTED_PROXIES", "-1", "E014"),
    ("OPERATOR_SIGN_IN_TRIES", "0", "E014"),
    ("OPERATOR_SIGN_IN_TRIES", "100000", "E014"),
    ("OPERATOR_LOCKOUT_MINUTES", "0", "E014"),
    ("OPERATOR_SESSION_MINUTES", "9999999", "E014"),
    ("THROTTLE_SMS", "1000000/1", "THROTTLE_SMS"),
    ("THROTTLE_AUTH", "abc", "THROTTLE_AUTH"),
    ("THROTTLE_WITHDRAW", "0/60", "THROTTLE_WITHDRAW"),
    ("THROTTLE_PHONE", "1/0", "THROTTLE_PHONE"),
    ("LOG_LEVEL", "DEBUG", "E017"),
    ("ALIYUN_CS_KEY", "1", "ALIYUN_CS_KEY"),
    ("ALIYUN_CS_KEY", "sandbox-cs-key-of-everybody", "ALIYUN_CS_KEY"),
    ("GATEWAY_TOKEN", "1" * 40, "GATEWAY_TOKEN"),
    ("WECHAT_APPS", f"wx01={SECRET},wx02=x", "WECHAT_APPS"),
    ("WECHAT_PAY_PRIVATE_KEY_FILE", "/etc/passwd", "WECHAT_PAY_PRIVATE_KEY_FILE"),
    ("WECHAT_PAY_PUBLIC_KEY_ID", "PUB_KEY_ID_SANDBOX", "WECHAT_PAY_PUBLIC_KEY_ID"),
    ("WECHAT_PAY_CERT_SERIAL", "SANDBOXSERIAL", "WECHAT_PAY_CERT_SERIAL"),
    ("SECRET_KEY_FALLBACKS", "short", "E011"),
    ("SECRET_KEY_FALLBACKS", "embedded-only-" + "k" * 50, "E002"),
]


@pytest.fixture(scope="module")
def reports() -> dict[int, str]:
    """Return the reports by the place of their values among the values of a setting; filled by the tests."""
    return {}


# Settings that one check looks at together: two of them cannot be unsafe in the same report.
TOGETHER = {"SECRET_KEY_FALLBACKS": "SECRET_KEY", "BEHIND_PROXY": "TRUSTED_PROXIES"}


def place_of(row: tuple[str, str, str]) -> int:
    subject = TOGETHER.get(row[0], row[0])
    return [other for other in UNSAFE if TOGETHER.get(other[0], other[0]) == subject].index(row)


@pytest.mark.parametrize("row", UNSAFE, ids=lambda row: f"{row[0]}-{row[1]}")
def test_each_unsafe_setting_is_found(production, reports: dict[int, str], row: tuple[str, str, str]):
    """A check takes two seconds, so that each checks an unsafe value of every setting: all of them are reported."""
    place = place_of(row)
    together = [other for other in UNSAFE if place_of(other) == place]
    if place not in reports:
        done = check(production | {name: value for name, value, _found in together})
        assert done.returncode != 0
        reports[place] = done.stderr
    assert reports[place].count(row[2]) >= len([found for _name, _value, found in together if found == row[2]])


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SENDER_CONCURRENCY", "501", "SENDER_CONCURRENCY must be 1 to 500"),
        ("GATEWAY_TIMEOUT", "26", "SENDER_LEASE_SECONDS must be GATEWAY_TIMEOUT and five seconds more"),
        ("WECHAT_PAY_TIMEOUT", "36", "WECHAT_PAY_TIMEOUT must be 35 or less"),
    ],
)
def test_an_impossible_value_ends_every_command(production, name: str, value: str, sentence: str):
    done = check(production | {name: value})
    assert done.returncode != 0
    assert sentence in done.stderr


@pytest.mark.parametrize(
    "client",
    [
        {"CLIENT_BASE_URL": "https://API.example.com:443/grouppet"},
        {"CLIENT_BASE_URL": "https://m.example.com", "CORS_ALLOWED_ORIGINS": "https://m.example.com"},
    ],
)
def test_a_client_on_the_same_origin_or_in_cors_is_accepted(production, client: dict[str, str]):
    done = check(production | client)
    assert done.returncode == 0, done.stderr


def test_a_client_on_an_origin_missing_in_cors_is_reported(production):
    other = {"CLIENT_BASE_URL": "https://m.example.com", "CORS_ALLOWED_ORIGINS": "https://x.example.com"}
    assert "W001" in check(production | other).stderr


def test_the_embedded_mode_is_no_deployment(tmp_path: Path):
    done = check({"PATH": os.environ["PATH"], "RUN_DIR": str(tmp_path)})
    assert done.returncode != 0
    assert all(f"wxrobot.E00{n}" in done.stderr for n in (1, 2, 4, 5, 6, 7))


@pytest.mark.parametrize(
    "name",
    [
        "SECRET_KEY",
        "IDENTITY_KEYS",
        "GATEWAY_BASE_URL",
        "SMS_ACCESS_KEY_SECRET",
        "WECHAT_PAY_MCH_ID",
        "ALIYUN_CS_KEY",
    ],
)
def test_a_missing_value_fails_with_the_sentence_that_fixes_it(production, name: str):
    production.pop(name)
    done = check(production)
    assert done.returncode != 0
    assert f"Set {name}" in done.stderr


def test_open_endpoints_are_refused_on_a_real_database(production):
    done = check(production | {"ENFORCE_AUTH": "0"})
    assert "ENFORCE_AUTH=0 opens every service endpoint" in done.stderr


WEAK = {
    "SECRET_KEY": "x",
    "DEBUG": "1",
    "ALLOWED_HOSTS": "*",
    "ALIYUN_CS_KEY": "sandbox-cs-key",
    "IDENTITY_KEYS": "abc",
}
STARTS = {
    "web": ["-c", "import config.wsgi"],
    "worker": ["-m", "celery", "-A", "config", "worker", "--pool", "solo"],
    "beat": ["-m", "celery", "-A", "config", "beat", "--pidfile=", "--schedule=/dev/null"],
    "sender": ["manage.py", "send", "--once"],
}


@pytest.mark.parametrize("process", STARTS)
def test_no_process_starts_with_unsafe_settings(production, process: str):
    """No server listens at these addresses: a process that tries to connect has not refused to start."""
    done = run_python(*STARTS[process], name=process, env=production | WEAK)
    assert done.returncode != 0
    assert all(name in done.stderr for name in WEAK), done.stderr


def test_the_web_server_starts_with_sound_settings(production):
    done = run_python(*STARTS["web"], name="web", env=production)
    assert done.returncode == 0, done.stderr
