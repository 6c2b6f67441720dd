"""Package data for pip and for colcon (ament_python). Everything about the package is said here, once."""

import re
from collections import defaultdict
from pathlib import Path

from setuptools import find_packages, setup

NAME = "gpc_ros"
ROOT = Path(__file__).resolve().parent

MESSAGES = "diagnostic geometry nav rosgraph sensor std trajectory visualization"
ROS = ["ros-rclpy[fastrtps]>=9.1,<10", "ros-std-srvs", *(f"ros-{name}-msgs" for name in MESSAGES.split())]
# Wheels of ROS 2 exist for this platform alone. Never a hard requirement: they would shadow a sourced ROS 2.
WHEELS_FIT = "sys_platform == 'linux' and platform_machine == 'x86_64'"

ONNX = "onnx>=1.18,<2"
POLICY = ["onnxruntime>=1.21,<2", ONNX]
PLOT = "matplotlib>=3.9,<4"
WATCH = ["viser>=1.0,<2", "mcap>=1.2,<2"]  # the web page, recordings
RAY = "ray>=2.60,<3"
LEARNING = [*POLICY, PLOT, "torch>=2.6,<3", "tensorboard>=2.18,<3"]


def version() -> str:
    """The version, as the package itself says it."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / NAME / "__init__.py").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"no __version__ in {NAME}/__init__.py")
    return found[1]


def data_files() -> list[tuple[str, list[str]]]:
    """What ROS tools look for below the prefix: index marker, launch files, parameters, models, node executables."""
    found = defaultdict(list)
    found["share/ament_index/resource_index/packages"] = [f"resource/{NAME}"]
    found[f"share/{NAME}"] = ["package.xml"]
    for folder in ("launch", "config", "models"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                file = path.relative_to(ROOT)
                found[f"share/{NAME}/{file.parent}"].append(str(file))
    # As data, since pip would put console scripts of such general names into bin; ros2 run looks into lib/<package>.
    found[f"lib/{NAME}"] = [f"executables/{path.name}" for path in sorted((ROOT / "executables").iterdir())]
    return sorted(found.items())


setup(
    name=NAME,
    version=version(),
    description="Real-time control with exchangeable planners: generative policies, sampling, optimization.",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    data_files=data_files(),
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=[
        "numpy>=1.26,<3",
        "scipy>=1.11.4,<2",
        "mujoco>=3.5,!=4.0.0,<5",
        "pydantic>=2.5,<3",
        "pyyaml>=6,<7",
        "rich>=13,<17",
    ],
    extras_require={
        "ros": [f"{requirement} ; {WHEELS_FIT}" for requirement in ROS],
        "policy": POLICY,
        "policy-gpu": ["onnxruntime-gpu[cuda,cudnn]>=1.21,<2", ONNX],  # in place of policy: both are one module
        "learning": LEARNING,
        "ray": [*LEARNING, RAY],  # data collection on a cluster
        "watch": [*WATCH, PLOT],
        "test": [
            *LEARNING,
            *WATCH,
            "casadi>=3.6,<4",
            "hypothesis>=6.100,<7",
            "mypy>=1.11,<3",
            "pytest>=9,<10",
            "pytest-xdist>=3.6,<4",
            RAY,
            "ruff>=0.12,<1",
            "selenium>=4.20,<5",
            "setuptools>=65",
        ],
    },
    entry_points={"console_scripts": ["gpc = gpc_ros.cli.main:main"]},
)
