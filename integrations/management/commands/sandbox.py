"""`manage.py sandbox`: fakes of all outside systems on one local port."""

import os
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.platform.stopping import StopRequest
from integrations.sandbox.control import ControlApi
from integrations.sandbox.gateway import EventPoster, FakeGateway
from integrations.sandbox.keys import ensure_keys
from integrations.sandbox.launches import FakeCustomerService, FakeLaunchSystem
from integrations.sandbox.pay import FakeWeChatPay
from integrations.sandbox.phone import FakePhone
from integrations.sandbox.server import FakeSystem, Sandbox
from integrations.sandbox.sms import FakeSms, FakeTextModeration
from integrations.sandbox.state import State
from integrations.sandbox.wechat import FakeWeChat


class Command(BaseCommand):
    help = "Play WeChat, the robot gateway, SMS, WeChat Pay and the launch system on 127.0.0.1."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.SANDBOX_PORT)
        parser.add_argument(
            "--app-url", default=f"http://127.0.0.1:{settings.PORT}", help="where events are posted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        server = make_sandbox(options["port"], options["app_url"])
        stop = StopRequest().install(signal.SIGTERM, signal.SIGINT)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        self.stdout.write(f"The sandbox answers at http://127.0.0.1:{options['port']}/_/")
        while not stop.wait(60):
            pass
        server.stop()


def make_sandbox(port: int, app_url: str) -> Sandbox:
    """Return a sandbox that stores its state in RUN_DIR and posts events to `app_url`. Raises CommandError for a taken port."""
    keys = settings.RUN_DIR / "keys"
    ensure_keys(keys)
    state = State(settings.RUN_DIR / "sandbox.jsonl")
    poster = EventPoster(app_url, os.environ.get("SANDBOX_API_KEY", ""))
    pay = FakeWeChatPay(
        state,
        keys,
        settings.WECHAT_PAY_API_V3_KEY,
        mch_id=settings.WECHAT_PAY_MCH_ID,
        cert_serial=settings.WECHAT_PAY_CERT_SERIAL,
    )
    fakes: list[tuple[str, FakeSystem]] = [
        ("gateway", FakeGateway(state, poster, f"http://127.0.0.1:{port}")),
        ("wechat", FakeWeChat()),
        ("wechat", FakePhone(state)),
        ("pay", pay),
        ("launch", FakeLaunchSystem(state)),
        ("aliyun", FakeCustomerService(state)),
        ("aliyun", FakeTextModeration(settings.SMS_ACCESS_KEY_SECRET)),
        ("sms", FakeSms(state, settings.SMS_ACCESS_KEY_SECRET)),
    ]
    systems = tuple(dict.fromkeys(name for name, _ in fakes))
    fakes.insert(0, ("control", ControlApi(state, pay, systems)))
    try:
        server = Sandbox(port, state, fakes)
    except OSError as error:
        raise CommandError(f"Port {port} is taken: choose another with SANDBOX_PORT=8101.") from error
    poster.start()
    return server
