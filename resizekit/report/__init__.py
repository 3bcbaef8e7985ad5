"""Render results as one HTML page that loads nothing from elsewhere.

RESULTS.json ─► tables, checks, gains ─┐
sweep.json   ─► curves                 ├─► page ─► OUT.html
--data       ─► pictures               │
folders      ─► pyramids, roundtrips  ─┘
"""
