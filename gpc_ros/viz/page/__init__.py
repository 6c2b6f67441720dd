"""The page in the browser: the robot in 3-D, plots, and everything that can be changed while it runs. No ROS here."""
