"""Every setting of the project, in the order in which a reader looks for them.

Values come from the environment (or `.env` beside this folder, see `.env.example`). Without
`DATABASE_URL` the project runs *embedded*: everything has a working default and `manage.py up`
starts its own PostgreSQL, Redis and sandbox. With it, settings without a safe default are required.
"""

import re
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from config.platform.embedded_mode import EMBEDDED_KEY, read_services
from config.platform.logging import logging_at

# --- Where am I, and in which mode -------------------------------------------------------------

BASE_DIR = Path(__file__).resolve().parent.parent


class _Env(environ.Env):
    """The environment. Chinese commas (U+FF0C, U+3001) separate the items of a list like ASCII commas."""

    def list(self, *args: Any, **kwargs: Any) -> Any:
        return [part for item in super().list(*args, **kwargs) for part in re.split("[\uff0c\u3001]", item)]


env = _Env()
_Env.read_env(BASE_DIR / ".env")

RUN_DIR = Path(env.str("RUN_DIR", default=str(BASE_DIR / ".run"))).resolve()
PORT: int = env.int("PORT", default=8000)
SANDBOX_PORT: int = env.int("SANDBOX_PORT", default=8001)

EMBEDDED = not env.str("DATABASE_URL", default="")
_services = read_services(RUN_DIR) or {}
_SANDBOX_URL = f"http://127.0.0.1:{SANDBOX_PORT}"


def _needed(name: str, embedded: Any, why: str) -> Any:
    """Return the value of `name`, or its default in the embedded mode. Raises ImproperlyConfigured elsewhere."""
    value = env.str(name, default="")
    if value or EMBEDDED:
        return value or embedded
    raise ImproperlyConfigured(f"Set {name} in the environment or in .env: {why}. See .env.example.")


DEBUG: bool = env.bool("DEBUG", default=False)
# The key of the embedded services; a process without running services gets a random key of its own.
_OWN_KEY = _services.get("secret_key") or EMBEDDED_KEY + secrets.token_urlsafe(48)
SECRET_KEY: str = _needed("SECRET_KEY", _OWN_KEY, "50 random characters that sign tokens")
# Earlier keys. Their signatures are still accepted, but only SECRET_KEY signs.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
PUBLIC_BASE_URL: str = env.str("PUBLIC_BASE_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
CLIENT_BASE_URL: str = env.str("CLIENT_BASE_URL", default=f"http://127.0.0.1:{PORT}/client").rstrip("/")

# --- Authentication ----------------------------------------------------------------------------

ENFORCE_AUTH: bool = env.bool("ENFORCE_AUTH", default=not EMBEDDED)
if not EMBEDDED and not ENFORCE_AUTH:
    raise ImproperlyConfigured("ENFORCE_AUTH=0 opens every service endpoint: it is for the embedded mode only.")
API_NATIVE_STATUS: bool = env.bool("API_NATIVE_STATUS", default=False)
WECHAT_PROOF_MAX_AGE = timedelta(days=90)  # the client keeps its identity cookies as long
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=70),  # clients use a token for an hour, which must not expire before
    "ALGORITHM": "HS256",
    "USER_ID_CLAIM": "user_id",
    "UPDATE_LAST_LOGIN": False,
    "AUTH_TOKEN_CLASSES": ("accounts.tokens.UserToken",),
}
# Operators: the idle time after which a session ends, the lock after wrong passwords, and whether a code from an
# authenticator app is required (in the embedded mode the first operator signs in with the password alone).
SESSION_ENGINE = "config.backoffice.sessions"  # Django's database sessions with the operator of each
SESSION_COOKIE_AGE = 60 * env.int("OPERATOR_SESSION_MINUTES", default=120)
SESSION_SAVE_EVERY_REQUEST = True
OPERATOR_TWO_FACTOR: bool = env.bool("OPERATOR_TWO_FACTOR", default=not EMBEDDED)
OTP_TOTP_ISSUER = "wxrobot"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT: int = env.int("OPERATOR_SIGN_IN_TRIES", default=5)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("OPERATOR_LOCKOUT_MINUTES", default=15))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "admin/locked_out.html"
AXES_CLIENT_IP_CALLABLE = "config.api.throttles.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
LOGIN_REDIRECT_URL = "admin:index"  # used after a sign-in whose `next` was refused
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = env.bool("HTTPS", default=not EMBEDDED)
SECURE_HSTS_SECONDS = 31536000 if SECURE_SSL_REDIRECT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_SSL_REDIRECT
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
# The number of our own proxies in front of the web server: the client's address is that many places from the right in
# X-Forwarded-For.
TRUSTED_PROXIES: int = env.int("TRUSTED_PROXIES", default=0)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Pages load and run our own files only, and no inline script or style. The page on which users confirm payouts adds
# WeChat's JS-SDK (earnings/views/confirmation.py).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
# Origins of other clients that call with a token. CORS sends no cookies, so these clients cannot use WeChat's proof.
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_ALLOW_HEADERS = ["authorization", "content-type"]  # X-Api-Key is missing: servers send keys, browsers do not
CORS_EXPOSE_HEADERS = ["Retry-After"]
# Fernet keys (newest first) that encrypt the stored identity cards.
IDENTITY_KEYS: list[str] = env.list("IDENTITY_KEYS", default=[])
if not EMBEDDED and not IDENTITY_KEYS:
    raise ImproperlyConfigured("Set IDENTITY_KEYS: a Fernet key for identity cards. See .env.example.")

