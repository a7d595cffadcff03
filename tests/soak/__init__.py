"""A soak test: minutes of mixed traffic on loopback while processes, servers and outside systems fail (`make soak`)."""
