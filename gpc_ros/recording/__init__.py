"""Recordings: MCAP files of a run as ROS 2 tools read them, and what can be made of them without ROS."""