# Rate limits, as "times/seconds", per user or else per address. Thousands of users share one address of a mobile carrier;
# one page makes one `registered` and up to three JS-ticket calls, and existing clients freeze on a 429 of these calls.
THROTTLE_RATES = {
    "auth": env.str("THROTTLE_AUTH", default="3000/60"),
    "wechat": env.str("THROTTLE_WECHAT", default="3000/60"),
    "registered": env.str("THROTTLE_REGISTERED", default="3000/60"),
    "js_ticket": env.str("THROTTLE_JS_TICKET", default="9000/60"),
    "poster": env.str("THROTTLE_POSTER", default="3000/60"),
    "sms": env.str("THROTTLE_SMS", default="1/20"),
    "sms_day": env.str("THROTTLE_SMS_DAY", default="10/86400"),
    "withdraw": env.str("THROTTLE_WITHDRAW", default="10/60"),
    "feedback": env.str("THROTTLE_FEEDBACK", default="10/60"),
    "phone": env.str("THROTTLE_PHONE", default="20/60"),
    "payout": env.str("THROTTLE_PAYOUT", default="60/60"),
    # Attempts of one address at the operators' sign-in page; each costs a password hash.
    "operator_sign_in": env.str("THROTTLE_OPERATOR_SIGN_IN", default="20/60"),
    "page_sign_in": env.str("THROTTLE_PAGE_SIGN_IN", default="300/60"),
    # Operations that call an outside system while the user waits.
    "robot_name": env.str("THROTTLE_ROBOT_NAME", default="30/60"),
    "launch_switch": env.str("THROTTLE_LAUNCH_SWITCH", default="60/60"),
    "moderated": env.str("THROTTLE_MODERATED", default="60/60"),
    # Objects that one user creates in a day; the limits are far above ordinary use.
    "mention_replies_day": env.str("THROTTLE_MENTION_REPLIES_DAY", default="2000/86400"),
    "links_day": env.str("THROTTLE_LINKS_DAY", default="500/86400"),
    "keyword_batches_day": env.str("THROTTLE_KEYWORD_BATCHES_DAY", default="300/86400"),
    "keyword_words_day": env.str("THROTTLE_KEYWORD_WORDS_DAY", default="15000/86400"),
    "mass_messages_day": env.str("THROTTLE_MASS_MESSAGES_DAY", default="300/86400"),
    "mass_message_drafts_day": env.str("THROTTLE_MASS_MESSAGE_DRAFTS_DAY", default="300/86400"),
    "problems_day": env.str("THROTTLE_PROBLEMS_DAY", default="100/86400"),
}

# --- Data --------------------------------------------------------------------------------------

# The embedded services choose their ports at start and write them to RUN_DIR. The default is port 1, where no server
# listens.
DATABASE_URL: str = env.str("DATABASE_URL", default="") or _services.get(
    "database_url", "postgres://embedded@127.0.0.1:1/wxrobot"
)
REDIS_URL: str = env.str("REDIS_URL", default="") or _services.get("redis_url", "redis://127.0.0.1:1/0")
_database = environ.Env.db_url_config(DATABASE_URL)
if _database["ENGINE"] == "django.db.backends.postgresql":
    _database["ENGINE"] = "config.platform.postgresql"
DATABASES = {
    "default": {
        **_database,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 3,
            # A host that is gone is noticed within 15 s; with the kernel's default timers it takes two hours.
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            "options": "-c lock_timeout=12s",
        },
    }
}
# Statements are prepared once per connection. Off behind a pool that changes connections between transactions (PgBouncer).
PREPARED_STATEMENTS: bool = env.bool("PREPARED_STATEMENTS", default=True)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "wxrobot",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"

