"""What every app builds on: cache, wake-ups, retention, dates, logs. It knows no app."""
