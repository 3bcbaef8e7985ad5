"""Learning a codec: data, schedule, state that resumes exactly, and the loop."""
