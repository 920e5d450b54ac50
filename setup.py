"""The package `origo`: the core, and the four drivers made here as the package `origo_plugins`."""

from setuptools import find_packages, setup

PLUGINS = ["hypervisor_kvm", "storage_rsync", "storage_zfs", "net_iptables"]

setup(
    name="origo",
    version="0.1.0",
    description="A private cloud that installs from one ISO",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["origo", "origo.*"]),
        "origo_plugins",
        *(f"origo_plugins.{name}" for name in PLUGINS),
    ],
    package_dir={"origo_plugins": "plugins"},
    package_data={
        "": ["*.toml", "*.conf", "*.md"],
        "origo.services.catalog": ["guest/*.sh", "full/*"],
        "origo.web.pages": ["templates/*"],
    },
    install_requires=[
        "acme>=5,<6",
        "bottle>=0.13,<0.14",
        "cheroot>=11,<12",
        "click>=8.1,<9",
        "cryptography>=50",
        "dnspython>=2.6,<3",
        "httpx2",
        "josepy>=2,<3",
        "libvirt-python>=9",
        "lxml>=5",
        "peewee>=4.5,<5",
        "pluggy>=1.6,<2",
        "pycdlib>=1.14",
        "pydantic>=2.10,<3",
        "rich>=13",
        "structlog>=25",
    ],
    extras_require={
        "dev": [
            "hypothesis>=6",
            "mypy>=1.15",
            "playwright>=1.50",
            "pytest>=8",
            "pytest-httpserver>=1.1",
            "pytest-timeout>=2.3",
            "ruff>=0.11",
            "schemathesis>=4",
            "setuptools>=77",
            "time-machine>=2.16",
            "websockets>=14",
        ]
    },
    entry_points={
        "console_scripts": ["origo = origo.__main__:main"],
        "origo.plugins": [f"{name} = origo_plugins.{name}" for name in PLUGINS],
    },
)
