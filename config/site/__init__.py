"""The status of the service, the marquee, short links and visits."""
