"""A pytest plugin: the library believes that it runs on ARM, where there are no 80-bit sums."""

import platform

platform.machine = lambda: "aarch64"
