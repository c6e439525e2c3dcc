"""What happens by the clock: the sweep, by a cron expression in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta

from celery import Celery
from celery.schedules import ParseException, crontab

from provisioner.errors import ConfigError


class Cron:
    """A five-field cron expression. ConfigError where it is none; `where` names the setting."""

    def __init__(self, expression: str, where: str) -> None:
        app = Celery("schedule", set_as_current=False)
        app.conf.update(timezone="UTC", enable_utc=True)
        fields = expression.split()
        try:
            minute, hour, day, month, weekday = fields
            self._cron = crontab(minute, hour, weekday, day, month, app=app)
        except (ValueError, ParseException) as error:
            said = f"{expression!r} is not a cron expression such as 17 3 * * *: {error}"
            raise ConfigError(said, where=where) from error

    def due(self, last: datetime, now: datetime) -> bool:
        """Whether a time of the schedule lies after `last` and not after `now` (both UTC)."""
        self._cron.nowfun = lambda: now
        return bool(self._cron.remaining_estimate(last) <= timedelta(0))
