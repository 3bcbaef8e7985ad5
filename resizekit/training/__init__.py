"""Train a codec: data, schedule, optimizer, a state that resumes exactly, and the loop that joins them.

config ─► Session ─► for each segment of the schedule: crops ─► codec ─► loss ─► optimizer ─► averaged weights
"""
