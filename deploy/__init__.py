"""How Gridline is run: the native stack, compose, Helm, Prometheus, Grafana, and the data it routes by."""