# --- Apps, middleware and templates ------------------------------------------------------------

# Our apps, lower packages first: the subscribers of one gateway command run in this order.
LOCAL_APPS = [
    "config",
    "integrations",
    "accounts",
    "robots",
    "groups",
    "keywords",
    "launches",
    "earnings",
    "feedback",
]
INSTALLED_APPS = [
    "config.backoffice.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",  # for its middleware and `clearsessions`; its own table is not used
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "django_celery_beat",
    "axes",
    "corsheaders",
    "csp",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    *LOCAL_APPS,
]
MIDDLEWARE = [
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),  # answers every OPTIONS request
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.PageSecurityPolicy",
    "config.middleware.PageFiles",
    "config.middleware.PageSession",
    "config.middleware.PageLanguage",
    "django.middleware.common.CommonMiddleware",
    "config.middleware.PageAxiosCookie",
    "config.api.bodies.BoundedBodies",  # before CSRF protection, which reads bodies
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.middleware.PageUser",
    "config.middleware.PageSecondFactor",
    "config.middleware.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
CSRF_FAILURE_VIEW = "config.api.exception_handler.csrf_failed"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config/templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "config.backoffice.passwords.MaximumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},  # Django's list of 20,000
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- The API -----------------------------------------------------------------------------------

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_UPLOAD_BYTES = 10 * 1024 * 1024  # for admin pages with a file upload
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# Seconds within which a caller must send the head of a request, and the whole request. The connection is closed after.
WEB_HEAD_SECONDS: float = env.float("WEB_HEAD_SECONDS", default=10.0)
WEB_REQUEST_SECONDS: float = env.float("WEB_REQUEST_SECONDS", default=30.0)
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.UserAuthentication",
        "config.api.authentication.ApiKeyAuthentication",
        "config.api.authentication.OperatorAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.permissions.Nobody"],
    "DEFAULT_RENDERER_CLASSES": ["config.api.renderer.EnvelopeRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.api.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.renderer.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.EnvelopeSchema",
    "EXCEPTION_HANDLER": "config.api.exception_handler.handle",
    "DATETIME_FORMAT": "%Y-%m-%d %H:%M:%S",
    "DATE_FORMAT": "%Y-%m-%d",
    "DEFAULT_METADATA_CLASS": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "微信群机器人平台 API",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": True, "displayRequestDuration": True, "filter": True},
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": True,
    "AUTHENTICATION_WHITELIST": [],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.api.schema.add_components"],
}

# --- Time, language, files ---------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
USE_I18N = True
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "config/locale"]
FORMAT_MODULE_PATH = ["config.locale"]
LANGUAGE_COOKIE_SECURE = SESSION_COOKIE_SECURE
STATIC_URL = "/assets/"  # /static on the same origin belongs to the mobile client
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(RUN_DIR / "static")))
WHITENOISE_USE_FINDERS = True  # serves the files of the packages without `collectstatic`

# --- Background work (a message of the broker only starts a task early; sweeps find all due rows) ---

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 2, "max_retries": 0}
CELERY_TIMEZONE = TIME_ZONE
# The schedule of config/celery.py is stored in rows: operators see each periodic task, pause it or run it now.
CELERY_BEAT_SCHEDULER = "config.platform.beat:Scheduler"
CELERY_BEAT_SYNC_EVERY = 1  # beat saves each start at once, so that a killed beat repeats none
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- Limits and rules --------------------------------------------------------------------------

ROBOT_MESSAGES_PER_MINUTE: int = env.int("ROBOT_MESSAGES_PER_MINUTE", default=20)
# Threads of one worker that handle gateway events at the same time.
INBOX_THREADS: int = env.int("INBOX_THREADS", default=2)
KEYWORD_NEEDS_MENTION: bool = env.bool("KEYWORD_NEEDS_MENTION", default=False)
LOW_STAR_TOTALS: dict[str, str] = env.dict("LOW_STAR_TOTALS", default={})  # star=groups; empty: no clean-up
CONVERSATION_TIMEOUT = timedelta(minutes=env.int("CONVERSATION_TIMEOUT_MINUTES", default=30))  # of silence
SENDER_CONCURRENCY: int = env.int("SENDER_CONCURRENCY", default=64)
if not 1 <= SENDER_CONCURRENCY <= 500:
    raise ImproperlyConfigured("SENDER_CONCURRENCY must be 1 to 500; run more senders instead.")
