"""Batched rollouts, splines, risk measures and update rules of sampling-based predictive control."""
