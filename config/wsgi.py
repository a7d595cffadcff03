"""The WSGI entry point of the web server."""

import os

from django.core.wsgi import get_wsgi_application

from config.checks import require_sound_settings
from config.platform.web_database import limit_waiting

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
limit_waiting()
application = get_wsgi_application()
require_sound_settings()