SENDER_LEASE_SECONDS: float = env.float("SENDER_LEASE_SECONDS", default=30.0)
PAYOUT_LEASE = timedelta(minutes=2)  # of a worker, for one step of a payout

# --- Outside systems ---------------------------------------------------------------------------

WECHAT_BASE_URL: str = env.str("WECHAT_BASE_URL", default=_SANDBOX_URL if EMBEDDED else "https://api.weixin.qq.com")
# Pairs of app_id and secret: app_id=secret,app_id=secret
WECHAT_APPS: dict[str, str] = env.dict("WECHAT_APPS", default={"sandbox": "sandbox-secret"} if EMBEDDED else {})
WECHAT_TIMEOUT: float = env.float("WECHAT_TIMEOUT", default=3.0)
# Addresses that users' browsers open: WeChat's sign-in page, and the JS-SDK of our own pages.
WECHAT_OAUTH_BASE_URL: str = env.str(
    "WECHAT_OAUTH_BASE_URL", default=_SANDBOX_URL if EMBEDDED else "https://open.weixin.qq.com"
).rstrip("/")
_JS_SDK = "/open/js/jweixin-1.6.0.js"
WECHAT_JS_SDK_URL: str = env.str(
    "WECHAT_JS_SDK_URL", default=(_SANDBOX_URL if EMBEDDED else "https://res.wx.qq.com") + _JS_SDK
)

GATEWAY_BASE_URL: str = _needed("GATEWAY_BASE_URL", _SANDBOX_URL, "the robot gateway's address")
GATEWAY_TOKEN: str = env.str("GATEWAY_TOKEN", default="")
GATEWAY_TIMEOUT: float = env.float("GATEWAY_TIMEOUT", default=10.0)
if SENDER_LEASE_SECONDS < GATEWAY_TIMEOUT + 5:  # 5 s for the rate limit, a free connection and storing the result
    raise ImproperlyConfigured("SENDER_LEASE_SECONDS must be GATEWAY_TIMEOUT and five seconds more.")

# Where operators are notified of urgent tasks of the dashboard. Without any, nowhere.
ALARM_WECOM_WEBHOOK: str = env.str("ALARM_WECOM_WEBHOOK", default="")
ALARM_DINGTALK_WEBHOOK: str = env.str("ALARM_DINGTALK_WEBHOOK", default="")
ALARM_DINGTALK_SECRET: str = env.str("ALARM_DINGTALK_SECRET", default="")
ALARM_EMAILS: list[str] = env.list("ALARM_EMAILS", default=[])
ALARM_EMAIL_FROM: str = env.str("ALARM_EMAIL_FROM", default="wxrobot@localhost")
ALARM_TIMEOUT: float = env.float("ALARM_TIMEOUT", default=5.0)
ALARM_CHANNELS = [
    channel
    for channel, address in (
        ("wecom", ALARM_WECOM_WEBHOOK),
        ("dingtalk", ALARM_DINGTALK_WEBHOOK),
        ("email", ALARM_EMAILS),
    )
    if address
]
# The mail server: smtp+tls://user:password@smtp.example.com:587 or smtp+ssl://…:465
_mail = env.email_url("EMAIL_URL", default="smtp://127.0.0.1:25")
EMAIL_BACKEND: str = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS: bool = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL: bool = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT: float = 10.0

SMS_BASE_URL: str = env.str("SMS_BASE_URL", default=_SANDBOX_URL if EMBEDDED else "https://dysmsapi.aliyuncs.com")
SMS_ACCESS_KEY_ID: str = _needed("SMS_ACCESS_KEY_ID", "sandbox", "the access key of Aliyun SMS")
SMS_ACCESS_KEY_SECRET: str = _needed("SMS_ACCESS_KEY_SECRET", "sandbox-secret", "the secret of Aliyun SMS")
SMS_SIGN_NAME: str = env.str("SMS_SIGN_NAME", default="群助手")
SMS_CODE_TEMPLATE: str = env.str("SMS_CODE_TEMPLATE", default="SMS_CODE")
SMS_TEXT_TEMPLATE: str = env.str("SMS_TEXT_TEMPLATE", default="SMS_TEXT")
SMS_TIMEOUT: float = env.float("SMS_TIMEOUT", default=5.0)

