"""Beat's scheduler: the schedule in rows of the database, and a heartbeat at each of its rounds."""

from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from config.platform.heartbeats import Heartbeat, Process


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # the package has no types
    """The scheduler of django-celery-beat. Beat calls `tick` at least every five seconds."""

    heartbeat: Heartbeat | None = None

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        if self.heartbeat is None:
            self.heartbeat = Heartbeat(Process.BEAT)
            self.heartbeat.start()
        self.heartbeat.work_done()
        return super().tick(*args, **kwargs)
