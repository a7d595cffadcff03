"""PostgreSQL and Redis of a test, which it stops and restarts."""

from typing import Any

from config.local.embedded import EmbeddedServices, Postgres, Valkey


class WithServers:
    """The base of a product or of senders with servers of their own."""

    services: EmbeddedServices

    @property
    def postgres(self) -> Postgres:
        assert self.services.postgres is not None
        return self.services.postgres

    @property
    def redis(self) -> Valkey:
        assert self.services.valkey is not None
        return self.services.valkey


def stop(server: Postgres | Valkey) -> Any:
    """Stop a server. Returns a function that restarts it with the same port and data."""
    server.stop()
    return server.start_again
