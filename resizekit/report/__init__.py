"""The report: a file of results, and what lies beside it, as one page that needs nothing else.

RESULTS.json ─► tables, checks, gains ─┐
sweep.json   ─► curves                 ├─► page ─► OUT.html
--data       ─► pictures               │
folders      ─► ladder, triptychs     ─┘
"""
