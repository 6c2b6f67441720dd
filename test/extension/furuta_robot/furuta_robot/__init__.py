"""A Furuta pendulum for gpc_ros."""
