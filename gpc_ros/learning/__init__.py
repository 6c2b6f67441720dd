"""Learns flow-matching policies from sampling-based predictive control; the only place that imports torch."""
