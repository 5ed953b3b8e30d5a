# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of the device, as ratios to eager CPU in the same run: `python -m benchmarks`."""
