"""Driver: what the encoders read goes out as ``joint_states``, the ``command`` that comes back goes to the motor."""

import time

import mujoco
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from furuta_robot.furuta import Furuta
from gpc_ros.clock import Deadline

PERIOD_NS = 2_000_000  # 500 Hz, as the loop
TIMEOUT_NS = 50_000_000  # the motor is let go without a command for so long


class Hardware:
    """Stands for your bus: here the model itself, moved on by one period at each command."""

    def __init__(self):
        self.model = Furuta().load_model()
        self.model.opt.timestep = PERIOD_NS / 1e9
        self.data = mujoco.MjData(self.model)

    def read(self):
        """Motor and pivot [rad]."""
        return self.data.qpos.tolist()

    def write(self, effort):
        """From -1 to 1, as the actuator's ctrlrange."""
        self.data.ctrl[0] = effort
        mujoco.mj_step(self.model, self.data)


class Driver(Node):
    """One measurement per period; its stamp comes back with the command that answers it."""

    def __init__(self, hardware):
        super().__init__("furuta_driver")
        self.hardware, self.effort, self.heard_ns = hardware, 0.0, 0
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.states = self.create_publisher(JointState, "joint_states", qos)
        self.create_subscription(JointState, "command", self.take, qos)

    def take(self, command):
        self.effort, self.heard_ns = command.effort[0], time.monotonic_ns()

    def measure(self, stamp_ns):
        message = JointState(name=["motor", "pivot"], position=self.hardware.read())
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        self.states.publish(message)

    def act(self):
        fresh = time.monotonic_ns() - self.heard_ns < TIMEOUT_NS
        self.hardware.write(self.effort if fresh else 0.0)


def main():
    rclpy.init()
    driver, deadline = Driver(Hardware()), Deadline(PERIOD_NS)
    stamp_ns = driver.get_clock().now().nanoseconds // PERIOD_NS * PERIOD_NS
    try:
        while True:
            driver.measure(stamp_ns)
            while (left_ns := deadline.remaining_ns()) > 0:
                rclpy.spin_once(driver, timeout_sec=left_ns / 1e9)
            driver.act()
            stamp_ns += (1 + deadline.advance() // PERIOD_NS) * PERIOD_NS  # periods that were missed included
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:  # whatever it was that ended it
        driver.hardware.write(0.0)
