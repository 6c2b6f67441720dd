"""Publishes the covariance of the estimate, at a low rate and only when somebody listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from gpc_ros.signals import Estimate

_PERIOD_S = 0.1


class CovariancePublisher:
    """``state_estimate/covariance``: (2nv, 2nv), rows and columns labelled."""

    def __init__(self, shell: Any, latest: Callable[[], Estimate | None]) -> None:
        self._publisher = shell.publisher("state_estimate/covariance")
        self._latest = latest
        shell.node.create_timer(_PERIOD_S, self._publish)

    def _publish(self) -> None:
        estimate = self._latest()
        if estimate is None or estimate.covariance is None or not self._publisher.get_subscription_count():
            return
        size = len(estimate.covariance)
        message = Float64MultiArray(data=estimate.covariance.ravel().tolist())
        message.layout.dim = [
            MultiArrayDimension(label="row", size=size, stride=size * size),
            MultiArrayDimension(label="column", size=size, stride=size),
        ]
        self._publisher.publish(message)