_PAY_URL = _SANDBOX_URL if EMBEDDED else "https://api.mch.weixin.qq.com"
WECHAT_PAY_BASE_URL: str = env.str("WECHAT_PAY_BASE_URL", default=_PAY_URL)
WECHAT_PAY_APP_ID: str = _needed("WECHAT_PAY_APP_ID", "sandbox", "the app that the payee's open_id belongs to")
WECHAT_PAY_MCH_ID: str = _needed("WECHAT_PAY_MCH_ID", "1900000001", "the merchant number")
WECHAT_PAY_CERT_SERIAL: str = _needed(
    "WECHAT_PAY_CERT_SERIAL", "SANDBOXSERIAL", "the merchant certificate's serial number"
)
_KEYS = RUN_DIR / "keys"
WECHAT_PAY_PRIVATE_KEY_FILE = Path(
    _needed("WECHAT_PAY_PRIVATE_KEY_FILE", str(_KEYS / "merchant_key.pem"), "the merchant's private key (PEM)")
)
WECHAT_PAY_PUBLIC_KEY_FILE = Path(
    _needed("WECHAT_PAY_PUBLIC_KEY_FILE", str(_KEYS / "platform_public.pem"), "WeChat Pay's public key (PEM)")
)
WECHAT_PAY_PUBLIC_KEY_ID: str = _needed("WECHAT_PAY_PUBLIC_KEY_ID", "PUB_KEY_ID_SANDBOX", "that public key's id")
# Additional keys that WeChat Pay signs with during a key change: serial=file (a public key or a certificate).
WECHAT_PAY_MORE_KEYS: dict[str, str] = env.dict("WECHAT_PAY_MORE_KEYS", default={})
WECHAT_PAY_API_V3_KEY: str = _needed(
    "WECHAT_PAY_API_V3_KEY", "sandbox" * 4 + "key!", "the 32 characters of the APIv3 key"
)
WECHAT_PAY_SCENE_ID: str = env.str("WECHAT_PAY_SCENE_ID", default="1000")
WECHAT_PAY_SCENE_REPORT: list[dict[str, str]] = env.json(
    "WECHAT_PAY_SCENE_REPORT",
    default=[
        {"info_type": "活动名称", "info_content": "群收益"},
        {"info_type": "奖励说明", "info_content": "群收益提现"},
    ],
)
WECHAT_PAY_FUND_ACCOUNT: str = env.str("WECHAT_PAY_FUND_ACCOUNT", default="OPERATION")
WECHAT_PAY_NOTIFY_URL: str = env.str("WECHAT_PAY_NOTIFY_URL", default=f"{PUBLIC_BASE_URL}/wechat/pay/notify")
WECHAT_PAY_TIMEOUT: float = env.float("WECHAT_PAY_TIMEOUT", default=10.0)
# A step makes up to three calls, each with 3 s more to connect, and stores their results in 5 s.
if PAYOUT_LEASE.total_seconds() < 3 * (WECHAT_PAY_TIMEOUT + 3) + 5:
    raise ImproperlyConfigured(
        "WECHAT_PAY_TIMEOUT must be 35 or less, so that no call outlasts the lease of its payout."
    )

LAUNCH_BASE_URL: str = _needed("LAUNCH_BASE_URL", _SANDBOX_URL, "the launch system's address")
LAUNCH_TIMEOUT: float = env.float("LAUNCH_TIMEOUT", default=5.0)

ALIYUN_CS_BASE_URL: str = _needed("ALIYUN_CS_BASE_URL", _SANDBOX_URL, "the customer-service system's address")
ALIYUN_CS_KEY: str = _needed("ALIYUN_CS_KEY", "sandbox-cs-key", "the key shared with the customer-service system")
ALIYUN_CS_TIMEOUT: float = env.float("ALIYUN_CS_TIMEOUT", default=5.0)

# The remote check after the list of sensitive words: empty, wechat or aliyun (with the access key of Aliyun SMS).
MODERATION_REMOTE: str = env.str("MODERATION_REMOTE", default="")
MODERATION_TIMEOUT: float = env.float("MODERATION_TIMEOUT", default=1.0)
MODERATION_WECHAT_APP_ID: str = env.str("MODERATION_WECHAT_APP_ID", default=next(iter(WECHAT_APPS), ""))
_GREEN_URL = _SANDBOX_URL if EMBEDDED else "https://green-cip.cn-shanghai.aliyuncs.com"
MODERATION_ALIYUN_BASE_URL: str = env.str("MODERATION_ALIYUN_BASE_URL", default=_GREEN_URL)

# --- Logging -----------------------------------------------------------------------------------

LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO")
LOGGING = logging_at(LOG_LEVEL)
