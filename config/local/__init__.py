"""The product on one machine: embedded servers, their supervisor, the demo. Nothing here runs in production."""
