"""Conditions and candles in, verdicts out. Pure: no store, no network, no Prefect.

``engine/evaluate.py`` opens with the numbered algorithm of a tick; each step names the module where it lives.
"""
