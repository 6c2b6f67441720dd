"""gpc_ros: real-time generative predictive control for ROS 2."""

__version__ = "0.1.0"
