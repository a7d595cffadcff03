"""The service's own pages and operations: status, marquee, short links, visits."""
