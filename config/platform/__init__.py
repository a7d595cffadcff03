"""Infrastructure for all apps: cache, notifications, retention, dates, logs. It imports no app."""
