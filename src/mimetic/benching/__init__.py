"""Ours beside the field's usual way, written out by us: measured in turns, in processor seconds, on one machine.

A workload and a way in, ratios out. Nothing here trains anything that is kept.
"""
