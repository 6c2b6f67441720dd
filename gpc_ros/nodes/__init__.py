"""ROS 2 nodes: thin shells around the ROS-free classes. Only this package imports rclpy."""
