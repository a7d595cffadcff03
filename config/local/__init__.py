"""The product on one machine: embedded servers, their supervisor and the demo. Not used in production."""
