"""Checks of deploy/: compose, Prometheus, Grafana, Kubernetes."""
